// Shows the warnings of the live preview's feed as sentences. The preview may load the feed for the first time: it then
// replaces what the page says about a feed that was never loaded.
"use strict";

const meanings = JSON.parse(document.getElementById("warning-words").textContent);
const place = document.getElementById("preview-words");

document.addEventListener("instagram-feed:load", ({ detail }) => {
  place.textContent = detail.warnings.map((warning) => meanings[warning] || "").join(" ").trim();
  if (!detail.lastUpdated) return;
  for (const element of document.querySelectorAll("[data-until-loaded]")) element.replaceWith(element.dataset.untilLoaded);
});
document.addEventListener("instagram-feed:error", () => (place.textContent = ""));
