// A button copies what stands in the box that it names; where the browser does not let it, the box is marked instead.
"use strict";
(() => {
  const copied = async (box) => {
    box.focus();
    box.select();
    try {
      await navigator.clipboard.writeText(box.value);
      return true;
    } catch {
      // Without TLS there is no clipboard for scripts; the older way asks for what is marked.
      return document.execCommand("copy");
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const said = document.getElementById(button.getAttribute("aria-describedby"));
    const isDone = await copied(document.getElementById(button.dataset.copies));
    button.focus();
    said.textContent = isDone ? button.dataset.done : button.dataset.failed;
  });
})();
