/**
 * The lightbox of <instagram-feed>: one post at full size. widget.js imports it when a post is first opened.
 *
 * The browser's modal dialog traps the focus, closes on Escape and restores the focus. Arrow keys, buttons and swipes move
 * through an album's pictures. Buttons open the previous and next post, as do arrow keys at either end of an album.
 */

const CSS = `
  dialog { width: min(68rem, 100vw); max-width: none; height: min(44rem, 100dvh); max-height: none; margin: auto; padding: 0; overflow: hidden; border: 0; border-radius: 14px; color: #1f1b24; background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  dialog[open] { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 3fr) minmax(17rem, 2fr); }
  dialog::backdrop { background: rgb(10 8 12 / .78); }
  .stage { position: relative; min-width: 0; background: #0f0d11; }
  .track { display: flex; height: 100%; margin: 0; padding: 0; overflow-x: auto; list-style: none; scroll-snap-type: x mandatory; scrollbar-width: none; scroll-behavior: smooth; }
  .track:focus-visible { outline-offset: -3px; }
  .track > li { display: grid; flex: 0 0 100%; place-items: center; scroll-snap-align: center; scroll-snap-stop: always; color: #fff; }
  .track img, .track video { display: block; width: 100%; height: 100%; object-fit: contain; }
  .words { display: flex; flex-direction: column; gap: .75rem; padding: 1.25rem; overflow: auto; }
  .top { display: flex; gap: 1rem; align-items: center; justify-content: space-between; }
  .words p { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
  .when { color: #655f6d; font-size: .9em; }
  .foot { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: auto; padding-top: .75rem; }
  .foot a { margin-right: auto; color: inherit; font-weight: 600; }
  button { min-width: 2.75rem; min-height: 2.75rem; padding: 0 .8rem; border: 1px solid currentColor; border-radius: 2rem; color: inherit; background: none; font: inherit; cursor: pointer; }
  button:disabled { opacity: .35; cursor: default; }
  :focus-visible { outline: 3px solid var(--igf-accent, #b3264a); outline-offset: 2px; }
  .step { position: absolute; top: calc(50% - 1.4rem); border: 0; color: #fff; background: rgb(0 0 0 / .62); }
  .step.back { left: .6rem; }
  .step.on { right: .6rem; }
  .place { position: absolute; bottom: .7rem; left: 50%; margin: 0; padding: .1rem .8rem; border-radius: 1rem; color: #fff; background: rgb(0 0 0 / .62); font-size: .85em; transform: translateX(-50%); }
  @media (max-width: 899px) {
    dialog { height: 100dvh; border-radius: 0; }
    dialog[open] { grid-template: minmax(0, 3fr) minmax(0, 2fr) / minmax(0, 1fr); }
  }
  dialog.dark { color: #f1edf4; background: #221e28; }
  dialog.dark .when { color: #b3abbb; }
  @media (prefers-reduced-motion: no-preference) { dialog[open] { animation: rise .2s ease-out; } }
  @media (prefers-reduced-motion: reduce) { .track { scroll-behavior: auto; } }
  @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
`;
const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/**
 * Show `posts[index]` over the page. `tools`: make, webAddress, altText and dateWords from widget.js.
 * On closing, `told.close(post)` is called with the post shown last.
 */
