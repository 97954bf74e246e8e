// Light or dark, as chosen on the pages behind the login: the theme keeps the choice in the browser.
"use strict";
(() => {
  const kept = localStorage.getItem("adminTheme");
  const isDark = kept === '"dark"' || (kept !== '"light"' && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.add(isDark ? "dark" : "light");
})();
