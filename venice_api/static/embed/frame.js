/** Sends the framing page the widget's height, so that it can resize the iframe. The message holds only the id and height. */
"use strict";

const instanceId = document.documentElement.dataset.instanceId;

new ResizeObserver(() => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  window.parent.postMessage({ type: "instagram-feed:height", instanceId, height }, "*");
}).observe(document.body);
