/**
 * The lightbox of <instagram-feed>: one post at full size. widget.js imports it when a post is first opened.
 *
 * The browser's modal dialog traps the focus, closes on Escape and restores the focus. Arrow keys, buttons and swipes move
 * through an album's pictures, and beyond its ends to the next post. Home and End go to the album's first and last
 * picture, then to the first and last post.
 *
 * Nothing is drawn over a picture or video: its native controls, which differ between browsers, are never covered. The
 * layout follows the dialog's own size, because a frame can be much higher than the part of it that is in view: the dialog
 * covers that part, and where it is too small, the post opens on Instagram.
 */

const CSS = `
  dialog { --high: var(--igf-view-height, 100dvh); container-type: size; position: fixed; inset: var(--igf-view-top, 0px) 0 auto; box-sizing: border-box; width: min(78rem, 100vw); max-width: none; height: min(56rem, var(--high)); max-height: none; margin: max(0px, (var(--high) - 56rem) / 2) auto 0; padding: 0; overflow: hidden; border: 0; color: #1f1b24; color-scheme: light; background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; --accent: var(--igf-accent, #b3264a); }
  dialog.dark { color: #f1edf4; color-scheme: dark; background: #221e28; --accent: var(--igf-accent, #ff8fab); }
  dialog::backdrop { background: rgb(10 8 12 / .8); }
  .post { display: grid; height: 100%; grid-template: "top" auto "stage" minmax(0, 1fr) "words" auto "foot" auto / minmax(0, 1fr); }
  .top { display: flex; grid-area: top; gap: 1rem; align-items: center; justify-content: space-between; padding: .4rem .4rem .4rem 1rem; padding-inline: 1rem .4rem; }
  .top strong { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .stage { display: grid; grid-area: stage; grid-template: minmax(0, 1fr) auto / minmax(0, 1fr); min-width: 0; min-height: 0; color: #fff; background: #0f0d11; }
  .track { display: flex; min-height: 0; margin: 0; padding: 0; overflow: auto hidden; list-style: none; scroll-snap-type: x mandatory; scrollbar-width: none; scroll-behavior: smooth; overscroll-behavior-x: contain; }
  .track > li, .film { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); place-items: center; }
  .track > li { flex: 0 0 100%; min-width: 0; scroll-snap-align: center; scroll-snap-stop: always; }
  .track > li > *, .film > *, .track img { grid-area: 1 / 1; }
  .film { width: 100%; height: 100%; }
  .track picture { display: contents; }
  .track img, .track video { display: block; width: 100%; height: 100%; min-width: 0; min-height: 0; object-fit: contain; }
  .late > :not(.gone), .late > picture > img { visibility: hidden; }
  .wait::after { grid-area: 1 / 1; width: 2rem; height: 2rem; border: 3px solid rgb(255 255 255 / .3); border-top-color: #fff; border-radius: 50%; content: ""; }
  .gone { display: grid; gap: .8rem; box-sizing: border-box; place-content: safe center; justify-items: center; width: 100%; height: 100%; padding: 1rem; overflow: auto; text-align: center; overflow-wrap: anywhere; }
  .gone p { max-width: 30rem; margin: 0; }
  .gone a { display: inline-block; padding: .55rem 1.1rem; border: 1px solid; border-radius: 2rem; color: inherit; font-weight: 600; text-decoration: none; }
  .press { z-index: 1; display: flex; flex-direction: column; gap: .8rem; align-items: center; justify-content: safe center; width: 100%; height: 100%; overflow: auto; }
  .play { width: 4.5rem; height: 4.5rem; padding: 0; border: 0; border-radius: 50%; color: #fff; background: rgb(0 0 0 / .7); }
  .play::before { display: block; width: 0; margin: 0 0 0 1.65rem; border: solid transparent; border-width: .85rem 0 .85rem 1.4rem; border-left-color: #fff; content: ""; direction: ltr; }
  .play:hover { background: #000; }
  .notice { max-width: 24rem; margin: 0 1rem; padding: .6rem .9rem; border-radius: 10px; color: #fff; background: rgb(0 0 0 / .82); font-size: .9em; text-align: center; }
  .notice:empty { display: none; }
  .turn { display: flex; gap: .5rem; align-items: center; justify-content: center; padding: .2rem; }
  .turn p { min-width: 4.5rem; margin: 0; font-size: .9em; text-align: center; font-variant-numeric: tabular-nums; }
  .words { display: flex; grid-area: words; flex-direction: column; gap: .5rem; min-height: 0; max-height: 24cqh; padding: .6rem 1rem .2rem; overflow: auto; overscroll-behavior: contain; }
  .words p { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
  .words p:empty { display: none; }
  .when { color: #655f6d; font-size: .9em; }
  .dark .when { color: #b3abbb; }
  .foot { display: flex; grid-area: foot; gap: .5rem; align-items: center; padding: .4rem .4rem; padding-inline: 1rem .4rem; }
  .foot a { flex: 1; min-width: 0; color: inherit; font-weight: 600; }
  button { display: inline-grid; flex: none; box-sizing: border-box; place-content: center; width: 2.75rem; height: 2.75rem; padding: 0; border: 1px solid transparent; border-radius: 50%; color: inherit; background: none; font: 1.5rem/1 system-ui, sans-serif; cursor: pointer; }
  button:hover:enabled { background: rgb(128 128 128 / .25); }
  button:disabled { opacity: .35; cursor: default; }
  .play:hover:enabled { background: #000; }
  svg { width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
  [dir="rtl"] .way svg { transform: scaleX(-1); }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
  .stage :focus-visible { outline-color: #fff; }
  .track:focus-visible, .words:focus-visible { outline-offset: -3px; }
  @container (min-width: 36rem) and (orientation: landscape) {
    .post { grid-template: "stage top" auto "stage words" minmax(0, 1fr) "stage foot" auto / minmax(0, 1fr) clamp(15rem, 32cqw, 25rem); }
    .words { max-height: none; }
  }
  @container (max-height: 22rem) and (max-width: 35.99rem) {
    .post { height: auto; min-height: 100%; grid-template-rows: auto 80cqh auto auto; }
    .words { max-height: none; }
  }
  @media (min-width: 64rem) and (min-height: 40rem) {
    dialog { --high: calc(var(--igf-view-height, 100dvh) - 2rem); width: min(78rem, 100vw - 2rem); margin-top: calc(1rem + max(0px, (var(--high) - 56rem) / 2)); border-radius: 14px; }
  }
  @media (prefers-reduced-motion: no-preference) {
    dialog[open] { animation: rise .2s ease-out; }
    .wait::after { animation: turn 1s linear infinite; }
  }
  @media (prefers-reduced-motion: reduce) { .track { scroll-behavior: auto; } }
  @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
  @keyframes turn { to { transform: rotate(1turn); } }
`;
// An older widget.js from the page's cache knows no pictures in sizes. It then opens the post on Instagram, as it does when
// this file can't be loaded.
if (!(customElements.get("instagram-feed")?.lightbox >= 2)) throw new Error("widget.js is older than lightbox.js");

