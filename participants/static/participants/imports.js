// While a worker has the import: show how far it is, and load the page anew when that has changed.
"use strict";

const box = document.getElementById("import-progress");

async function look() {
  try {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const now = await answer.json();
      if (now.state !== box.dataset.state) {
        window.location.reload();
        return;
      }
      const bar = box.querySelector("progress");
      // Written in one go: there is no "how far" before the end.
      if (bar.hasAttribute("value")) {
        bar.value = now.rows_done;
      }
      box.querySelector("[data-text]").textContent = now.text;
    } else if (answer.status === 403 || answer.status === 404) {
      return;
    }
  } catch {
    // The network was away for a moment: ask again.
  }
  window.setTimeout(look, 1000);
}

if (box) {
  window.setTimeout(look, 500);
}
