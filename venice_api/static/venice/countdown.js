// Counts down to the time in each <time data-countdown>. Without this script the page shows the time itself. At that time
// the script enables the button named in the surrounding data-blocks, and removes the text that said why it was off.
"use strict";

const words = (seconds) => {
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([count], place) => count > 0 || place === 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
};

const unblock = (block) => {
  const button = document.getElementById(block.dataset.blocks);
  if (button) {
    button.disabled = false;
    button.removeAttribute("aria-describedby");
  }
  block.remove();
};

for (const element of document.querySelectorAll("[data-blocks] time[data-countdown]")) {
  const until = Date.parse(element.dateTime);
  const original = element.textContent;
  const block = element.closest("[data-blocks]");
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (seconds > 0) {
      element.textContent = `in ${words(seconds)} (${original})`;
      setTimeout(tick, 1000);
    } else {
      unblock(block);
    }
  };
  tick();
}
