// A section of a page is loaded when somebody opens it; without this script a link in it opens the page with it.
"use strict";
(() => {
  const load = async (section) => {
    const body = section.querySelector(".ts-body");
    section.dataset.loaded = "";
    try {
      const answer = await fetch(section.dataset.load, { headers: { "X-Requested-With": "fetch" } });
      // A login that has ended answers with another page.
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      body.innerHTML = await answer.text();
      body.dispatchEvent(new CustomEvent("trialsite:loaded", { bubbles: true }));
    } catch {
      delete section.dataset.loaded;
      body.textContent = body.dataset.failed;
    }
  };

  const opened = (event) => {
    const section = event.target;
    if (section.open && section.dataset?.load && !("loaded" in section.dataset)) load(section);
  };
  document.addEventListener("toggle", opened, true);

  // The address names a section: that one is open.
  addEventListener("DOMContentLoaded", () => {
    const named = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    const section = named?.querySelector("details[data-load]");
    if (section) section.open = true;
  });
})();
