// The component with React 19 and 18: on the server, while hydrating, and in the browser.
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterEach, beforeEach, describe, test } from "node:test";

import { JSDOM } from "jsdom";

const BASE_URL = "https://feeds.example";
const SCRIPT = `${BASE_URL}/embed/widget.js`;
const FEED = { token: "t0ken", baseUrl: BASE_URL };
const EVERY_PROP = {
  ...FEED, maxPosts: 6, filter: "video", reserve: "6 profile", lang: "de", texts: { follow: '"Folge" <uns>' }, hideOnError: true,
  videoNotice: false, layout: "carousel", columns: 3, columnsNarrow: 1, gap: 0, radius: 4, tileRatio: "4:5", pageSize: 3,
  header: true, headerText: 'a "b" & <c>', followButton: false, captions: "below", captionLength: 0, showDate: true,
  click: "none", theme: "dark", id: "feed", className: "wide dark",
};
const EVERY_ATTRIBUTE = {
  token: "t0ken", "base-url": BASE_URL, "max-posts": "6", filter: "video", reserve: "6 profile", lang: "de",
  texts: '{"follow":"\\"Folge\\" <uns>"}', "on-error": "hide", "video-notice": "off", layout: "carousel", columns: "3",
  "columns-narrow": "1", gap: "0", radius: "4", "tile-ratio": "4:5", "page-size": "3", header: "on",
  "header-text": 'a "b" & <c>', "follow-button": "off", captions: "below", "caption-length": "0", "show-date": "on",
  click: "none", theme: "dark", id: "feed", class: "wide dark",
};

const here = new URL("./", import.meta.url);
cpSync(new URL("../dist", here), new URL("react-18/dist", here), { recursive: true });

// The server evaluates the component without a window; the query makes it another module than the browser's.
const versions = [];
for (const [version, folder] of [["19", new URL("../", here)], ["18", new URL("react-18/", here)]]) {
  const require = createRequire(new URL("package.json", folder));
  const component = new URL("dist/instagram-feed.js", folder).href;
  const { InstagramFeed: OnServer } = await import(`${component}?server`);
  versions.push({ version, require, component, OnServer, React: require("react"), server: require("react-dom/server") });
}
useWindow();
for (const parts of versions) {
  parts.client = parts.require("react-dom/client");
  parts.InBrowser = (await import(parts.component)).InstagramFeed;
}

/** A new page, for each test: a custom element can't be undefined again. */
function useWindow() {
  const { window } = new JSDOM("<!doctype html><main></main>", { url: "https://page.example/" });
  const { document, navigator, customElements, HTMLElement, CustomEvent, Event } = window;
  for (const [name, value] of Object.entries({ window, document, navigator, customElements, HTMLElement, CustomEvent, Event })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

const attributesOf = (element) => Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value]));
const scripts = () => [...document.scripts].map(({ src }) => src);

test("every attribute in the documentation has a prop", () => {
  const [, section] = readFileSync(new URL("../../../docs/widget.md", here), "utf8").split(/^## (?:Attributes|Columns)$/m);
  const documented = [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names]) => [...names.matchAll(/`([\w-]+)`/g)].map(([, name]) => name));
  const { id, class: className, ...attributes } = EVERY_ATTRIBUTE;
  assert.deepEqual(documented.sort(), Object.keys(attributes).sort());
});

