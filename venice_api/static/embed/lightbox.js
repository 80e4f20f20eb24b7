/**
 * The lightbox of <instagram-feed>: one post at full size. widget.js imports it when a post is first opened.
 *
 * The browser's modal dialog traps the focus, closes on Escape and restores the focus. Arrow keys, buttons and swipes move
 * through an album's pictures. Buttons open the previous and next post, as do arrow keys and swipes at either end of an
 * album; Home and End open the first and the last.
 *
 * In a frame the dialog covers the part that the visitor sees. If that part is too small, the post opens on Instagram.
 */

const CSS = `
  dialog { width: min(68rem, 100vw); max-width: none; height: min(44rem, 100dvh); max-height: none; margin: auto; padding: 0; overflow: hidden; border: 0; border-radius: 14px; color: #1f1b24; background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  dialog[open] { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 3fr) minmax(17rem, 2fr); }
  dialog::backdrop { background: rgb(10 8 12 / .78); }
  .stage { position: relative; min-width: 0; min-height: 0; background: #0f0d11; }
  .track { display: flex; height: 100%; margin: 0; padding: 0; overflow-x: auto; list-style: none; scroll-snap-type: x mandatory; scrollbar-width: none; scroll-behavior: smooth; }
  .track:focus-visible { outline-offset: -3px; }
  .track > li { position: relative; display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); flex: 0 0 100%; place-items: center; scroll-snap-align: center; scroll-snap-stop: always; color: #fff; }
  .track picture { display: contents; }
  .track img, .track video { display: block; width: 100%; height: 100%; object-fit: contain; }
  .film { position: relative; display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); width: 100%; height: 100%; place-items: center; }
  .trouble { position: absolute; z-index: 2; top: 3.2rem; left: 50%; box-sizing: border-box; width: max-content; max-width: min(22rem, calc(100% - 8rem)); margin: 0; padding: .6rem .9rem; border-radius: 10px; color: #fff; background: rgb(0 0 0 / .82); font-size: .9em; text-align: center; transform: translateX(-50%); }
  .trouble a { color: inherit; }
  [hidden] { display: none !important; }
  .track img, .track > li > *, .film > * { grid-area: 1 / 1; }
  .play { z-index: 1; width: 4.5rem; height: 4.5rem; padding: 0; padding-left: .3rem; border: 0; border-radius: 50%; color: #fff; background: rgb(0 0 0 / .62); font-size: 1.7rem; line-height: 1; }
  .play:hover { background: rgb(0 0 0 / .8); }
  .notice { z-index: 1; align-self: end; max-width: min(26rem, calc(100% - 2rem)); box-sizing: border-box; margin: 0 0 1.2rem; padding: .6rem .9rem; border-radius: 10px; color: #fff; background: rgb(0 0 0 / .82); font-size: .9em; text-align: center; }
  .notice:empty { display: none; }
  .lost { display: grid; gap: .6rem; box-sizing: border-box; place-content: center; width: 100%; height: 100%; padding: 1.5rem 4rem; overflow: auto; color: #fff; text-align: center; text-decoration: none; overflow-wrap: anywhere; }
  .words { display: flex; flex-direction: column; gap: .75rem; padding: 1.25rem; overflow: auto; }
  .top { display: flex; gap: 1rem; align-items: center; justify-content: space-between; }
  .words p { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
  .when { color: #655f6d; font-size: .9em; }
  .foot { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: auto; padding-top: .75rem; }
  .foot a { margin-inline-end: auto; color: inherit; font-weight: 600; }
  button { min-width: 2.75rem; min-height: 2.75rem; padding: 0 .8rem; border: 1px solid currentColor; border-radius: 2rem; color: inherit; background: none; font: inherit; cursor: pointer; }
  button:disabled { opacity: .35; cursor: default; }
  :focus-visible { outline: 3px solid var(--igf-accent, #b3264a); outline-offset: 2px; }
  .step { position: absolute; top: calc(50% - 1.4rem); border: 0; color: #fff; background: rgb(0 0 0 / .62); }
  .step.back { inset-inline-start: .6rem; }
  .step.on { inset-inline-end: .6rem; }
  .place { position: absolute; top: .7rem; left: 50%; margin: 0; padding: .1rem .8rem; border-radius: 1rem; color: #fff; background: rgb(0 0 0 / .62); font-size: .85em; transform: translateX(-50%); }
  @media (max-width: 899px) {
    dialog { height: 100dvh; border-radius: 0; }
    .words { padding: 1rem; }
  }
  @media (max-width: 899px) and (orientation: portrait) {
    dialog[open] { grid-template: minmax(0, 7fr) minmax(0, 4fr) / minmax(0, 1fr); }
  }
  @media (max-width: 899px) and (orientation: landscape) {
    dialog[open] { grid-template-columns: minmax(0, 3fr) minmax(min(15rem, 45%), 2fr); }
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

// Used where widget.js hands over no texts, because an older one is in the page's cache.
const TEXTS = {
  close: "Close",
  previousPost: "Previous post",
  nextPost: "Next post",
  previousPicture: "Previous picture",
  nextPicture: "Next picture",
  playVideo: "Play video",
  albumPictures: "Pictures of this album",
  pictureOf: "{place} of {count}",
  viewOnInstagram: "View on Instagram",
  goneMedia: "This picture or video can't be loaded.",
};
const WAITS_MS = 8_000;
const SMALLEST_VISIBLE = 360; // pixels of a frame
const SWIPE = 50; // pixels
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

/** The part of this frame that the visitor sees, in pixels from its top: {top, height}; null outside of frames. */
function visiblePart() {
  if (window === window.top) return Promise.resolve(null);
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(([{ intersectionRect }]) => {
      observer.disconnect();
      resolve({ top: Math.max(0, intersectionRect.top), height: Math.min(intersectionRect.height, innerHeight) });
    });
    observer.observe(document.documentElement);
  });
}

/**
 * Show `posts[index]` over the page. `tools`: make, webAddress, picture, lost, altText, dateWords, texts, language and
 * direction from widget.js, and `videoNotice`, what to tell before the first video plays.
 * On closing, `told.close(post)` is called with the post shown last.
 */
export async function open({ posts, index, isDark, tools, told }) {
  const visible = await visiblePart();
  if (visible && visible.height < SMALLEST_VISIBLE) {
    const address = tools.webAddress(posts[index].permalink);
    if (address) window.open(address, "_blank", "noopener,noreferrer");
    told.close(posts[index]);
    return;
  }
  show({ posts, index, isDark, tools, told, visible });
}

function show({ posts, index, isDark, tools, told, visible }) {
  const { make, webAddress, picture, lost, altText, dateWords, videoNotice } = tools;
  const texts = { ...TEXTS, ...tools.texts };
  const isMirrored = tools.direction === "rtl";
  const host = make("div");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const dialog = make("dialog", isDark ? "dark" : "");
  dialog.dir = isMirrored ? "rtl" : "ltr";
  if (tools.language) dialog.lang = tools.language;
  dialog.style.colorScheme = isDark ? "dark" : "light";
  if (visible) {
    const height = Math.min(704, visible.height); // 44rem
    Object.assign(dialog.style, { top: `${visible.top + (visible.height - height) / 2}px`, bottom: "auto", height: `${height}px` });
    Object.assign(dialog.style, { marginTop: "0", marginBottom: "0" });
  }
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
  const [backSign, onSign] = isMirrored ? ["›", "‹"] : ["‹", "›"];
  const close = button("", texts.close, "✕", () => dialog.close());
  close.autofocus = true;
  const before = button("", texts.previousPost, backSign, () => showPost(index - 1));
  const after = button("", texts.nextPost, onSign, () => showPost(index + 1));
  const back = button("step back", texts.previousPicture, backSign, () => turn(-1));
  const on = button("step on", texts.nextPicture, onSign, () => turn(1));
  const place = make("p", "place");
  place.setAttribute("role", "status");
  const stage = make("div", "stage");
  const words = make("div", "words");
  dialog.append(stage, words);
  let track;
  let slides = [];
  let slide = 0;
  const timers = new Set();

  /** How wide the item is drawn on the stage. */
  function widthOf(item) {
    const { clientWidth, clientHeight } = stage;
    return Math.min(clientWidth, (clientHeight * item.width) / item.height || clientWidth) || 640;
  }

  /** Instead of a picture or video that can't be loaded. */
  function lostItem(item, words, address) {
    const element = lost(address ? "a" : "div", item, words);
    element.prepend(make("strong", "", texts.goneMedia));
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
    if (isVideo) return [film(file, alt, shown, address, () => lostItem(item, words, address))];
    if (!shown) return [lostItem(item, words, address)];
    const trouble = troubleNote(address);
    // Pictures of an album's other places wait until they are shown.
    const wait = isFirst && !shown.image.complete ? afterWaiting(trouble) : null;
    for (const end of ["load", "error"]) shown.image.addEventListener(end, () => wait?.done());
    return [shown.element, trouble];
  }

  /** Says that the picture or video doesn't come, and offers the post on Instagram. Hidden at first. */
  function troubleNote(address) {
    const note = make("p", "trouble", `${texts.goneMedia} `);
    note.setAttribute("role", "status");
    note.hidden = true;
    if (address) note.append(linkTo(address));
    return note;
  }

  function linkTo(address) {
    const link = make("a", "", texts.viewOnInstagram);
    return Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
  }

  /** Shows the note if `done` isn't called in time. A later `done` hides it again; `again` waits once more. */
  function afterWaiting(note) {
    let timer;
    const done = () => {
      clearTimeout(timer);
      timers.delete(timer);
      note.hidden = true;
    };
    const again = () => {
      done();
      timer = setTimeout(() => (note.hidden = false), WAITS_MS);
      timers.add(timer);
    };
    again();
    return { done, again };
  }

  /** A video that loads nothing but its still picture until the visitor presses play. */
  function film(file, alt, still, address, fail) {
    const notice = make("p", "notice");
    notice.setAttribute("role", "status");
    const play = button("play", texts.playVideo, "▶", () => {
      if (videoNotice && !notice.textContent && !isTold()) {
        notice.textContent = videoNotice;
        return;
      }
      if (notice.textContent) rememberTold();
      const video = make("video");
      Object.assign(video, { controls: true, playsInline: true, poster: still?.image.currentSrc || "" });
      video.setAttribute("aria-label", alt);
      const trouble = troubleNote(address);
      const wait = afterWaiting(trouble);
      video.addEventListener("error", () => {
        wait.done();
        box.replaceWith(fail());
      }, { once: true });
      for (const name of ["loadeddata", "playing", "timeupdate", "pause", "ended"]) video.addEventListener(name, wait.done);
      video.addEventListener("waiting", wait.again);
      video.src = file;
      box.replaceChildren(video, trouble);
      video.focus();
      video.play().catch(() => {}); // the visitor can press play in the controls
    });
    play.setAttribute("aria-label", `${texts.playVideo}: ${alt}`);
    const box = make("div", "film", ...(still ? [still.element] : []), play, notice);
    return box;
  }

  function forgetWaiting() {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  }

  function placeWords(at, count) {
    return texts.pictureOf.replace("{place}", at + 1).replace("{count}", count);
  }

  function showPost(next) {
    if (next < 0 || next >= posts.length) return;
    index = next;
    forgetWaiting();
    const post = posts[index];
    const alt = altText(post);
    const items = post.children?.length ? post.children : [post];
    slides = items.map((item, at) => {
      const words = item.altText || (items.length > 1 ? `${alt}, ${placeWords(at, items.length)}` : alt);
      return make("li", "", ...mediaOf(item, post, words, at === 0));
    });
    slide = 0;
    track = make("ul", "track", ...slides);
    track.setAttribute("role", "list");
    if (slides.length > 1) {
      track.tabIndex = 0;
      track.setAttribute("aria-label", texts.albumPictures);
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
    const address = webAddress(post.permalink);
    const link = address ? linkTo(address) : make("span");
    words.replaceChildren(make("div", "top", author, close), make("p", "when", dateWords(post.timestamp)), caption, make("div", "foot", link, before, after));
    words.scrollTop = 0;
    before.disabled = index === 0;
    after.disabled = index === posts.length - 1;
    if (!root.activeElement || root.activeElement.disabled) close.focus();
  }

  function drawPlace() {
    place.textContent = placeWords(slide, slides.length);
    back.disabled = slide === 0;
    on.disabled = slide === slides.length - 1;
    for (const [at, element] of slides.entries()) {
      element.inert = at !== slide;
      if (at !== slide) element.querySelector("video")?.pause();
    }
  }

  function turn(by) {
    const next = slide + by;
    if (next < 0 || next >= slides.length) return showPost(index + by);
    slide = next;
    track.scrollLeft = (isMirrored ? -1 : 1) * slide * track.clientWidth;
    drawPlace();
    const pressed = by < 0 ? back : on;
    if (pressed.disabled && (root.activeElement === null || root.activeElement === pressed)) track.focus();
    return undefined;
  }

  let settled;
  function noticeSwipe() {
    clearTimeout(settled);
    settled = setTimeout(() => {
      const seen = Math.round(Math.abs(track.scrollLeft) / track.clientWidth);
      if (seen !== slide && seen < slides.length) {
        slide = seen;
        drawPlace();
      }
    }, 120);
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("video") || event.altKey || event.ctrlKey || event.metaKey) return;
    const onward = isMirrored ? -1 : 1;
    const act = {
      ArrowLeft: () => turn(-onward),
      ArrowRight: () => turn(onward),
      Home: () => showPost(0),
      End: () => showPost(posts.length - 1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // An album's pictures are swiped by scrolling. A swipe beyond its ends, or over a single picture, changes the post.
  let touched = null;
  stage.addEventListener("touchstart", ({ touches, target }) => {
    const isAlone = touches.length === 1 && !target.closest("video") && (visualViewport?.scale ?? 1) === 1;
    touched = isAlone ? { x: touches[0].clientX, y: touches[0].clientY, slide } : null;
  }, { passive: true });
  stage.addEventListener("touchend", ({ changedTouches }) => {
    if (!touched) return;
    const across = changedTouches[0].clientX - touched.x;
    const by = (isMirrored ? 1 : -1) * Math.sign(across);
    const isEnd = touched.slide + by < 0 || touched.slide + by >= slides.length;
    if (isEnd && Math.abs(across) > Math.max(SWIPE, Math.abs(changedTouches[0].clientY - touched.y))) showPost(index + by);
    touched = null;
  }, { passive: true });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(settled);
    forgetWaiting();
    Object.assign(page.style, { overflow, scrollbarGutter });
    host.remove();
    told.close(posts[index]);
  });
  dialog.showModal();
  showPost(index);
  close.focus();
}
