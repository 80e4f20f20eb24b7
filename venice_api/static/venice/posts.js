// The page of a widget's posts. htmx replaces the panel after each act; this script then reloads the preview and announces
// what was done. Without scripts each act loads the page again.
"use strict";

const announcement = document.getElementById("announcement");

const say = (words) => {
  announcement.textContent = "";
  requestAnimationFrame(() => (announcement.textContent = words));
};

/** "Select all" selects the listed posts, or none if all are selected. */
const showSelectAll = () => {
  const button = document.getElementById("select-all");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const boxes = [...document.querySelectorAll("input[type=checkbox][form=bulk]")];
    const selects = boxes.some((box) => !box.checked);
    for (const box of boxes) box.checked = selects;
  });
};

let openDetails = [];

document.addEventListener("htmx:beforeSwap", () => {
  openDetails = [...document.querySelectorAll("#moderation details[open]")].map(({ id }) => id);
});

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.requestConfig.verb !== "post") return;
  for (const id of openDetails) document.getElementById(id)?.setAttribute("open", "");
  say(document.querySelector("#said > span")?.textContent ?? "");
  document.querySelector("instagram-feed")?.reload?.();
});
document.addEventListener("htmx:load", showSelectAll);

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    document.getElementById("said")?.remove();
    const note = document.createElement("div");
    note.id = "said";
    note.className = "alert said";
    note.append("That didn't work, and nothing was changed. Check your connection, then try again or reload the page.");
    document.getElementById("moderation").prepend(note);
    say(note.textContent);
  });
}
