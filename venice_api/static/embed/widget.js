/**
 * <instagram-feed token="…">: an Instagram feed on any page.
 *
 * Attributes: token (required), max-posts, filter (all, image, video), page-size (a button shows the rest), columns (from
 * 900 px up, default 4), columns-narrow (default 2), theme (light, dark; default: the reader's), link="instagram" (no
 * lightbox), hide-profile, base-url (the service's address, if it isn't where this script came from).
 * Events (bubbling, composed), each prefixed "instagram-feed:": load {count, lastUpdated, stale, warnings},
 * error {message}, open {id, permalink} (preventDefault stops the lightbox), close {id}, more {shown, count}.
 * Styling: --igf-gap, --igf-radius, --igf-background, --igf-text, --igf-accent. More: docs/widget.md.
 *
 * The widget connects only to the service and to the picture hosts named in the feed; once pictures have been copied,
 * these are the service's. Feed content becomes text nodes and checked URLs, never markup. It uses a constructed
 * stylesheet, which a page's strict Content-Security-Policy allows.
 */
(() => {
  "use strict";

  const TAG = "instagram-feed";
  if (customElements.get(TAG)) return;

  const SCRIPT_ORIGIN = document.currentScript ? new URL(document.currentScript.src).origin : location.origin;
  const WARMING_TRIES = 6;
  const DEFAULT_POSTS = 12;
  const MOST_POSTS = 48;
  const SIZES = ["small", "medium", "large"];
  const UNMEASURED = { count: 2, width: 320 };
  const VIDEO_NOTICE = "This video is loaded from Instagram (Meta), which then sees your IP address. Press play again to watch it.";
  const DRAFT = { "instance-id": "instanceId", "source-type": "sourceType", "source-value": "sourceValue" };

  const CSS = `
    :host { display: block; color: var(--igf-text, #1f1b24); font: inherit; line-height: 1.4; container-type: inline-size; }
    :host([hidden]) { display: none; }
    @media (prefers-color-scheme: dark) { :host(:not([theme="light"])) { color: var(--igf-text, #f1edf4); } }
    :host([theme="dark"]) { color: var(--igf-text, #f1edf4); }
    * { box-sizing: border-box; }
    a { color: inherit; }
    .profile { display: flex; gap: .6em; align-items: center; width: fit-content; max-width: 100%; height: 2.4em; margin: 0 0 .9em; font-weight: 600; text-decoration: none; }
    .profile:hover .name { text-decoration: underline; }
    .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .avatar { flex: none; width: 2.4em; height: 2.4em; overflow: hidden; border-radius: 50%; background: var(--igf-background, color-mix(in srgb, currentColor 9%, transparent)); }
    .grid { display: grid; gap: var(--igf-gap, 10px); margin: 0; padding: 0; list-style: none; grid-template-columns: repeat(var(--columns-narrow, 2), minmax(0, 1fr)); }
    @media (min-width: 900px) { .grid { grid-template-columns: repeat(var(--columns, 4), minmax(0, 1fr)); } }
    .tile { position: relative; display: block; overflow: hidden; aspect-ratio: 1; border-radius: var(--igf-radius, 10px); background: var(--igf-background, color-mix(in srgb, currentColor 9%, transparent)); text-decoration: none; }
    .tile:focus-visible, .profile:focus-visible, button:focus-visible { outline: 3px solid var(--igf-accent, #b3264a); outline-offset: 3px; }
    picture { display: contents; }
    img { display: block; width: 100%; height: 100%; object-fit: cover; }
    .tile img { transition: transform .35s ease; }
    .tile:hover img, .tile:focus-visible img { transform: scale(1.04); }
    .caption { position: absolute; inset: auto 0 0; padding: 2.2em .8em .7em; color: #fff; font-size: .85em; background: linear-gradient(transparent, rgb(0 0 0 / .78)); opacity: 0; transition: opacity .25s ease; }
    .caption span { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow-wrap: anywhere; }
    .tile:hover .caption, .tile:focus-visible .caption { opacity: 1; }
    .badge { position: absolute; top: .55em; right: .55em; padding: .15em .6em; border-radius: 1em; color: #fff; background: rgb(0 0 0 / .62); font-size: .72em; font-weight: 600; }
    .lost { display: grid; gap: .5em; place-content: center; height: 100%; padding: 1em; font-size: .85em; text-align: center; }
    .lost span { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow-wrap: anywhere; }
    .lost u { font-size: .9em; }
    .wait { animation: breathe 1.6s ease-in-out infinite; }
    @keyframes breathe { 50% { opacity: .45; } }
    .more { display: flex; justify-content: center; height: 2.6em; margin: 1em 0 0; }
    .note { padding: 2.4em 1em; margin: 0; border-radius: var(--igf-radius, 10px); background: var(--igf-background, color-mix(in srgb, currentColor 6%, transparent)); text-align: center; }
    .note p { margin: 0 0 .8em; }
    .note p:last-child { margin: 0; }
    button { height: 2.6em; padding: 0 1.1em; border: 1px solid currentColor; border-radius: 2em; color: inherit; background: none; font: inherit; cursor: pointer; }
    .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (prefers-reduced-motion: reduce) { *, .tile img, .caption { animation: none; transition: none; transform: none !important; } }
  `;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);

  /** An element with a class and children; strings become text nodes. */
  function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  /** The URL if it is http or https, else "". */
  function webAddress(text) {
    try {
      const url = new URL(text);
      return url.protocol === "https:" || url.protocol === "http:" ? url.href : "";
    } catch {
      return "";
    }
  }

  /** The number if it is whole and from 1 to `most`, else 0. */
  function wholeNumber(text, most) {
    const number = Number(text);
    return Number.isInteger(number) && number >= 1 && number <= most ? number : 0;
  }

  function isPlain(click) {
    return click.button === 0 && !(click.metaKey || click.ctrlKey || click.shiftKey || click.altKey);
  }

  function dateIn(language, timestamp) {
    const date = new Date(timestamp);
    if (Number.isNaN(date.getTime())) return "";
    try {
      return new Intl.DateTimeFormat(language || undefined, { dateStyle: "long" }).format(date);
    } catch {
      return new Intl.DateTimeFormat("en", { dateStyle: "long" }).format(date);
    }
  }

  function kindOf(post) {
    if (post.isReel) return "Reel";
    return { VIDEO: "Video", CAROUSEL_ALBUM: "Album" }[post.mediaType] || "Photo";
  }

  /** The post's alternative text: the one it came with, else its kind, author and date. */
  function altText(post, language) {
    if (post.altText) return post.altText;
    const author = post.username ? ` by @${post.username}` : "";
    const date = dateIn(language, post.timestamp);
    return `${kindOf(post)}${author}${date ? `, ${date}` : ""}`;
  }

  /** The `srcset` of the sizes that are there; "" without any. `format`: url (JPEG) or avifUrl. */
  function sourceSet(sizes, names, format) {
    const widths = new Map();
    for (const name of names) {
      const size = sizes?.[name];
      const address = webAddress(size?.[format]);
      if (address && size.width > 0) widths.set(size.width, address);
    }
    return [...widths].map(([width, address]) => `${address} ${width}w`).join(", ");
  }

  /**
   * A picture of `item` (post, album child or profile) that is `width` CSS pixels wide: AVIF, else JPEG, in the size that
   * the browser chooses, or `plain` if there are no copies. `lose` is called when neither format can be loaded.
   */
  function picture(item, { plain, alt, width, names = SIZES, isFirst = false, lose }) {
    const image = make("img");
    image.loading = isFirst ? "eager" : "lazy";
    if (isFirst) image.fetchPriority = "high";
    image.decoding = "async";
    image.referrerPolicy = "no-referrer";
    image.width = item.width || 640;
    image.height = item.height || 640;
    image.alt = alt;
    const avif = make("source");
    avif.type = "image/avif";
    avif.srcset = sourceSet(item.sizes, names, "avifUrl");
    const jpegs = sourceSet(item.sizes, names, "url");
    const element = make("picture", "", ...(avif.srcset ? [avif] : []), image);
    let widest = 0;
    /** The picture is now shown this wide. Only a wider one is loaded again. */
    const widen = (wanted) => {
      if (wanted <= widest) return;
      widest = wanted;
      avif.sizes = image.sizes = `${Math.ceil(wanted)}px`;
    };
    if (jpegs || avif.srcset) widen(width);
    image.addEventListener("error", () => {
      if (!avif.parentNode) return lose(element);
      avif.remove();
      image.src = plain;
      return undefined;
    });
    if (jpegs) image.srcset = jpegs;
    image.src = plain;
    return { element, image, widen };
  }

  function colourOf(item) {
    return /^#[0-9a-f]{6}$/i.test(item.placeholder) ? item.placeholder : "";
  }

  /** Instead of the picture: its words on its colour. `name`: the element's. */
  function lost(name, item, words) {
    const text = make("span", "", words);
    text.dir = "auto";
    const element = make(name, "lost", text, make("u", "", "View on Instagram"));
    const colour = colourOf(item);
    if (colour) {
      const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
      const isLight = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
      Object.assign(element.style, { background: colour, color: isLight ? "#000" : "#fff" });
    }
    return element;
  }

  /** The width that a picture must have to cover a square of `side`. */
  function coverWidth(post, side) {
    return side * Math.max(1, post.width / post.height || 1);
  }

  /** A post's place in the grid, and `widen(side)` for when the grid gets wider. */
  function tile(post, language, side, isFirst, open) {
    const link = make("a", "tile");
    link.addEventListener("click", (click) => isPlain(click) && open(click));
    const address = webAddress(post.permalink);
    if (address) link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    const alt = altText(post, language);
    const plain = webAddress(post.thumbnailUrl) || (post.mediaType === "IMAGE" ? webAddress(post.mediaUrl) : "");
    const badge = kindOf(post) !== "Photo" ? [make("span", "badge", kindOf(post))] : [];
    const lose = () => {
      if (post.mediaType !== "VIDEO" || !webAddress(post.mediaUrl)) link.classList.add("gone");
      link.replaceChildren(lost("span", post, post.caption || alt), ...badge);
    };
    const entry = { element: make("li", "", link), widen() {} };
    if (!plain) {
      lose();
      return entry;
    }
    link.style.background = colourOf(post);
    const shown = picture(post, { plain, alt, width: coverWidth(post, side), isFirst, lose });
    entry.widen = (wider) => shown.widen(coverWidth(post, wider));
    link.append(shown.element, ...badge);
    if (post.caption) {
      const words = make("span", "", post.caption);
      words.dir = "auto";
      const caption = make("span", "caption", words);
      caption.setAttribute("aria-hidden", "true");
      link.append(caption);
    }
    return entry;
  }

  function profileLine(profile) {
    const link = make("a", "profile");
    link.href = `https://www.instagram.com/${encodeURIComponent(profile.username)}/`;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    const plain = webAddress(profile.profilePictureUrl || "");
    if (plain) {
      const lose = (element) => element.remove();
      const shown = picture(profile, { plain, alt: "", width: 40, names: ["small"], isFirst: true, lose });
      link.append(make("span", "avatar", shown.element));
    }
    link.append(make("span", "name", `@${profile.username}`));
    return link;
  }

  /** How many columns the grid has, and how wide they are; null while it isn't displayed. */
  function columnsOf(grid) {
    const widths = grid ? getComputedStyle(grid).gridTemplateColumns.split(" ").map(parseFloat) : [];
    return widths[0] > 0 ? { count: widths.length, width: widths[0] } : null;
  }

  class InstagramFeed extends HTMLElement {
    static observedAttributes = ["token", "max-posts", "filter", "page-size", "columns", "columns-narrow", "base-url", "hide-profile", ...Object.keys(DRAFT)];

    #body = make("div");
    #said = make("p", "said");
    #request = null;
    #timer = 0;
    #tiles = [];
    #tellsOfVideos = true;
    #observer = new ResizeObserver(() => {
      const columns = columnsOf(this.#body.querySelector(".grid"));
      if (columns) for (const { widen } of this.#tiles) widen(columns.width);
    });

    /** lightbox.js checks this: a page may have an older widget.js in its cache. */
    static lightbox = 2;

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      this.#said.setAttribute("role", "status");
      root.append(this.#body, this.#said);
    }

    connectedCallback() {
      this.#observer.observe(this);
      this.reload();
    }

    disconnectedCallback() {
      this.#observer.disconnect();
      this.#stop();
    }

    attributeChangedCallback() {
      if (this.isConnected) this.reload();
    }

    /** Fetch and render the feed again; once for several attributes that are set together. */
    reload() {
      this.#stop();
      this.#showSkeleton();
      this.#timer = setTimeout(() => this.#load(1));
    }

    #stop() {
      clearTimeout(this.#timer);
      this.#request?.abort();
    }

    #address() {
      const address = new URL("/v1/integrations/instagram/feed", this.getAttribute("base-url") || SCRIPT_ORIGIN);
      const named = { token: "token", "max-posts": "maxPosts", filter: "filterType" };
      if (this.#isDraft) Object.assign(named, DRAFT);
      for (const [attribute, parameter] of Object.entries(named)) {
        const value = this.getAttribute(attribute);
        if (value) address.searchParams.set(parameter, value);
      }
      return address;
    }

    /** Whether this previews an unsaved source, which only the editor's session may read. */
    get #isDraft() {
      return this.hasAttribute("preview") && this.hasAttribute("source-value");
    }

    async #load(attempt) {
      const request = (this.#request = new AbortController());
      try {
        const answer = await fetch(this.#address(), {
          // The editor's preview must show settings saved a second ago; other pages may use a cached answer.
          cache: this.hasAttribute("preview") ? "no-cache" : "default",
          credentials: this.#isDraft ? "same-origin" : "omit",
          referrerPolicy: "no-referrer",
          signal: request.signal,
        });
        const data = await answer.json();
        if (!answer.ok) throw Object.assign(new Error(data.error || `HTTP ${answer.status}`), { words: data.message });
        this.#show(data, Number(answer.headers.get("Retry-After")) || 2, attempt);
      } catch (error) {
        if (!request.signal.aborted) this.#showError(error);
      }
    }

    #show(data, retrySeconds, attempt) {
      const warnings = data.warnings || [];
      if (warnings.includes("FEED_WARMING")) {
        if (attempt >= WARMING_TRIES) return this.#showNote("The posts are still loading. Try again in a minute.", true);
        this.#timer = setTimeout(() => this.#load(attempt + 1), retrySeconds * 1000 * attempt);
        return undefined;
      }
      if (data.posts.length) this.#showPosts(data);
      else this.#showNote("There are no posts to show yet.");
      const { lastUpdated, stale } = data;
      this.#tell("load", { count: data.posts.length, lastUpdated, stale, warnings });
      return undefined;
    }

    #showPosts(data) {
      const { posts } = data;
      const columns = columnsOf(this.#body.querySelector(".grid")) || UNMEASURED;
      const grid = this.#grid();
      grid.setAttribute("aria-label", data.profile ? `Instagram posts of @${data.profile.username}` : "Instagram posts");
      this.#tellsOfVideos = data.videoNotice !== false;
      this.#tiles = posts.map((post, index) => tile(post, this.#language, columns.width, index < columns.count,
        (click) => this.#open(click, posts, index)));
      const tiles = this.#tiles.map(({ element }) => element);
      const pageSize = this.#number("page-size", MOST_POSTS) || posts.length;
      grid.append(...tiles.slice(0, pageSize));
      const profile = data.profile && !this.hasAttribute("hide-profile") ? [profileLine(data.profile)] : [];
      const more = pageSize < posts.length ? [this.#moreButton(grid, tiles, pageSize)] : [];
      this.#fill("", ...profile, grid, ...more);
    }

    #moreButton(grid, tiles, pageSize) {
      const button = make("button", "", "Show more posts");
      button.type = "button";
      button.addEventListener("click", () => {
        const shown = grid.children.length;
        grid.append(...tiles.slice(shown, shown + pageSize));
        tiles[shown].firstChild.focus();
        if (grid.children.length === tiles.length) button.parentNode.remove();
        this.#said.textContent = `${grid.children.length} of ${tiles.length} posts shown.`;
        this.#tell("more", { shown: grid.children.length, count: tiles.length });
      });
      return make("p", "more", button);
    }

    /** Open the post in the lightbox. If it doesn't load, open the post on Instagram, as the link would have. */
    #open(click, posts, index) {
      const { id, permalink } = posts[index];
      if (this.getAttribute("link") === "instagram" || click.currentTarget.classList.contains("gone")) return;
      const address = click.currentTarget.href;
      click.preventDefault();
      if (!this.#tell("open", { id, permalink })) return;
      const language = this.#language;
      const tools = {
        make, webAddress, picture, lost,
        altText: (post) => altText(post, language), dateWords: (timestamp) => dateIn(language, timestamp),
        videoNotice: this.#videoNotice,
      };
      const told = { close: (post) => this.#tell("close", { id: post.id }) };
      import(`${SCRIPT_ORIGIN}/embed/lightbox.js`).then(
        (lightbox) => lightbox.open({ posts, index, isDark: this.#isDark, tools, told }),
        () => address && open(address, "_blank", "noopener,noreferrer"),
      );
    }

    get #language() {
      return this.closest("[lang]")?.lang || navigator.language;
    }

    get #isDark() {
      const theme = this.getAttribute("theme");
      return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    }

    /** The notice shown before the first video plays; "" for none. */
    get #videoNotice() {
      const words = this.getAttribute("video-notice");
      if (words) return words === "off" ? "" : words;
      return this.#tellsOfVideos ? VIDEO_NOTICE : "";
    }

    /** The attribute's value if it is a whole number from 1 to `most`, else 0. */
    #number(attribute, most) {
      return wholeNumber(this.getAttribute(attribute), most);
    }

    /** Has the geometry of the feed, so that nothing moves when the posts come. */
    #showSkeleton() {
      this.#tiles = [];
      const [count, profile] = (this.getAttribute("reserve") || "").trim().split(/\s+/);
      const posts = wholeNumber(count, MOST_POSTS) || this.#number("max-posts", MOST_POSTS) || DEFAULT_POSTS;
      const shown = Math.min(this.#number("page-size", MOST_POSTS) || posts, posts);
      const grid = this.#grid();
      for (let drawn = 0; drawn < shown; drawn += 1) grid.append(make("li", "", make("span", "tile wait")));
      const hasProfile = !this.hasAttribute("hide-profile") && (!this.hasAttribute("reserve") || profile === "profile");
      const parts = [
        ...(hasProfile ? [make("div", "profile", make("span", "avatar wait"))] : []),
        grid,
        ...(shown < posts ? [make("div", "more")] : []),
      ];
      for (const part of parts) part.setAttribute("aria-hidden", "true");
      this.#fill("Loading posts…", ...parts);
      this.#body.setAttribute("aria-busy", "true");
    }

    #showNote(words, mayRetry = false) {
      const note = make("div", "note", make("p", "", words));
      if (mayRetry) {
        const button = make("button", "", "Try again");
        button.type = "button";
        button.addEventListener("click", () => this.reload());
        note.append(make("p", "", button));
      }
      this.#fill(words, note);
    }

    #showError(error) {
      this.#showNote((this.#isDraft && error.words) || "The posts can't be shown right now.", true);
      this.#tell("error", { message: error.message });
    }

    #grid() {
      const grid = make("ul", "grid");
      grid.setAttribute("role", "list");
      for (const attribute of ["columns", "columns-narrow"]) {
        const columns = this.#number(attribute, 12);
        if (columns) grid.style.setProperty(`--${attribute}`, columns);
      }
      return grid;
    }

    #fill(said, ...content) {
      this.#body.removeAttribute("aria-busy");
      this.#body.replaceChildren(...content);
      this.#said.textContent = said;
    }

    /** Dispatch an event on the host page. False when the page called preventDefault. */
    #tell(name, detail) {
      const options = { detail, bubbles: true, composed: true, cancelable: name === "open" };
      return this.dispatchEvent(new CustomEvent(`${TAG}:${name}`, options));
    }
  }

  customElements.define(TAG, InstagramFeed);
})();
