/** What the header of <instagram-feed> can have besides picture and name: a text, and a button that leads to the profile. */

const CSS = `
  .top { display: grid; grid-template: auto auto / auto minmax(0, 1fr) auto; column-gap: .65em; align-items: center; min-height: 2.4em; margin: 0 0 .9em; }
  .top .profile { display: grid; grid-area: 1 / 1 / 2 / 3; grid-template: subgrid / subgrid; margin: 0; }
  .top .name { grid-column: 2; }
  .follow { grid-area: 1 / 3; padding: .45em 1.2em; border-radius: 2em; background: var(--igf-background, color-mix(in srgb, currentColor 9%, transparent)); font-size: .9em; font-weight: 600; text-decoration: none; }
  .follow:hover { background: color-mix(in srgb, currentColor 16%, transparent); }
  .about { grid-area: 2 / 1 / 3 / 4; margin: .5em 0 0; font-size: .9em; line-height: 1.3; overflow-wrap: anywhere; }
  @container (min-width: 480px) {
    .top .profile { grid-row: 1 / 3; }
    .top .avatar { grid-row: 1 / 3; }
    .top .name { grid-row: 1 / 3; }
    .top.with .name { grid-row: 1; align-self: end; line-height: 1.2; }
    .about { grid-column: 2; align-self: start; margin: 0; }
    .follow { grid-row: 1 / 3; }
  }
`;
export const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/** The header with its text and its button. `link`: picture and name. Without a profile there is nobody to follow. */
export function extend(link, { profile, headerText, followButton, texts, make, makeLink }) {
  const top = make("div", "top", link);
  if (followButton && profile) {
    const follow = makeLink("follow", link.href, texts.follow);
    follow.setAttribute("aria-label", `${texts.follow} @${profile.username}`);
    top.append(follow);
  }
  if (headerText) {
    const about = make("p", "about", headerText);
    about.dir = "auto";
    top.classList.add("with");
    top.append(about);
  }
  return top;
}
