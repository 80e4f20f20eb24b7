/** Tells the framing page how high the widget is, so that it can fit its frame. Only the id and a number leave. */
"use strict";

const instanceId = document.documentElement.dataset.instanceId;

new ResizeObserver(() => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  window.parent.postMessage({ type: "instagram-feed:height", instanceId, height }, "*");
}).observe(document.body);
