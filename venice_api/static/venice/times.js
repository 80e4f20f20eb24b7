// Shows each <time datetime> in the reader's time zone, with UTC on hover. Without this script the page shows UTC.
"use strict";

const zoneFormat = (shown) =>
  new Intl.DateTimeFormat(undefined, {
    dateStyle: "medium",
    timeStyle: /\d:\d\d:\d\d/.test(shown) ? "medium" : "short",
  });

for (const element of document.querySelectorAll("time[datetime]")) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  const shown = element.textContent;
  element.title = shown;
  element.textContent = zoneFormat(shown).format(at);
}
