// The fields with suggestions (Select2) have no accessible name of their own.
addEventListener("load", () => setTimeout(() => { // Django makes them in a timeout, too
  for (const field of document.querySelectorAll(".select2-selection__rendered[role=textbox]")) {
    const label = field.closest(".select2")?.previousElementSibling?.labels?.[0];
    if (label) field.setAttribute("aria-label", label.textContent.trim().replace(/:$/, ""));
  }
}));
