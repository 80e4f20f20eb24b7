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
  .stage { position: relative; min-width: 0; min-height: 0; background: #0f0d11; }
  .track { display: flex; height: 100%; margin: 0; padding: 0; overflow-x: auto; list-style: none; scroll-snap-type: x mandatory; scrollbar-width: none; scroll-behavior: smooth; }
  .track:focus-visible { outline-offset: -3px; }
  .track > li { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); flex: 0 0 100%; place-items: center; scroll-snap-align: center; scroll-snap-stop: always; color: #fff; }
  .track picture { display: contents; }
  .track img, .track video { display: block; width: 100%; height: 100%; object-fit: contain; }
  .film { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); width: 100%; height: 100%; place-items: center; }
  .track img, .track > li > *, .film > * { grid-area: 1 / 1; }
  .play { z-index: 1; width: 4.5rem; height: 4.5rem; padding: 0 0 0 .3rem; border: 0; border-radius: 50%; color: #fff; background: rgb(0 0 0 / .62); font-size: 1.7rem; line-height: 1; }
  .play:hover { background: rgb(0 0 0 / .8); }
  .notice { z-index: 1; align-self: end; max-width: 26rem; margin: 0 1rem 3.2rem; padding: .6rem .9rem; border-radius: 10px; color: #fff; background: rgb(0 0 0 / .82); font-size: .9em; text-align: center; }
  .notice:empty { display: none; }
  .lost { display: grid; gap: .6rem; box-sizing: border-box; place-content: center; width: 100%; height: 100%; padding: 1.5rem 4rem; overflow: auto; color: #fff; text-align: center; text-decoration: none; overflow-wrap: anywhere; }
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
// An older widget.js from the page's cache knows no pictures in sizes. It then opens the post on Instagram, as it does when
// this file can't be loaded.
if (!(customElements.get("instagram-feed")?.lightbox >= 2)) throw new Error("widget.js is older than lightbox.js");

const TOLD = "instagram-feed:video-notice";
let wasTold = false;

/** Whether the visitor has been told where videos are loaded from, in this tab. */
function isTold() {
  try {
    return wasTold || sessionStorage.getItem(TOLD) !== null;
  } catch {
    return wasTold; // the page may not use storage
  }
}

function rememberTold() {
  wasTold = true;
  try {
    sessionStorage.setItem(TOLD, "1");
  } catch {
    // remembered for this page
  }
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/**
 * Show `posts[index]` over the page. `tools`: make, webAddress, picture, lost, altText and dateWords from widget.js, and
 * `videoNotice`, what to tell before the first video plays.
 * On closing, `told.close(post)` is called with the post shown last.
 */
export function open({ posts, index, isDark, tools, told }) {
  const { make, webAddress, picture, lost, altText, dateWords, videoNotice } = tools;
  const host = make("div");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const dialog = make("dialog", isDark ? "dark" : "");
  root.append(dialog);
  document.body.append(host);
  const page = document.documentElement;
  const { overflow, scrollbarGutter } = page.style;
  if (innerWidth > page.clientWidth) page.style.scrollbarGutter = "stable"; // the page keeps its width
  page.style.overflow = "hidden";

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

  /** How wide the item is drawn on the stage. */
  function widthOf(item) {
    const { clientWidth, clientHeight } = stage;
    return Math.min(clientWidth, (clientHeight * item.width) / item.height || clientWidth) || 640;
  }

  function lostItem(item, words, address) {
    const element = lost(address ? "a" : "div", item, words);
    if (address) Object.assign(element, { href: address, target: "_blank", rel: "noopener noreferrer" });
    return element;
  }

  function mediaOf(item, post, alt, isFirst) {
    const file = webAddress(item.mediaUrl);
    const isVideo = item.mediaType === "VIDEO" && file;
    const plain = (item.mediaType === "IMAGE" && file) || webAddress(item.thumbnailUrl);
    const words = post.caption || alt;
    const address = webAddress(post.permalink);
    const lose = (element) => element.replaceWith(isVideo ? make("span") : lostItem(item, words, address));
    const shown = plain && picture(item, { plain, alt: isVideo ? "" : alt, width: widthOf(item), names: ["medium", "large"], isFirst, lose });
    if (!isVideo) return shown ? shown.element : lostItem(item, words, address);
    return film(file, alt, shown, () => lostItem(item, words, address));
  }

  /** A video that loads nothing but its still picture until the visitor presses play. */
  function film(file, alt, still, fail) {
    const notice = make("p", "notice");
    notice.setAttribute("role", "status");
    const play = button("play", "Play video", "▶", () => {
      if (videoNotice && !notice.textContent && !isTold()) {
        notice.textContent = videoNotice;
        return;
      }
      if (notice.textContent) rememberTold();
      const video = make("video");
      Object.assign(video, { controls: true, playsInline: true, poster: still?.image.currentSrc || "" });
      video.setAttribute("aria-label", alt);
      video.addEventListener("error", () => box.replaceWith(fail()), { once: true });
      video.src = file;
      box.replaceChildren(video);
      video.focus();
      video.play().catch(() => {}); // the visitor can press play in the controls
    });
    play.setAttribute("aria-label", `Play video: ${alt}`);
    const box = make("div", "film", ...(still ? [still.element] : []), play, notice);
    return box;
  }

  function show(next) {
    if (next < 0 || next >= posts.length) return;
    index = next;
    const post = posts[index];
    const alt = altText(post);
    const items = post.children?.length ? post.children : [post];
    slides = items.map((item, at) => {
      const words = item.altText || (items.length > 1 ? `${alt}, ${at + 1} of ${items.length}` : alt);
      return make("li", "", mediaOf(item, post, words, at === 0));
    });
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
    Object.assign(page.style, { overflow, scrollbarGutter });
    host.remove();
    told.close(posts[index]);
  });
  dialog.showModal();
  show(index);
  close.focus();
}
