// A picture that is wider than its frame shows its newest day first: the oldest days are a stroke of the finger away.
"use strict";
(() => {
  const SPARE = 12;

  const showNewest = (frame) => {
    const picture = frame.querySelector("svg[data-picture]");
    const place = picture.getBoundingClientRect();
    const scale = place.width / picture.viewBox.baseVal.width;
    const begins = place.left - frame.getBoundingClientRect().left + frame.scrollLeft;
    frame.scrollLeft = begins + Number(frame.dataset.newest) * scale + SPARE - frame.clientWidth;
  };

  // The widths that differ from picture to picture: the site's policy lets no page carry a style of its own.
  const measure = (frame) => {
    for (const name of ["names", "width"]) {
      if (name in frame.dataset) frame.style.setProperty(`--ts-${name}`, `${frame.dataset[name]}px`);
    }
  };

  const show = (within) => {
    for (const frame of within.querySelectorAll("[data-newest]")) {
      measure(frame);
      showNewest(frame);
    }
  };
  addEventListener("DOMContentLoaded", () => show(document));
  // A section that was loaded after the page.
  addEventListener("trialsite:loaded", (event) => show(event.target));
})();
