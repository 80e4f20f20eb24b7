/**
 * <instagram-feed token="…">: an Instagram feed on any page.
 *
 * The feed looks as its editor has saved it; attributes of the element win. Attributes, events, custom properties and
 * texts: docs/widget.md. This file draws the grid. Carousel, masonry, the header's extras, other languages and the
 * lightbox are modules that it imports when they are first needed.
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
  const GIVE_UP_MS = 8_000;
  const DEFAULT_POSTS = 12;
  const MOST_POSTS = 48;
  const SIZES = ["small", "medium", "large"];
  const UNMEASURED = { count: 2, width: 320 };
  const FEED = ["token", "max-posts", "filter", "base-url"];
  const DRAFT = { "instance-id": "instanceId", "source-type": "sourceType", "source-value": "sourceValue" };
  const RIGHT_TO_LEFT = "ar";
  const LANGUAGES = `de fr es it pt nl pl tr ja ${RIGHT_TO_LEFT}`.split(" "); // other than English, in languages.js

  /** For each key of `appearance`: its default, then the other words that it can be, or the smallest and largest number. */
  const LOOK = {
    layout: ["grid", "carousel", "masonry"],
    columns: [4, 1, 12],
    columnsNarrow: [2, 1, 12],
    gap: [10, 0, 60],
    radius: [10, 0, 60],
    tileRatio: ["1:1", "4:5", "original"],
    header: [true],
    headerText: [""],
    followButton: [false],
    captions: ["hover", "none", "below"],
    captionLength: [150, 0, 2_200],
    showDate: [false],
    click: ["lightbox", "instagram", "none"],
    theme: ["auto", "light", "dark"],
    pageSize: [0, 0, MOST_POSTS],
  };
  const attributeOf = (key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const LOOKS = [...Object.keys(LOOK).map(attributeOf), "link", "hide-profile", "texts", "lang", "on-error"];

  const TEXTS = {
    loading: "Loading posts…",
    stillLoading: "The posts are still loading. Try again in a minute.",
    tryAgain: "Try again",
    empty: "There are no posts to show yet.",
    failed: "The posts can't be shown right now.",
    showMore: "Show more posts",
    shown: "{shown} of {count} posts shown.",
    postsOf: "Instagram posts of @{name}",
    posts: "Instagram posts",
    photo: "Photo",
    video: "Video",
    reel: "Reel",
    album: "Album",
    by: "{kind} by @{name}",
    viewOnInstagram: "View on Instagram",
  };

  const ICONS = {
    video: "M7 4.5v15l12.5-7.5z",
    reel: "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM3 8.5h18M8 3l3 5.5M13.5 3l3 5.5M10 11.8v6l5-3z",
    album: "M8 3h11a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM18 21.5H5A2.5 2.5 0 0 1 2.5 19V6",
  };

  const CSS = `
    :host { display: block; width: -moz-available; width: -webkit-fill-available; width: stretch; font: inherit; line-height: 1.4; container-type: inline-size; }
    :host([hidden]) { display: none; }
    .feed { color: var(--igf-text); }
    .light { color: var(--igf-text, #1f1b24); color-scheme: light; }
    .dark { color: var(--igf-text, #f1edf4); color-scheme: dark; }
    * { box-sizing: border-box; }
    a { color: inherit; }
    .profile { display: flex; gap: .65em; align-items: center; width: fit-content; max-width: 100%; min-height: 2.4em; margin: 0 0 .9em; font-weight: 600; text-decoration: none; }
    .profile:hover .name { text-decoration: underline; }
    .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .avatar { flex: none; width: 2.4em; height: 2.4em; overflow: hidden; border-radius: 50%; }
    .avatar, .tile, .note, button { background: var(--igf-background, color-mix(in srgb, currentColor 9%, transparent)); }
    .posts { --n: var(--tiny); --width: calc((100% + var(--space)) / var(--n) - var(--space)); --space: var(--igf-gap, var(--gap)); gap: var(--space); margin: 0; padding: 0; list-style: none; }
    @container (min-width: 300px) { .posts { --n: var(--small); } }
    @container (min-width: 480px) { .posts { --n: var(--narrow); } }
    @container (min-width: 900px) { .posts { --n: var(--wide); } }
    .grid { display: grid; align-items: start; grid-template-columns: repeat(var(--n), minmax(0, 1fr)); }
    .row { grid-template: none; grid-auto-flow: column; grid-auto-columns: var(--width); overflow: hidden; }
    .tile { position: relative; display: block; overflow: hidden; aspect-ratio: var(--ratio); border-radius: var(--igf-radius, var(--radius)); text-decoration: none; }
    :focus-visible { outline: 3px solid var(--igf-accent, currentColor); outline-offset: 2px; z-index: 1; }
    picture { display: contents; }
    img { display: block; width: 100%; height: 100%; object-fit: cover; }
    .tile img { transition: transform .35s ease; }
    a.tile:is(:hover, :focus-visible) img { transform: scale(1.04); }
    .caption { position: absolute; inset: auto 0 0; padding: 2.6em .9em .8em; color: #fff; font-size: .85em; background: linear-gradient(transparent, rgb(0 0 0 / .6) 2.2em, rgb(0 0 0 / .82)); opacity: 0; transition: opacity .25s ease; }
    .caption span { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 3; }
    .tile:is(:hover, :focus-visible) .caption { opacity: 1; }
    .below { margin: .6em 0 .5em; font-size: .9em; }
    .below span { display: block; }
    .caption, .below, .lost { overflow-wrap: anywhere; }
    .date { margin-top: .3em; font-size: .9em; }
    .badge { --size: clamp(16px, 13cqi / var(--n), 30px); position: absolute; top: 4%; inset-inline-end: 4%; display: block; width: var(--size); height: var(--size); padding: calc(var(--size) * .2); border-radius: 28%; color: #fff; background: rgb(0 0 0 / .58); }
    svg { display: block; width: 100%; height: 100%; fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
    .lost { display: grid; gap: .5em; place-content: center; height: 100%; padding: 1em; font-size: .85em; text-align: center; }
    .lost span { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 4; }
    .lost u { font-size: .9em; }
    .wait { animation: breathe 1.6s ease-in-out infinite; }
    @keyframes breathe { 50% { opacity: .45; } }
    .more { display: flex; justify-content: center; height: 2.6em; margin: 1em 0 0; }
    .note { padding: 2.4em 1em; border-radius: var(--igf-radius, 10px); text-align: center; }
    .note p { margin: 0 0 .8em; }
    .note p:last-child { margin: 0; }
    button { height: 2.6em; padding: 0 1.3em; border: 0; border-radius: 2em; color: inherit; font: inherit; font-weight: 600; cursor: pointer; }
    button:hover { background: color-mix(in srgb, currentColor 16%, transparent); }
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

  /** An icon of this path, 24 by 24 units. */
  function icon(path) {
    const [svg, line] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }

  function makeButton(words, act) {
    const button = make("button", "", words);
    button.type = "button";
    button.addEventListener("click", act);
    return button;
  }

  /** A link that opens in a new tab. */
  function makeLink(className, address, ...children) {
    const link = make("a", className, ...children);
    if (address) link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  }

  /** The URL if it is http or https, else "". */
  function webAddress(text) {
    try {
      const url = new URL(text);
      return /^https?:$/.test(url.protocol) ? url.href : "";
    } catch {
      return "";
    }
  }

  /** The whole number in this range; undefined if the value is something else. */
  function wholeNumber(value, least, most) {
    const number = Number(value);
    return `${value ?? ""}`.trim() && Number.isInteger(number) && number >= least && number <= most ? number : undefined;
  }

  /** The value if `LOOK` allows it for the key, else undefined. */
  function allowed(value, [usual, ...limits]) {
    if (typeof usual === "number") return wholeNumber(value, ...limits);
    if (typeof usual === "boolean") return typeof value === "boolean" ? value : { on: true, off: false }[value];
    return usual ? [usual, ...limits].find((word) => word === value) : (value ?? undefined);
  }

  /** How the feed looks: by the element's attributes, else as `saved`, else by default. */
  function lookOf(element, saved) {
    const look = {};
    for (const [key, values] of Object.entries(LOOK)) {
      look[key] = allowed(element.getAttribute(attributeOf(key)), values) ?? allowed(saved[key], values) ?? values[0];
    }
    if (element.hasAttribute("hide-profile")) look.header = false;
    if (element.getAttribute("link") === "instagram") look.click = "instagram";
    return look;
  }

  /** What the embed code knows of the feed: "12 profile columns:3/2 ratio:4:5". */
  function reserved(text) {
    const known = { header: !text };
    for (const word of text.split(/\s+/)) {
      const [, name, value] = /^(\w+):(.+)/.exec(word) || [];
      if (name === "columns") [known.columns, known.columnsNarrow] = value.split("/");
      else if (name) known[{ ratio: "tileRatio", page: "pageSize" }[name] || name] = value;
      else if (word === "profile") known.header = true;
      else known.count = wholeNumber(word, 1, MOST_POSTS);
    }
    return known;
  }

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

  /** The text, shortened at a word to `most` characters; 0 for all of it. */
  function shortened(text, most) {
    const characters = [...text];
    if (!most || characters.length <= most) return text;
    const start = characters.slice(0, most).join("");
    return `${(/[\s\p{P}]/u.test(characters[most]) ? start : start.replace(/\s+\S*$/, "")).replace(/[\s,.;:…–-]+$/, "")}…`;
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

  /** The post's kind as the key of a text. */
  function kindOf(post) {
    return post.isReel ? "reel" : { VIDEO: "video", CAROUSEL_ALBUM: "album" }[post.mediaType] || "photo";
  }

  /** The post's alternative text: the one it came with, else its kind, author and date. */
  function altText(post, texts, language) {
    if (post.altText) return post.altText;
    const kind = texts[kindOf(post)];
    const date = dateIn(language, post.timestamp);
    return (post.username ? filled(texts.by, { kind, name: post.username }) : kind) + (date && `, ${date}`);
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

  function isLight(red, green, blue) {
    const [r, g, b] = [red, green, blue].map((part) => (part / 255) ** 2.2);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
  }

  /** Instead of the picture: its words on its colour. `name`: the element's. `label`: what a click does, if anything. */
  function lost(name, item, words, label) {
    const text = make("span", "", words);
    text.dir = "auto";
    const element = make(name, "lost", text, ...(label ? [make("u", "", label)] : []));
    const colour = colourOf(item);
    if (colour) {
      const isOnLight = isLight(...[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
      Object.assign(element.style, { background: colour, color: isOnLight ? "#000" : "#fff" });
    }
    return element;
  }

  /** A post's caption and date, as far as the look has them. */
  function wordsOf(post, look, language) {
    const caption = look.captions === "none" ? "" : shortened(post.caption || "", look.captionLength);
    const date = look.showDate ? dateIn(language, post.timestamp) : "";
    const parts = [["", caption], ["date", date]].filter(([, text]) => text).map(([name, text]) => make("span", name, text));
    if (caption) parts[0].dir = "auto";
    return parts;
  }

  /** A post's place in the list, and `widen(width)` for when its column gets wider. */
  function tile(post, { look, texts, language, width, isFirst, open }) {
    const address = webAddress(post.permalink);
    const isLink = look.click !== "none";
    const frame = isLink ? makeLink("tile", address) : make("span", "tile");
    if (isLink) frame.addEventListener("click", (click) => isPlain(click) && open(click));
    else frame.tabIndex = -1;
    const shape = post.width / post.height || 1;
    const [across, down] = look.tileRatio === "4:5" ? [4, 5] : [1, 1];
    const isWhole = look.tileRatio === "original" || look.layout === "masonry";
    if (isWhole) frame.style.aspectRatio = shape;
    /** The width of a picture that covers a tile of this width. */
    const coverWidth = (side) => (isWhole ? side : side * Math.max(1, (shape * down) / across));

    const alt = altText(post, texts, language);
    const kind = kindOf(post);
    const badges = [];
    if (ICONS[kind]) {
      const badge = make("span", "badge", icon(ICONS[kind]));
      badge.setAttribute("role", "img");
      badge.setAttribute("aria-label", texts[kind]);
      badges.push(badge);
    }
    const words = wordsOf(post, look, language);
    const isBelow = look.captions === "below" && words.length;
    const entry = { element: make("li", "", frame, ...(isBelow ? [make("div", "below", ...words)] : [])), widen() {} };

    const plain = webAddress(post.thumbnailUrl) || (post.mediaType === "IMAGE" ? webAddress(post.mediaUrl) : "");
    const lose = () => {
      if (post.mediaType !== "VIDEO" || !webAddress(post.mediaUrl)) frame.classList.add("gone");
      frame.replaceChildren(lost("span", post, post.caption || alt, isLink && texts.viewOnInstagram), ...badges);
    };
    if (!plain) {
      lose();
      return entry;
    }
    frame.style.background = colourOf(post);
    const shown = picture(post, { plain, alt, width: coverWidth(width), isFirst, lose });
    entry.widen = (wider) => shown.widen(coverWidth(wider));
    frame.append(shown.element, ...badges);
    if (words.length && !isBelow) {
      const caption = make("span", "caption", ...words);
      caption.setAttribute("aria-hidden", "true");
      frame.append(caption);
    }
    return entry;
  }

  /** The header: picture and name of the account, or the hashtag. */
  function headerOf({ profile, sourceEcho }) {
    const isTag = !profile && sourceEcho.type === "hashtag";
    const name = profile ? profile.username : sourceEcho.value;
    const link = makeLink("profile", `https://www.instagram.com/${isTag ? "explore/tags/" : ""}${encodeURIComponent(name)}/`);
    const plain = webAddress(profile?.profilePictureUrl);
    if (plain) {
      const lose = (element) => element.remove();
      const shown = picture(profile, { plain, alt: "", width: 40, names: ["small"], isFirst: true, lose });
      link.append(make("span", "avatar", shown.element));
    }
    link.append(make("span", "name", (isTag ? "#" : "@") + name));
    return link;
  }

  /** How many columns the list has, and how wide they are; null while it isn't displayed. */
  function columnsOf(list) {
    if (!list) return null;
    const style = getComputedStyle(list);
    const count = Number(style.getPropertyValue("--n"));
    const gap = parseFloat(style.columnGap) || 0;
    const width = (list.clientWidth + gap) / count - gap;
    return width > 0 ? { count, width } : null;
  }

  const modules = {};

  /** A module of the service; null if it can't be loaded in time. */
  function load(name) {
    modules[name] ??= Promise.race([
      import(`${SCRIPT_ORIGIN}/embed/${name}.js`),
      new Promise((_, refuse) => setTimeout(refuse, GIVE_UP_MS)),
    ]).catch(() => (modules[name] = null));
    return modules[name];
  }

  /** The feeds that have nothing to show, with functions that draw them. Only the first one on a page says so. */
  const failed = new Map();

  function drawNotes() {
    let isSaid = false;
    for (const draw of failed.values()) isSaid = draw(isSaid) || isSaid;
  }

  class InstagramFeed extends HTMLElement {
    static observedAttributes = [...FEED, ...LOOKS, ...Object.keys(DRAFT)];

    #body = make("div", "feed");
    #said = make("p", "said");
    #request = null;
    #timer = 0;
    #turn = 0; // counts what is drawn, so that what comes late isn't
    #data = null;
    #tiles = [];
    #observer = new ResizeObserver(() => {
      const columns = columnsOf(this.#body.querySelector(".posts"));
      if (columns) for (const { widen } of this.#tiles) widen(columns.width);
    });

    /** lightbox.js checks this: a page may have an older widget.js in its cache. */
    static lightbox = 3;

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

    attributeChangedCallback(name) {
      if (!this.isConnected) return;
      if (!this.#data || !LOOKS.includes(name)) {
        this.reload();
        return;
      }
      this.#stop();
      this.#timer = setTimeout(() => this.#draw(this.#data));
    }

    /** Fetch and draw the feed again; once for several attributes that are set together. */
    reload() {
      this.#stop();
      this.#data = null;
      this.#showSkeleton();
      this.#timer = setTimeout(() => this.#load(1));
    }

    #stop() {
      this.#turn += 1;
      clearTimeout(this.#timer);
      this.#request?.abort();
      if (failed.delete(this)) drawNotes();
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

    async #load(attempt, isRetry = false) {
      const turn = this.#turn;
      const request = (this.#request = new AbortController());
      let isLate = false;
      const timer = setTimeout(() => request.abort((isLate = true)), GIVE_UP_MS);
      try {
        const answer = await fetch(this.#address(), {
          // The editor's preview must show settings saved a second ago; other pages may use a cached answer.
          cache: this.hasAttribute("preview") ? "no-cache" : "default",
          credentials: this.#isDraft ? "same-origin" : "omit",
          referrerPolicy: "no-referrer",
          signal: request.signal,
        });
        const data = await answer.json();
        clearTimeout(timer);
        if (!answer.ok) throw Object.assign(new Error(data.error || `HTTP ${answer.status}`), { words: data.message });
        await this.#show(data, Number(answer.headers.get("Retry-After")) || 2, attempt);
      } catch (error) {
        clearTimeout(timer);
        if (turn !== this.#turn) return;
        if (isLate && !isRetry) this.#load(attempt, true);
        else this.#showError(isLate ? new Error("TIMEOUT") : error);
      }
    }

    async #show(data, retrySeconds, attempt) {
      const warnings = data.warnings || [];
      if (warnings.includes("FEED_WARMING")) {
        if (attempt >= WARMING_TRIES) this.#showNote("stillLoading", true);
        else this.#timer = setTimeout(() => this.#load(attempt + 1), retrySeconds * 1000 * attempt);
        return;
      }
      if (!(await this.#draw(data))) return;
      const { lastUpdated, stale } = data;
      this.#tell("load", { count: data.posts.length, lastUpdated, stale, warnings });
    }

    /** Draw the feed when its modules are there. False if something else is drawn by then. */
    async #draw(data) {
      const turn = this.#turn;
      const { columns, ...saved } = data.appearance || {};
      Object.assign(saved, { columns: columns?.wide, columnsNarrow: columns?.narrow });
      saved.header ??= Boolean(data.profile);
      const look = lookOf(this, saved);
      const hasExtras = look.header && (look.headerText || look.followButton);
      const [texts, layout, extras] = await Promise.all([
        this.#texts(look.layout !== "grid" || hasExtras),
        look.layout === "grid" ? null : load(look.layout),
        hasExtras ? load("header") : null,
      ]);
      if (turn !== this.#turn) return false;
      this.#data = data;
      if (!layout || !texts.close) look.layout = "grid";
      if (data.posts.length) this.#showPosts(data, look, texts, texts.close && layout, texts.close && extras);
      else this.#showNote("empty");
      return true;
    }

    #showPosts(data, look, texts, layout, extras) {
      const { posts, profile } = data;
      const columns = columnsOf(this.#body.querySelector(".posts")) || UNMEASURED;
      const list = this.#list(look);
      list.setAttribute("aria-label", profile ? filled(texts.postsOf, { name: profile.username }) : texts.posts);
      const language = this.#language;
      this.#tiles = posts.map((post, index) => tile(post, {
        look, texts, language, width: columns.width, isFirst: index < columns.count,
        open: (click) => this.#open(click, data, index, look, texts),
      }));
      const tiles = this.#tiles.map(({ element }) => element);
      const pageSize = (look.layout !== "carousel" && look.pageSize) || posts.length;
      list.append(...tiles.slice(0, pageSize));
      const parts = [list];
      if (pageSize < posts.length) parts.push(this.#moreButton(list, tiles, pageSize, texts));
      if (look.header && (profile || data.sourceEcho?.value)) {
        const header = headerOf(data);
        const { headerText, followButton } = look;
        parts.unshift(extras ? extras.extend(header, { profile, headerText, followButton, texts, make, makeLink }) : header);
      }
      const root = this.shadowRoot;
      for (const part of [layout, extras]) {
        if (part && !root.adoptedStyleSheets.includes(part.sheet)) root.adoptedStyleSheets.push(part.sheet);
      }
      this.#fill("", look.theme, ...parts);
      layout?.arrange(list, { texts, make, makeButton, icon, isLink: look.click !== "none" });
    }

    #moreButton(list, tiles, pageSize, texts) {
      const button = makeButton(texts.showMore, () => {
        const before = list.children.length;
        list.append(...tiles.slice(before, before + pageSize));
        tiles[before].firstChild.focus();
        const values = { shown: list.children.length, count: tiles.length };
        if (values.shown === values.count) button.parentNode.remove();
        this.#said.textContent = filled(texts.shown, values);
        this.#tell("more", values);
      });
      return make("p", "more", button);
    }

    /** Open the post in the lightbox. If it doesn't load, open the post on Instagram, as the link would have. */
    #open(click, { posts, videoNotice }, index, look, texts) {
      const { id, permalink } = posts[index];
      if (look.click === "instagram" || click.currentTarget.classList.contains("gone")) return;
      const address = click.currentTarget.href;
      click.preventDefault();
      if (!this.#tell("open", { id, permalink })) return;
      const language = this.#language;
      const told = { close: (post) => this.#tell("close", { id: post.id }) };
      const { colorScheme, color, direction } = getComputedStyle(this.#body);
      const [red, green, blue] = /^rgb/.test(color) ? color.match(/[\d.]+/g) : [0, 0, 0];
      const isDark = look.theme === "auto" ? isLight(red, green, blue) : look.theme === "dark";
      Promise.all([import(`${SCRIPT_ORIGIN}/embed/lightbox.js`), this.#texts(true)]).then(
        ([lightbox, texts]) => {
          if (!texts.close) throw new Error("languages.js can't be loaded");
          const words = this.getAttribute("video-notice") || (videoNotice === false ? "off" : texts.videoNotice);
          const tools = {
            make, webAddress, picture, texts, language, direction, colorScheme,
            lost: (name, item, caption) => lost(name, item, caption, texts.viewOnInstagram),
            altText: (post) => altText(post, texts, language), dateWords: (timestamp) => dateIn(language, timestamp),
            videoNotice: words === "off" ? "" : words,
          };
          return lightbox.open({ posts, index, isDark, tools, told });
        },
      ).catch(() => address && open(address, "_blank", "noopener,noreferrer"));
    }

    get #language() {
      return this.closest("[lang]")?.lang || navigator.language;
    }

    /** The texts in the page's language, else in English, with those that the page replaces. `ofModules`: all of them. */
    async #texts(ofModules = false) {
      const [language] = this.#language.toLowerCase().split("-");
      const found = ofModules || LANGUAGES.includes(language) ? await load("languages") : null;
      let own = {};
      try {
        own = JSON.parse(this.getAttribute("texts")) ?? {};
      } catch {
        console.warn(`<${TAG}>: the attribute "texts" isn't JSON.`);
      }
      return { ...TEXTS, ...found?.textsIn(language), ...Object.fromEntries(Object.entries(own).filter(([, text]) => typeof text === "string")) };
    }

    /** Has the geometry of the feed, so that nothing moves when the posts come. */
    #showSkeleton() {
      this.#tiles = [];
      const known = reserved((this.getAttribute("reserve") || "").trim());
      const look = lookOf(this, known);
      const posts = known.count || wholeNumber(this.getAttribute("max-posts"), 1, MOST_POSTS) || DEFAULT_POSTS;
      const isRow = look.layout === "carousel";
      const shown = Math.min((!isRow && look.pageSize) || posts, posts);
      if (look.layout !== "grid") load(look.layout);
      const list = this.#list(look);
      list.classList.add("grid", ...(isRow ? ["row"] : []));
      for (let drawn = 0; drawn < shown; drawn += 1) list.append(make("li", "", make("span", "tile wait")));
      const parts = [
        ...(look.header ? [make("div", "profile", make("span", "avatar wait"))] : []),
        list,
        ...(shown < posts ? [make("div", "more")] : []),
      ];
      for (const part of parts) part.setAttribute("aria-hidden", "true");
      this.#fill("", look.theme, ...parts);
      this.#body.setAttribute("aria-busy", "true");
      this.#texts().then(({ loading }) => {
        if (this.#body.hasAttribute("aria-busy")) this.#said.textContent = loading;
      });
    }

    /** Say in a sentence why there are no posts: once on a page, or not at all if it wants that. `key`: the text's. */
    async #showNote(key, mayRetry = false, words = "") {
      const turn = this.#turn;
      const texts = await this.#texts();
      if (turn !== this.#turn) return;
      let isShown;
      const draw = (isSaid) => {
        const mayShow = this.getAttribute("on-error") !== "hide" && (!isSaid || this.hasAttribute("preview"));
        if (mayShow === isShown) return isShown;
        isShown = mayShow;
        this.#fill("", "");
        if (!isShown) return false;
        const text = words || texts[key];
        const note = make("div", "note", make("p", "", text));
        if (mayRetry) note.append(make("p", "", makeButton(texts.tryAgain, () => [...failed.keys()].forEach((feed) => feed.reload()))));
        this.#fill(text, lookOf(this, {}).theme, note);
        return true;
      };
      failed.set(this, draw);
      drawNotes();
    }

    #showError(error) {
      this.#showNote("failed", true, this.#isDraft && error.words);
      this.#tell("error", { message: error.message });
    }

    /** The list of posts, with what the look says of its columns and tiles. */
    #list({ layout, columns, columnsNarrow, gap, radius, tileRatio }) {
      const list = make("ul", `posts ${layout}`);
      list.setAttribute("role", "list");
      const values = {
        wide: columns,
        narrow: columnsNarrow,
        small: Math.min(columnsNarrow, 3),
        tiny: Math.min(columnsNarrow, 2),
        ratio: layout !== "masonry" && tileRatio === "1:1" ? 1 : 0.8,
        [this.hasAttribute("gap") ? "igf-gap" : "gap"]: `${gap}px`,
        [this.hasAttribute("radius") ? "igf-radius" : "radius"]: `${radius}px`,
      };
      for (const [name, value] of Object.entries(values)) list.style.setProperty(`--${name}`, value);
      return list;
    }

    #fill(said, theme, ...content) {
      this.#body.removeAttribute("aria-busy");
      this.#body.className = `feed ${theme}`;
      if (this.#language.toLowerCase().startsWith(RIGHT_TO_LEFT)) this.#body.dir = "rtl";
      else this.#body.removeAttribute("dir");
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
