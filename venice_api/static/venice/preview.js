// Says in words what the feed told the live preview.
"use strict";

const meanings = JSON.parse(document.getElementById("warning-words").textContent);
const place = document.getElementById("preview-words");

document.addEventListener("instagram-feed:load", ({ detail }) => {
  place.textContent = detail.warnings.map((warning) => meanings[warning] || "").join(" ").trim();
});
document.addEventListener("instagram-feed:error", () => (place.textContent = ""));
