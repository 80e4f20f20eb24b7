"use client";

import { createElement, forwardRef, useEffect, useImperativeHandle, useLayoutEffect, useRef } from "react";
import type { CSSProperties, ReactNode } from "react";

const TAG = "instagram-feed";

/** The element of the widget. `reload()` exists once the widget's script has run. */
export interface InstagramFeedElement extends HTMLElement {
  reload?(): void;
}

/** How the feed looks. What is left out is as the editor has saved it. */
export interface InstagramFeedLook {
  layout?: "grid" | "carousel" | "masonry" | undefined;
  /** 1 to 12, where the element is at least 900 pixels wide. */
  columns?: number | undefined;
  /** 1 to 12, where the element is narrower. */
  columnsNarrow?: number | undefined;
  /** Pixels between tiles, 0 to 60. */
  gap?: number | undefined;
  /** Pixels of the tiles' rounded corners, 0 to 60. */
  radius?: number | undefined;
  tileRatio?: "1:1" | "4:5" | "original" | undefined;
  /** Number of posts to show before "Show more posts"; 0 for all. */
  pageSize?: number | undefined;
  header?: boolean | undefined;
  headerText?: string | undefined;
  followButton?: boolean | undefined;
  captions?: "none" | "hover" | "below" | undefined;
  /** Characters; 0 for whole captions. */
  captionLength?: number | undefined;
  showDate?: boolean | undefined;
  click?: "lightbox" | "instagram" | "none" | undefined;
  theme?: "auto" | "light" | "dark" | undefined;
}

export interface InstagramFeedEvents {
  onLoad?: ((event: CustomEvent<{ count: number; lastUpdated: string | null; stale: boolean; warnings: string[] }>) => void) | undefined;
  /** Also called with the message "SCRIPT_FAILED" when the widget's script can't be loaded. */
  onError?: ((event: CustomEvent<{ message: string }>) => void) | undefined;
  /** `event.preventDefault()` stops the lightbox from opening. */
  onOpen?: ((event: CustomEvent<{ id: string; permalink: string }>) => void) | undefined;
  onClose?: ((event: CustomEvent<{ id: string }>) => void) | undefined;
  onMore?: ((event: CustomEvent<{ shown: number; count: number }>) => void) | undefined;
}

export interface InstagramFeedProps extends InstagramFeedLook, InstagramFeedEvents {
  /** The embed token from the editor. */
  token: string;
  /** The URL of the service, such as https://feeds.example */
  baseUrl: string;
  /** 1 to 48. */
  maxPosts?: number | undefined;
  filter?: "all" | "image" | "video" | undefined;
  /** The space to reserve before the feed has loaded, from the embed code, such as "12 profile". */
  reserve?: string | undefined;
  lang?: string | undefined;
  /** Texts that replace the widget's own. */
  texts?: Readonly<Record<string, string>> | undefined;
  /** Show nothing instead of a sentence when there are no posts to show. */
  hideOnError?: boolean | undefined;
  /** The text shown before the first video plays; false for none. */
  videoNotice?: string | false | undefined;
  /** The nonce of the widget's script, if the page's Content-Security-Policy requires one. */
  nonce?: string | undefined;
  id?: string | undefined;
  className?: string | undefined;
  style?: CSSProperties | undefined;
  /** Shown until the widget is drawn, and without JavaScript. */
  children?: ReactNode;
}

type Attributes = Record<string, string>;

/** The attributes of these props. Numbers, booleans and objects become text, as React 18 and 19 write them differently. */
function attributesOf(props: InstagramFeedProps, baseUrl: string): Attributes {
  const { maxPosts, texts, hideOnError, videoNotice, columnsNarrow, tileRatio, pageSize, headerText, followButton } = props;
  const values: Record<string, string | number | boolean | undefined> = {
    token: props.token,
    "base-url": baseUrl,
    "max-posts": maxPosts,
    filter: props.filter,
    reserve: props.reserve,
    texts: texts && JSON.stringify(texts),
    "on-error": hideOnError ? "hide" : undefined,
    "video-notice": videoNotice,
    layout: props.layout,
    columns: props.columns,
    "columns-narrow": columnsNarrow,
    gap: props.gap,
    radius: props.radius,
    "tile-ratio": tileRatio,
    "page-size": pageSize,
    header: props.header,
    "header-text": headerText,
    "follow-button": followButton,
    captions: props.captions,
    "caption-length": props.captionLength,
    "show-date": props.showDate,
    theme: props.theme,
    class: props.className,
    // React 19 would set these as properties of the element: replace its method `click`, and write "undefined" into `id`
    // instead of removing it. In capitals they are the same attributes, and no properties.
    CLICK: props.click,
    ID: props.id,
    LANG: props.lang,
  };
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null) {
      attributes[name] = typeof value === "boolean" ? (value ? "on" : "off") : String(value);
    }
  }
  return attributes;
}

/** The page's script of the widget, added with the nonce if it isn't there; null if the widget is already defined. */
function widgetScript(url: string, nonce: string | undefined): HTMLScriptElement | null {
  if (customElements.get(TAG)) return null;
  for (const script of document.scripts) {
    if (script.src === url || script.getAttribute("src") === url) return script;
  }
  const script = document.createElement("script");
  script.src = url;
  script.async = true;
  if (nonce) script.nonce = nonce;
  // So that a feed that is mounted later tries again.
  script.addEventListener("error", () => script.remove());
  document.head.append(script);
  return script;
}

const EVENTS = { load: "onLoad", error: "onError", open: "onOpen", close: "onClose", more: "onMore" } as const;

// React 18 warns of useLayoutEffect on the server, where no effect runs.
const useBrowserLayoutEffect = typeof document === "undefined" ? useEffect : useLayoutEffect;

/** `<instagram-feed>` with its script, which is loaded once on a page. */
export const InstagramFeed = forwardRef<InstagramFeedElement, InstagramFeedProps>(function InstagramFeed(props, ref) {
  if (!props.baseUrl) throw new Error("InstagramFeed: `baseUrl` is missing. It is the URL of the feed service, such as https://feeds.example");
  const baseUrl = props.baseUrl.replace(/\/+$/, "");
  const { nonce } = props;
  const element = useRef<InstagramFeedElement>(null);
  const handlers = useRef<InstagramFeedEvents>(props);
  useImperativeHandle(ref, () => element.current as InstagramFeedElement, []);

  // In a layout effect, so that the widget, which starts in a timer, can't dispatch an event before.
  useBrowserLayoutEffect(() => {
    handlers.current = props;
  });
  useBrowserLayoutEffect(() => {
    const feed = element.current;
    const listeners = Object.entries(EVENTS).map(([name, prop]) => {
      const listener = (event: Event) => (handlers.current[prop] as ((event: Event) => void) | undefined)?.(event);
      feed?.addEventListener(`${TAG}:${name}`, listener);
      return () => feed?.removeEventListener(`${TAG}:${name}`, listener);
    });
    return () => listeners.forEach((remove) => remove());
  }, []);

  useEffect(() => {
    const script = widgetScript(`${baseUrl}/embed/widget.js`, nonce);
    const tell = () => {
      const options = { detail: { message: "SCRIPT_FAILED" }, bubbles: true, composed: true };
      element.current?.dispatchEvent(new CustomEvent(`${TAG}:error`, options));
    };
    script?.addEventListener("error", tell);
    return () => script?.removeEventListener("error", tell);
  }, [baseUrl, nonce]);

  const { style, children } = props;
  return createElement(TAG, { ...attributesOf(props, baseUrl), ...(style && { style }), ref: element }, children);
});
