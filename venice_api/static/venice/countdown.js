// Counts down to the time in each <time data-countdown>; without this script the time itself stands there.
"use strict";

const words = (seconds) => {
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([count], place) => count > 0 || place === 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
};

for (const element of document.querySelectorAll("time[data-countdown]")) {
  const until = Date.parse(element.dateTime);
  const told = element.textContent;
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    element.textContent = seconds > 0 ? `in ${words(seconds)} (${told})` : "now: reload this page";
    if (seconds > 0) setTimeout(tick, 1000);
  };
  tick();
}
