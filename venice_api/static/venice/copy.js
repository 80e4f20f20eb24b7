// Buttons that copy the text of the element they name; without this script they stay hidden, and the text is there.
"use strict";

for (const button of document.querySelectorAll("button[data-copy]")) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without leave to write there, at least the text is selected.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it by keyboard";
    }
    setTimeout(() => (button.textContent = words), 3000);
  });
}
