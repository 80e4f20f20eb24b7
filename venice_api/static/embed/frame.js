/** Sends the framing page the widget's height, so that it can resize the iframe. The message holds only the id and height. */
"use strict";

const instanceId = document.documentElement.dataset.instanceId;

const sendHeight = () => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  window.parent.postMessage({ type: "instagram-feed:height", instanceId, height }, "*");
};

new ResizeObserver(sendHeight).observe(document.body);
// Browsers don't run the observer in a frame that is out of sight.
for (const name of ["load", "more", "error"]) {
  document.addEventListener(`instagram-feed:${name}`, () => setTimeout(sendHeight));
}
