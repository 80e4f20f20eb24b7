// Counts down to the time in each <time data-countdown>; without this script the time itself stands there. When it has
// come, the button whose id the surrounding data-blocks names is turned on, and the words that said why it was off go.
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
  const told = element.textContent;
  const block = element.closest("[data-blocks]");
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (seconds > 0) {
      element.textContent = `in ${words(seconds)} (${told})`;
      setTimeout(tick, 1000);
    } else {
      unblock(block);
    }
  };
  tick();
}
