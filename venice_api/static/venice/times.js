// Shows each <time datetime> in the reader's time zone, with UTC on hover. Without this script the page shows UTC.
"use strict";

// As exact as the text on the page: with seconds, with minutes, or the day alone.
const exactness = (text) => {
  const colons = text.split(":").length - 1;
  return { dateStyle: "medium", ...(colons && { timeStyle: colons > 1 ? "medium" : "short" }) };
};

function showInZone() {
  for (const element of document.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = element.textContent;
    element.title = text.includes(":") ? text : `${text} UTC`;
    element.textContent = new Intl.DateTimeFormat(undefined, exactness(text)).format(at);
  }
}

showInZone();
document.addEventListener("htmx:afterSettle", showInZone);
