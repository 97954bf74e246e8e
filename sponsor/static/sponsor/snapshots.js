// While a worker makes the snapshot: show how far it is, and load the page anew when its state has changed.
"use strict";

const box = document.getElementById("snapshot-progress");

async function look() {
  try {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const now = await answer.json();
      if (now.state !== box.dataset.state) {
        window.location.reload();
        return;
      }
      box.querySelector("progress").value = now.percent;
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