const ENGLISH = {
  previousPost: "Previous post",
  nextPost: "Next post",
  previousPicture: "Previous picture",
  nextPicture: "Next picture",
  close: "Close",
  playVideo: "Play video",
  albumPictures: "Pictures of this album",
  pictureOf: "{place} of {count}",
  viewOnInstagram: "View on Instagram",
  goneMedia: "This picture or video can't be loaded.",
};
const HANGS_AFTER_MS = 8_000;
const SMALLEST_VIEW_PX = 360; // the height of a frame's part in view
const SWIPE_PX = 50;
const VIDEO_CONTROLS_PX = 96; // the lowest part of a video, where a swipe moves its time
const SHAPES = { close: "M5 5 19 19M19 5 5 19", back: "M15 4 7 12 15 20", on: "M9 4 17 12 9 20" };
const SVG = "http://www.w3.org/2000/svg";

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

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/** The part of this frame that the visitor sees, in pixels from its top: {top, height}. Null outside of frames. */
function viewOfFrame() {
  if (window === window.top) return null;
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(([{ intersectionRect }]) => {
      observer.disconnect();
      resolve({ top: Math.max(0, intersectionRect.top), height: Math.min(intersectionRect.height, innerHeight) });
    });
    observer.observe(document.documentElement);
  });
}

