// Buttons that copy the text of the element named in data-copy. Without this script they stay hidden.
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
      // The browser denied access to the clipboard: select the text instead.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected. Copy it with the keyboard.";
    }
    setTimeout(() => (button.textContent = words), 3000);
  });
}
