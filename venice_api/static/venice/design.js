// The Design page: the preview follows the form while one types, in the chosen width. Leaving with unsaved changes asks.
"use strict";

const PREVIEW_DELAY_MS = 120;
const WIDTHS = { desktop: 1100, phone: 390 };

const feed = document.querySelector("instagram-feed");
const looks = document.getElementById("looks");

if (looks) editLooks();
fitPreview();

function editLooks() {
  document.getElementById("preview-button").hidden = true; // shows the looks without this script
  const unsaved = document.getElementById("unsaved");
  const saved = typed();
  const wasUnsaved = "unsaved" in looks.dataset;
  let timer = 0;
  let isLeaving = false;

  /** What the form would send, as text. */
  function typed() {
    const data = new FormData(looks);
    data.delete("csrfmiddlewaretoken");
    return new URLSearchParams(data).toString();
  }

  function isUnsaved() {
    return wasUnsaved || typed() !== saved;
  }

  /** The value of the field as the widget's attributes have it. */
  function valueOf(name) {
    const field = looks.elements[name];
    return field.type === "checkbox" ? (field.checked ? "on" : "off") : field.value;
  }

  /** Show only fields that apply, and fields that have an error. */
  function hideFields() {
    for (const part of looks.querySelectorAll("[data-when]")) {
      const [name, ...values] = part.dataset.when.split(" ");
      part.hidden = !values.includes(valueOf(name)) && !part.querySelector(".wrong");
    }
  }

  /** Say at the field what is wrong with a number. The server says the same when it is saved. */
  function check(field) {
    if (field.type !== "number") return;
    const id = `${field.id}_error`;
    const entry = field.closest(".entry");
    entry.querySelector(".wrong")?.remove();
    const described = (field.getAttribute("aria-describedby") || "").split(" ").filter((part) => part && part !== id);
    const isWrong = field.value === "" || !field.validity.valid;
    if (isWrong) {
      const error = document.createElement("span");
      error.className = "wrong";
      error.id = id;
      error.textContent = `Enter a whole number from ${field.min} to ${field.max}.`;
      entry.append(error);
      described.push(id);
    }
    field.setAttribute("aria-invalid", isWrong);
    if (described.length) field.setAttribute("aria-describedby", described.join(" "));
    else field.removeAttribute("aria-describedby");
  }

  /** Give the widget the looks of the form, except for values that it couldn't use. */
  function showLooks() {
    for (const name of new Set([...looks.elements].map((field) => field.name))) {
      const field = looks.elements[name];
      if (!name || !(field instanceof RadioNodeList || field.matches("input:not([type=hidden])"))) continue;
      if (field.type === "number" && (field.value === "" || !field.validity.valid)) continue;
      const attribute = name.replaceAll("_", "-");
      // Setting an attribute draws the widget again, even to the same value.
      if (feed.getAttribute(attribute) !== valueOf(name)) feed.setAttribute(attribute, valueOf(name));
    }
  }

  for (const slider of looks.querySelectorAll("[data-slides]")) {
    const field = document.getElementById(slider.dataset.slides);
    slider.hidden = false;
    slider.addEventListener("input", () => {
      field.value = slider.value;
      check(field);
    });
    field.addEventListener("input", () => (slider.value = field.value));
  }

  looks.addEventListener("input", ({ target }) => {
    check(target);
    hideFields();
    const state = isUnsaved() ? "Not saved" : "";
    if (unsaved.textContent !== state) unsaved.textContent = state;
    clearTimeout(timer);
    timer = setTimeout(showLooks, PREVIEW_DELAY_MS);
  });
  hideFields();

  document.addEventListener("submit", ({ target }) => (isLeaving = "leaves" in target.dataset));
  addEventListener("pageshow", () => (isLeaving = false)); // back from the page that was left
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && isUnsaved()) event.preventDefault();
  });
}

/** Draw the preview as wide as the chosen device, and smaller where there is less space. */
function fitPreview() {
  const toggles = document.getElementById("toggles");
  const screen = document.getElementById("screen");
  const room = screen.parentElement;
  const scaled = screen.querySelector(".scaled");
  const stage = screen.querySelector(".stage");
  const chosen = (name) => toggles.querySelector(`[name=${name}]:checked`).value;

  function fit() {
    const width = WIDTHS[chosen("width")];
    const scale = Math.min(1, room.clientWidth / width);
    stage.style.width = `${width}px`;
    stage.style.transform = `scale(${scale})`;
    scaled.style.width = `${width * scale}px`;
    scaled.style.height = `${stage.offsetHeight * scale}px`;
  }

  toggles.hidden = false;
  for (const name of ["width", "page"]) {
    const kept = sessionStorage.getItem(`design-${name}`);
    const radio = kept && toggles.querySelector(`[name=${name}][value=${CSS.escape(kept)}]`);
    if (radio) radio.checked = true;
  }
  toggles.addEventListener("change", ({ target }) => {
    sessionStorage.setItem(`design-${target.name}`, target.value);
    fit();
  });
  const observer = new ResizeObserver(fit);
  observer.observe(room);
  observer.observe(stage);
  fit();
}