export function open({ posts, index, isDark, tools, told }) {
  const { make, webAddress, altText, dateWords } = tools;
  const host = make("div");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const dialog = make("dialog", isDark ? "dark" : "");
  root.append(dialog);
  document.body.append(host);
  const overflow = document.documentElement.style.overflow;
  document.documentElement.style.overflow = "hidden";

  const button = (className, words, sign, act) => {
    const element = make("button", className, sign);
    element.type = "button";
    element.setAttribute("aria-label", words);
    element.addEventListener("click", act);
    return element;
  };
  const close = button("", "Close", "✕", () => dialog.close());
  close.autofocus = true;
  const before = button("", "Previous post", "‹", () => show(index - 1));
  const after = button("", "Next post", "›", () => show(index + 1));
  const back = button("step back", "Previous picture", "‹", () => turn(-1));
  const on = button("step on", "Next picture", "›", () => turn(1));
  const place = make("p", "place");
  place.setAttribute("role", "status");
  const stage = make("div", "stage");
  const words = make("div", "words");
  dialog.append(stage, words);
  let track;
  let slides = [];
  let slide = 0;

  function mediaOf(item, alt) {
    const file = webAddress(item.mediaUrl);
    const cover = webAddress(item.thumbnailUrl);
    if (item.mediaType === "VIDEO" && file) {
      const video = make("video");
      Object.assign(video, { controls: true, playsInline: true, preload: "metadata", src: file });
      if (cover) video.poster = cover;
      video.setAttribute("aria-label", alt);
      return video;
    }
    const picture = file && item.mediaType === "IMAGE" ? file : cover;
    if (!picture) return make("span", "", alt);
    const image = make("img");
    image.referrerPolicy = "no-referrer";
    image.alt = alt;
    image.src = picture;
    image.addEventListener("error", () => image.replaceWith(make("span", "", "This picture is no longer available.")), { once: true });
    return image;
  }

  function show(next) {
    if (next < 0 || next >= posts.length) return;
    index = next;
    const post = posts[index];
    const alt = altText(post);
    const items = post.children?.length ? post.children : [post];
    slides = items.map((item, at) => make("li", "", mediaOf(item, item.altText || (items.length > 1 ? `${alt}, ${at + 1} of ${items.length}` : alt))));
    slide = 0;
    track = make("ul", "track", ...slides);
    track.setAttribute("role", "list");
    if (slides.length > 1) {
      track.tabIndex = 0;
      track.setAttribute("aria-label", "Pictures of this album");
      track.addEventListener("scroll", noticeSwipe, { passive: true });
    }
    stage.replaceChildren(track, ...(slides.length > 1 ? [back, on, place] : []));
    dialog.setAttribute("aria-label", alt);
    drawWords(post);
    drawPlace();
  }

  function drawWords(post) {
    const author = make("strong", "", post.username ? `@${post.username}` : "Instagram");
    const caption = make("p", "", post.caption || "");
    caption.dir = "auto";
    const link = make("a", "", "View on Instagram");
    const address = webAddress(post.permalink);
    if (address) link.href = address;
    Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
    words.replaceChildren(make("div", "top", author, close), make("p", "when", dateWords(post.timestamp)), caption, make("div", "foot", link, before, after));
    before.disabled = index === 0;
    after.disabled = index === posts.length - 1;
    if (!root.activeElement || root.activeElement.disabled) close.focus();
  }

  function drawPlace() {
    place.textContent = `${slide + 1} of ${slides.length}`;
    back.disabled = slide === 0;
    on.disabled = slide === slides.length - 1;
    for (const [at, element] of slides.entries()) {
      element.inert = at !== slide;
      if (at !== slide) element.querySelector("video")?.pause();
    }
  }

  function turn(by) {
    const next = slide + by;
    if (next < 0 || next >= slides.length) return show(index + by);
    slide = next;
    track.scrollLeft = slide * track.clientWidth;
    drawPlace();
    const pressed = by < 0 ? back : on;
    if (pressed.disabled && (root.activeElement === null || root.activeElement === pressed)) track.focus();
    return undefined;
  }

  let settled;
  function noticeSwipe() {
    clearTimeout(settled);
    settled = setTimeout(() => {
      const seen = Math.round(track.scrollLeft / track.clientWidth);
      if (seen !== slide && seen < slides.length) {
        slide = seen;
        drawPlace();
      }
    }, 120);
  }

  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.closest("video")) return;
    event.preventDefault();
    turn(by);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(settled);
    document.documentElement.style.overflow = overflow;
    host.remove();
    told.close(posts[index]);
  });
  dialog.showModal();
  show(index);
  close.focus();
}