for (const { version, React, server, client, OnServer, InBrowser } of versions) {
  const { createElement, act } = React;

  describe(`with React ${version}`, () => {
    let main, root, complaints;
    const said = console.error;

    beforeEach(() => {
      useWindow();
      globalThis.IS_REACT_ACT_ENVIRONMENT = true;
      main = document.querySelector("main");
      root = undefined;
      complaints = [];
      console.error = (...words) => complaints.push(words.join(" "));
    });
    afterEach(async () => {
      await act(() => root?.unmount());
      console.error = said;
      assert.deepEqual(complaints, []);
    });

    const render = async (...children) => {
      root ??= client.createRoot(main);
      await act(() => root.render(createElement(React.StrictMode, null, ...children)));
      return main.querySelector("instagram-feed");
    };
    const feed = (props) => createElement(InBrowser, { ...FEED, ...props });
    const tell = (element, name, detail) =>
      element.dispatchEvent(new CustomEvent(`instagram-feed:${name}`, { detail, cancelable: name === "open" }));

    test("it is the expected version", () => assert.equal(React.version.split(".")[0], version));

    test("every prop becomes its attribute", async () => {
      const element = await render(feed(EVERY_PROP));
      assert.deepEqual(attributesOf(element), EVERY_ATTRIBUTE);
      assert.equal(typeof element.click, "function");
    });

    test("what is left out, undefined or null isn't an attribute", async () => {
      const nothing = Object.fromEntries(Object.keys(EVERY_PROP).map((name) => [name, undefined]));
      const element = await render(feed({ ...nothing, ...FEED, gap: null, hideOnError: false }));
      assert.deepEqual(attributesOf(element), { token: "t0ken", "base-url": BASE_URL });
    });

    test("changed and removed props change the attributes", async () => {
      await render(feed(EVERY_PROP));
      let element = await render(feed({ header: false, click: "instagram", lang: "fr" }));
      assert.deepEqual(attributesOf(element), { token: "t0ken", "base-url": BASE_URL, header: "off", click: "instagram", lang: "fr" });
      element = await render(feed({}));
      assert.deepEqual(attributesOf(element), { token: "t0ken", "base-url": BASE_URL });
    });

    test("style and children are passed on", async () => {
      const element = await render(feed({ style: { minHeight: 200 }, children: "Loading" }));
      assert.equal(element.style.minHeight, "200px");
      assert.equal(element.textContent, "Loading");
    });

    test("the server writes the same attributes", () => {
      const html = server.renderToString(createElement(OnServer, EVERY_PROP));
      const { document } = new JSDOM(html).window;
      assert.deepEqual(attributesOf(document.querySelector("instagram-feed")), EVERY_ATTRIBUTE);
      assert.equal(document.querySelectorAll("body *").length, 1);
    });

    test("hydration finds no difference, and loads the script", async () => {
      main.innerHTML = server.renderToString(createElement(OnServer, { ...EVERY_PROP, children: "Loading" }));
      const before = main.firstChild;
      const differences = [];
      await act(() => {
        const onRecoverableError = (error) => differences.push(error.message);
        root = client.hydrateRoot(main, feed({ ...EVERY_PROP, children: "Loading" }), { onRecoverableError });
      });
      assert.deepEqual(differences, []);
      assert.equal(main.firstChild, before);
      assert.deepEqual(attributesOf(main.firstChild), EVERY_ATTRIBUTE);
      assert.deepEqual(scripts(), [SCRIPT]);
    });

    test("hydration finds no difference after the widget has been drawn", async () => {
      main.innerHTML = server.renderToString(createElement(OnServer, EVERY_PROP));
      customElements.define("instagram-feed", class extends HTMLElement {
        connectedCallback() {
          this.attachShadow({ mode: "open" }).append("posts");
        }
      });
      await act(() => (root = client.hydrateRoot(main, feed(EVERY_PROP))));
      assert.equal(main.firstChild.shadowRoot.textContent, "posts");
      assert.deepEqual(attributesOf(main.firstChild), EVERY_ATTRIBUTE);
    });

    test("two feeds load the script once, and keep it", async () => {
      await render(feed({ key: 1 }), feed({ key: 2, baseUrl: `${BASE_URL}/` }));
      await render(feed({ key: 3 }));
      assert.deepEqual(scripts(), [SCRIPT]);
      assert.equal(document.scripts[0].async, true);
    });

    test("a script of the page is used", async () => {
      document.head.innerHTML = `<script src="${SCRIPT}" async></script>`;
      await render(feed());
      assert.deepEqual(scripts(), [SCRIPT]);
    });

    test("the script has the nonce, and the element doesn't", async () => {
      const element = await render(feed({ nonce: "r4nd0m" }));
      assert.equal(document.scripts[0].nonce, "r4nd0m");
      assert.deepEqual(attributesOf(element), { token: "t0ken", "base-url": BASE_URL });
    });

    test("without a nonce the script has none", async () => {
      await render(feed());
      assert.equal(document.scripts[0].hasAttribute("nonce"), false);
    });

    test("no script is loaded once the widget is defined", async () => {
      customElements.define("instagram-feed", class extends HTMLElement {});
      await render(feed());
      assert.deepEqual(scripts(), []);
    });

    test("a script that can't be loaded is told to each feed, and tried again by the next", async () => {
      const told = [];
      const onError = ({ detail }) => told.push(detail.message);
      await render(feed({ key: 1, onError }), feed({ key: 2, onError }));
      document.scripts[0].dispatchEvent(new Event("error"));
      assert.deepEqual(told, ["SCRIPT_FAILED", "SCRIPT_FAILED"]);
      assert.deepEqual(scripts(), []);
      await render(feed({ key: 3 }));
      assert.deepEqual(scripts(), [SCRIPT]);
    });

    test("events call the props, the newest ones, and not after unmounting", async () => {
      const told = [];
      const tellTo = (who) => Object.fromEntries(
        ["onLoad", "onError", "onOpen", "onClose", "onMore"].map((prop) => [prop, (event) => told.push([who, prop, event.detail])]),
      );
      const element = await render(feed(tellTo("first")));
      for (const name of ["load", "error", "open", "close", "more"]) tell(element, name, name);
      await render(feed(tellTo("second")));
      tell(element, "more", 2);
      await render(feed({}));
      tell(element, "more", 3);
      await render(null);
      tell(element, "more", 4);
      assert.deepEqual(told, [
        ["first", "onLoad", "load"], ["first", "onError", "error"], ["first", "onOpen", "open"],
        ["first", "onClose", "close"], ["first", "onMore", "more"], ["second", "onMore", 2],
      ]);
    });

    test("onOpen can keep the lightbox closed", async () => {
      const element = await render(feed({ onOpen: (event) => event.preventDefault() }));
      assert.equal(tell(element, "open", {}), false);
      assert.equal(tell(await render(feed({})), "open", {}), true);
    });

    test("an event that the widget dispatches as soon as it is connected isn't missed", async () => {
      customElements.define("instagram-feed", class extends HTMLElement {
        connectedCallback() {
          queueMicrotask(() => tell(this, "load", { count: 1 }));
        }
      });
      const counts = [];
      root = client.createRoot(main);
      await act(() => root.render(feed({ onLoad: ({ detail }) => counts.push(detail.count) })));
      assert.deepEqual(counts, [1]);
    });

    test("the ref is the element, with its methods", async () => {
      let reloads = 0;
      customElements.define("instagram-feed", class extends HTMLElement {
        reload() {
          reloads += 1;
        }
      });
      const ref = React.createRef();
      const element = await render(feed({ ref }));
      assert.equal(ref.current, element);
      ref.current.reload();
      assert.equal(reloads, 1);
    });

    test("a missing baseUrl is named", () => {
      assert.throws(() => server.renderToString(createElement(OnServer, { token: "t" })), /`baseUrl` is missing/);
    });
  });
}