/**
 * Show `posts[index]` over the page. `tools`: make, webAddress, picture, altText and dateWords from widget.js;
 * `videoNotice`, what to tell before the first video plays; and `texts`, `language` and `direction`, which an older
 * widget.js doesn't have. On closing, `told.close(post)` is called with the post shown last.
 */
export async function open({ posts, index, isDark, tools, told }) {
  const view = await viewOfFrame();
  if (!view || view.height >= SMALLEST_VIEW_PX) return openDialog({ posts, index, isDark, tools, told, view });
  const address = tools.webAddress(posts[index].permalink);
  if (address) window.open(address, "_blank", "noopener,noreferrer");
  return told.close(posts[index]);
}

function openDialog({ posts, index, isDark, tools, told, view }) {
  const { make, webAddress, picture, altText, dateWords, videoNotice } = tools;
  const texts = { ...ENGLISH, ...tools.texts };
  const forwards = tools.direction === "rtl" ? -1 : 1; // the sign of a step to the right
  const host = make("div");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const dialog = make("dialog", isDark ? "dark" : "");
  dialog.dir = forwards < 0 ? "rtl" : "ltr";
  dialog.lang = (tools.texts && tools.language) || "en";
  const putInView = ({ top, height }) => {
    dialog.style.setProperty("--igf-view-top", `${top}px`);
    dialog.style.setProperty("--igf-view-height", `${height}px`);
  };
  const followWindow = () => viewOfFrame()?.then(putInView);
  if (view) putInView(view);
  addEventListener("resize", followWindow);
  root.append(dialog);
  document.body.append(host);
  const page = document.documentElement;
  const { overflow, scrollbarGutter } = page.style;
  if (innerWidth > page.clientWidth) page.style.scrollbarGutter = "stable"; // the page keeps its width
  page.style.overflow = "hidden";

  const button = (className, words, shape, act) => {
    const element = make("button", className, ...(shape ? [icon(shape)] : []));
    element.type = "button";
    element.setAttribute("aria-label", words);
    element.addEventListener("click", act);
    return element;
  };
  const linkTo = (address) => {
    const link = make("a", "", texts.viewOnInstagram);
    if (address) link.href = address;
    return Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
  };
  const close = button("", texts.close, "close", () => dialog.close());
  close.autofocus = true;
  const before = button("way", texts.previousPost, "back", () => show(index - 1));
  const after = button("way", texts.nextPost, "on", () => show(index + 1));
  const back = button("way", texts.previousPicture, "back", () => turn(-1));
  const on = button("way", texts.nextPicture, "on", () => turn(1));
  const place = make("p", "place");
  place.setAttribute("role", "status");
  const top = make("div", "top");
  const stage = make("div", "stage");
  const words = make("div", "words");
  const foot = make("div", "foot");
  dialog.append(make("div", "post", top, stage, words, foot));
  const timers = new Set();
  let track;
  let slides = [];
  let slide = 0;
  let watches = [];

  /** How wide the item is drawn on the stage. */
  function widthOf(item) {
    const { clientWidth, clientHeight } = stage;
    return Math.min(clientWidth, (clientHeight * item.width) / item.height || clientWidth) || 640;
  }

  function gone(post) {
    const message = make("div", "gone", make("p", "", texts.goneMedia));
    message.setAttribute("role", "status");
    const address = webAddress(post.permalink);
    if (address) message.append(linkTo(address));
    return message;
  }

  /**
   * `start` shows that something is loading in `box`; after 8 seconds the message of `gone` is shown in its place.
   * `stop` shows what has come.
   */
  function waiting(box, post) {
    let timer = 0;
    let message = null;
    const halt = () => {
      clearTimeout(timer);
      timers.delete(timer);
      timer = 0;
    };
    return {
      start() {
        halt();
        if (message) return;
        box.classList.add("wait");
        timer = setTimeout(() => {
          const hadFocus = box.contains(root.activeElement);
          message = gone(post);
          box.classList.replace("wait", "late");
          box.append(message);
          if (hadFocus) (message.querySelector("a") || close).focus();
        }, HANGS_AFTER_MS);
        timers.add(timer);
      },
      stop(focus) {
        halt();
        box.classList.remove("wait", "late");
        if (!message) return;
        const hadFocus = message.contains(root.activeElement);
        message.remove();
        message = null;
        if (hadFocus) (focus || close).focus();
      },
      get isWaiting() {
        return timer !== 0;
      },
    };
  }

  /** Fill the slide. Returns what to call when the slide comes into view. */
  function fill(box, item, post, alt, isFirst) {
    const file = webAddress(item.mediaUrl);
    const isVideo = item.mediaType === "VIDEO" && file;
    const plain = (item.mediaType === "IMAGE" && file) || webAddress(item.thumbnailUrl);
    const wait = waiting(box, post);
    const lose = (element) => {
      wait.stop();
      element.replaceWith(isVideo ? make("span") : gone(post));
    };
    const shown = plain && picture(item, { plain, alt: isVideo ? "" : alt, width: widthOf(item), names: ["medium", "large"], isFirst, lose });
    if (isVideo) {
      box.append(film(file, alt, shown, post));
      return () => {};
    }
    box.append(shown ? shown.element : gone(post));
    if (!shown) return () => {};
    shown.image.addEventListener("load", () => wait.stop());
    return () => box.contains(shown.image) && !shown.image.complete && !wait.isWaiting && wait.start();
  }

  /** A video that loads nothing but its still picture until the visitor presses play. */
  function film(file, alt, still, post) {
    const notice = make("p", "notice");
    notice.setAttribute("role", "status");
    const play = button("play", `${texts.playVideo}: ${alt}`, "", () => {
      if (videoNotice && !notice.textContent && !isTold()) {
        notice.textContent = videoNotice;
        return;
      }
      if (notice.textContent) rememberTold();
      const video = make("video");
      Object.assign(video, { controls: true, playsInline: true, poster: still?.image.currentSrc || "" });
      video.setAttribute("aria-label", alt);
      const wait = waiting(box, post);
      for (const name of ["loadeddata", "playing", "seeked", "pause", "ended"]) video.addEventListener(name, () => wait.stop(video));
      for (const name of ["waiting", "seeking"]) video.addEventListener(name, () => video.paused || wait.start());
      video.addEventListener("progress", () => wait.isWaiting && wait.start()); // data is coming, slowly
      video.addEventListener("error", () => {
        const hadFocus = box.contains(root.activeElement);
        wait.stop(video);
        const message = gone(post);
        box.replaceChildren(message);
        if (hadFocus) (message.querySelector("a") || close).focus();
      }, { once: true });
      video.src = file;
      box.replaceChildren(video);
      video.focus();
      wait.start();
      video.play().catch(() => {}); // the visitor can press play in the controls
    });
    const box = make("div", "film", ...(still ? [still.element] : []), make("div", "press", play, notice));
    return box;
  }

  function show(next, at = 0) {
    if (next < 0 || next >= posts.length) return;
    leave();
    index = next;
    const post = posts[index];
    const alt = altText(post);
    const items = post.children?.length ? post.children : [post];
    slides = items.map(() => make("li"));
    slide = at < 0 ? slides.length - 1 : at;
    track = make("ul", "track", ...slides);
    track.setAttribute("role", "list");
    const isAlbum = slides.length > 1;
    if (isAlbum) {
      track.tabIndex = 0;
      track.setAttribute("aria-label", texts.albumPictures);
      track.addEventListener("scroll", noticeSwipe, { passive: true });
    }
    drawWords(post); // first, because the stage takes the space that they leave
    stage.replaceChildren(track, ...(isAlbum ? [make("div", "turn", back, place, on)] : []));
    watches = items.map((item, at) => {
      const words = item.altText || (isAlbum ? `${alt}, ${placeWords(at)}` : alt);
      return fill(slides[at], item, post, words, at === slide);
    });
    if (slide) track.scrollTo({ left: forwards * slide * track.clientWidth, behavior: "instant" });
    dialog.setAttribute("aria-label", alt);
    drawPlace();
    if (!root.activeElement || root.activeElement.disabled) close.focus();
  }

  /** Stop the timers and the sound of what was shown. */
  function leave() {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    clearTimeout(settled);
    for (const video of stage.querySelectorAll("video")) {
      video.pause();
      video.removeAttribute("src");
      video.load(); // ends its download
    }
  }

  function drawWords(post) {
    const caption = make("p", "", post.caption || "");
    caption.dir = "auto";
    caption.lang = ""; // unknown
    const author = make("strong", "", post.username ? `@${post.username}` : "Instagram");
    top.replaceChildren(author, close);
    words.replaceChildren(make("p", "when", dateWords(post.timestamp)), caption);
    words.scrollTop = 0;
    checkWords();
    foot.replaceChildren(linkTo(webAddress(post.permalink)), before, after);
    before.disabled = index === 0;
    after.disabled = index === posts.length - 1;
  }

  /** A long caption scrolls. Then it must be reachable by keyboard. */
  function checkWords() {
    if (words.scrollHeight > words.clientHeight) words.tabIndex = 0;
    else words.removeAttribute("tabindex");
  }

  const placeWords = (at) => texts.pictureOf.replace("{place}", at + 1).replace("{count}", slides.length);

  function drawPlace() {
    place.textContent = placeWords(slide);
    back.disabled = slide === 0;
    on.disabled = slide === slides.length - 1;
    for (const [at, element] of slides.entries()) {
      element.inert = at !== slide;
      if (at !== slide) element.querySelector("video")?.pause();
    }
    watches[slide]();
  }

  function turn(by) {
    const next = slide + by;
    if (next < 0 || next >= slides.length) return show(index + by, by < 0 ? -1 : 0);
    return turnTo(next);
  }

  function turnTo(next) {
    const by = next - slide;
    slide = next;
    track.scrollLeft = forwards * slide * track.clientWidth;
    drawPlace();
    const pressed = by < 0 ? back : on;
    if (pressed.disabled && (root.activeElement === null || root.activeElement === pressed)) track.focus();
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

  /** To the album's first or last picture; from there to the first or last post. */
  function goToEnd(isLast) {
    const end = isLast ? slides.length - 1 : 0;
    if (slide !== end) return turnTo(end);
    return show(isLast ? posts.length - 1 : 0, isLast ? -1 : 0);
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("video")) return;
    const by = { ArrowLeft: -forwards, ArrowRight: forwards }[event.key];
    const isEnd = event.key === "Home" || event.key === "End";
    if (!by && !(isEnd && event.target !== words)) return; // in a long caption, Home and End scroll
    event.preventDefault();
    if (by) turn(by);
    else goToEnd(event.key === "End");
  });

  // An album scrolls by itself. A swipe that it can't follow, as at its end, goes to the next post.
  let touch = null;
  stage.addEventListener("touchstart", (event) => {
    const [first] = event.touches;
    const box = event.target.closest("video")?.getBoundingClientRect();
    const isOnControls = box && first.clientY > box.bottom - VIDEO_CONTROLS_PX;
    const isZoomed = (window.visualViewport?.scale || 1) > 1.01;
    const isResting = Math.abs(Math.abs(track.scrollLeft) - slide * track.clientWidth) < 3;
    touch = event.touches.length === 1 && isResting && !isOnControls && !isZoomed ? { x: first.clientX, y: first.clientY } : null;
  }, { passive: true });
  stage.addEventListener("touchcancel", () => {
    touch = null;
  }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    if (!touch || event.touches.length) return;
    const [last] = event.changedTouches;
    const [x, y] = [last.clientX - touch.x, last.clientY - touch.y];
    const by = -Math.sign(x) * forwards;
    const isAtEnd = slide + by < 0 || slide + by >= slides.length;
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y) && isAtEnd) turn(by);
    touch = null;
  }, { passive: true });

  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  const observer = new ResizeObserver(() => {
    checkWords();
    // The picture in view stays in view.
    if (slides.length > 1) track.scrollTo({ left: forwards * slide * track.clientWidth, behavior: "instant" });
  });
  observer.observe(words);
  observer.observe(stage);
  dialog.addEventListener("close", () => {
    removeEventListener("resize", followWindow);
    observer.disconnect();
    leave();
    Object.assign(page.style, { overflow, scrollbarGutter });
    host.remove();
    told.close(posts[index]);
  });
  dialog.showModal();
  show(index);
  close.focus();
}
