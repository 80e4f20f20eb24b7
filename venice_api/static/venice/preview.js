// Says in words what the feed told the live preview. Its load may be the feed's first: then what the page says of a feed
// that was never loaded is replaced.
"use strict";

const meanings = JSON.parse(document.getElementById("warning-words").textContent);
const place = document.getElementById("preview-words");

document.addEventListener("instagram-feed:load", ({ detail }) => {
  place.textContent = detail.warnings.map((warning) => meanings[warning] || "").join(" ").trim();
  if (!detail.lastUpdated) return;
  for (const element of document.querySelectorAll("[data-until-loaded]")) element.replaceWith(element.dataset.untilLoaded);
});
document.addEventListener("instagram-feed:error", () => (place.textContent = ""));
