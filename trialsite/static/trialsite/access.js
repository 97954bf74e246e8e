// What the admin theme leaves out for those who use no mouse or see no icons. In one place, for every page: its
// controls that only listen to clicks, its icons that are read out as words, look-ups without a name, tables in
// frames that only a finger can scroll, and heads with more buttons than there is room for.
"use strict";
(() => {
  const CLICK = "x-on:click";
  const NATIVE = "a[href], button, input, select, textarea, summary, label";
  const FRAMES = ".ts-scroll, .ts-frame, .result-list-wrapper .overflow-x-auto";
  const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  // A control that opens something: what it opens, where the keyboard goes on.
  const PANELS = {
    sidebarMobileOpen: "#nav-sidebar",
    filterOpen: "#changelist-filter",
    openUserLinks: "#nav-sidebar nav[x-show=openUserLinks]",
    openTabsDropdown: "#tabs-dropdown",
  };
  // The word for a control that is an icon only, by the icon or by what the control opens.
  const WORDS = { visibility: "password", visibility_off: "password", close: "close", search: "search" };
  // A value that is shorter than this is never broken; a table with more columns is a picture.
  const SHORT = 12;
  const MOST_ON_A_CARD = 16;
  // A cell of this width has room for two letters a line.
  const TIGHT = 50;
  const WORD = /\p{Script=Han}{2}|\p{L}{5}/u;
  const words = () => document.getElementById("ts-words")?.dataset || {};
  const isSeen = (one) => Boolean(one) && one.checkVisibility({ visibilityProperty: true });

  const labelOf = (field) => {
    const label = field.labels?.[0] || document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
    return (label?.textContent || field.closest("td")?.dataset.label || "").replace("*", "").trim();
  };

  // --- icons -----------------------------------------------------------------------------------

  const textOf = (one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll(".material-symbols-outlined, svg").forEach((icon) => icon.remove());
    return copy.textContent.trim();
  };

  const nameOf = (control, icon) => {
    const said = words();
    if (WORDS[icon]) return said[WORDS[icon]];
    if (/sidebar(Mobile|Desktop)Open/.test(control.getAttribute(CLICK) || "")) return said.menu;
    return control.matches("a[href='/admin/']") ? said.home : said.more;
  };

  const nameIcons = (within) => {
    for (const icon of within.querySelectorAll(".material-symbols-outlined")) {
      const control = icon.closest(`a, button, [${CSS.escape(CLICK)}]`);
      const text = icon.textContent.trim();
      if (control !== icon) icon.setAttribute("aria-hidden", "true");
      if (!control || control.hasAttribute("aria-label") || control.title) continue;
      if (control === icon || !textOf(control)) control.setAttribute("aria-label", nameOf(control, text) || text);
    }
  };

  // What is said within a box is gone once something is typed in it.
  const nameBoxes = (within) => {
    for (const box of within.querySelectorAll("input[placeholder]:not([aria-label])")) {
      if (!box.labels?.length) box.setAttribute("aria-label", box.placeholder);
    }
  };

  // A box in a table is read with the head of its line and of its column.
  const nameCells = (within) => {
    for (const box of within.querySelectorAll("td input:not([aria-label], [aria-labelledby], [type=hidden]), td select:not([aria-label], [aria-labelledby])")) {
      const cell = box.closest("td");
      if (box.labels?.length || box.title) continue;
      const column = cell.closest("table").tHead?.rows[0]?.cells[cell.cellIndex];
      const name = [cell.parentElement.querySelector("th"), column].map((one) => one?.textContent.trim()).filter(Boolean);
      if (name.length) box.setAttribute("aria-label", name.join(" · "));
    }
  };

  // On a phone a row is a card: what has nothing to say takes no line there.
  const mendCards = (within) => {
    for (const cell of within.querySelectorAll("#result_list tbody :is(td, th)")) {
      // The theme takes the first cell of a row for the box that selects it.
      const isTaken = cell.cellIndex === 0 && cell.matches("td") && !cell.querySelector("input");
      const head = isTaken && cell.closest("table").tHead?.rows[0].cells[0];
      const label = (head ? textOf(head) : cell.dataset.label) || "";
      // As the table's head begins; a unit stays as it is written.
      cell.dataset.label = label.replace(/^[a-z](?=[a-z]{2}|t$)/, (letter) => letter.toUpperCase());
      const said = cell.textContent.trim().replace(/\s+/g, " ");
      cell.classList.toggle("ts-nothing", !cell.firstElementChild && !said);
      cell.classList.toggle("ts-short", said.length <= SHORT);
    }
  };

  // A table in a frame, where the frame is too narrow on a phone: its rows become cards as well. A picture made of
  // cells, such as that of 28 days, stays one.
  const isSqueezed = (cell) => cell.clientWidth > 0 && cell.clientWidth < TIGHT && WORD.test(cell.textContent);

  const labelCells = (row, heads) => {
    let column = 0;
    for (const cell of row.cells) {
      const label = cell.colSpan === 1 && heads[column]?.textContent.trim();
      if (label && cell.matches("td") && !cell.dataset.label) cell.dataset.label = label;
      cell.classList.toggle("ts-nothing", !cell.firstElementChild && !cell.textContent.trim());
      column += cell.colSpan;
    }
  };

  const makeCards = (within) => {
    if (!matchMedia("(max-width: 40rem)").matches) return;
    for (const table of within.querySelectorAll(".ts-scroll table.ts-table:not(.ts-cards, .ts-stack, .ts-trail, .ts-texts, .ts-lines)")) {
      const frame = table.closest(".ts-scroll");
      const heads = [...(table.tHead?.rows[0]?.cells || [])];
      const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
      const hasRoom = frame.scrollWidth <= frame.clientWidth && !rows.some((row) => [...row.cells].some(isSqueezed));
      if (heads.length > MOST_ON_A_CARD || hasRoom) continue;
      for (const row of rows) labelCells(row, heads);
      table.classList.add("ts-cards");
    }
  };

  // --- controls that only listen to clicks -----------------------------------------------------

  const panelOf = (control) => {
    const does = control.getAttribute(CLICK) || "";
    const name = Object.keys(PANELS).find((one) => does.startsWith(`${one} =`) && !does.endsWith("= false"));
    return name ? document.querySelector(PANELS[name]) : null;
  };

  const makeControls = (within) => {
    for (const control of within.querySelectorAll(`[${CSS.escape(CLICK)}]`)) {
      if (!control.matches(NATIVE) && control.id !== "changelist-filter-close") {
        control.setAttribute("role", "button");
        control.tabIndex = 0;
      }
      if (panelOf(control)) control.setAttribute("aria-expanded", String(isSeen(panelOf(control))));
    }
  };

  const afterDrawing = (then) => requestAnimationFrame(() => requestAnimationFrame(then));

  const followPanel = (control, panel) =>
    afterDrawing(() => {
      const isOpen = isSeen(panel);
      control.setAttribute("aria-expanded", String(isOpen));
      const first = isOpen && [...panel.querySelectorAll(FOCUSABLE)].find(isSeen);
      if (first) first.focus();
    });

  const opens = (event) => {
    const control = event.target.closest?.(`[${CSS.escape(CLICK)}]`);
    const panel = control && panelOf(control);
    if (panel) followPanel(control, panel);
  };

  const closePanel = (panel) => {
    const control = [...document.querySelectorAll(`[${CSS.escape(CLICK)}]`)].find(
      (one) => panelOf(one) === panel && !panel.contains(one) && (isSeen(one) || one.getAttribute("aria-expanded") === "true")
    );
    if (!control) return;
    // The theme closes its filters by itself.
    if (isSeen(panel)) control.click();
    afterDrawing(() => {
      control.setAttribute("aria-expanded", "false");
      control.focus();
    });
  };

  const pressed = (event) => {
    const { target, key } = event;
    if ((key === "Enter" || key === " ") && target.matches(`[role=button][${CSS.escape(CLICK)}]`)) {
      event.preventDefault();
      target.click();
    } else if (key === "Escape") {
      const menu = target.closest("details.ts-menu[open]");
      const panel = Object.values(PANELS).map((one) => target.closest(one)).find(Boolean);
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      } else if (panel) {
        const control = [...document.querySelectorAll("[aria-expanded=true]")].find((one) => panelOf(one) === panel);
        if (control) closePanel(panel);
      }
    }
  };

  // --- look-ups --------------------------------------------------------------------------------

  const nameLookups = (within) => {
    for (const box of within.querySelectorAll(".select2-container")) {
      const field = box.previousElementSibling;
      const name = field?.matches("select") ? labelOf(field) : "";
      if (!name) continue;
      const shown = box.querySelector(".select2-selection__rendered");
      const control = box.querySelector(".select2-selection");
      control?.setAttribute("aria-label", name);
      // While it is open, it says what it opened.
      if (control?.hasAttribute("aria-owns")) control.setAttribute("aria-controls", control.getAttribute("aria-owns"));
      else control?.removeAttribute("aria-controls");
      // What is chosen is read with the name of the field.
      if (shown?.id) {
        shown.setAttribute("aria-label", `${name} ${shown.textContent.trim()}`.trim());
        control?.setAttribute("aria-labelledby", shown.id);
      }
      box.querySelector(".select2-search__field")?.setAttribute("aria-label", name);
    }
    for (const field of within.querySelectorAll(".select2-dropdown .select2-search__field")) {
      if (!field.hasAttribute("aria-label")) field.setAttribute("aria-label", words().search || "");
    }
  };

  // What is typed into a look-up is sent in the body of the request: it may be a name, and addresses are kept in logs.
  const hideLookups = () => {
    const token = () => document.querySelector("input[name=csrfmiddlewaretoken]")?.value || "";
    window.django?.jQuery?.ajaxPrefilter((asked) => {
      if (!/\/autocomplete\/$/.test(new URL(asked.url, location.href).pathname)) return;
      asked.type = "POST";
      asked.headers = { ...asked.headers, "X-CSRFToken": token() };
    });
  };

  // --- frames ----------------------------------------------------------------------------------

  // The theme's own frames are named in English only.
  const nameBars = (within) => {
    for (const bar of within.querySelectorAll("[aria-label='scrollable content']")) {
      bar.setAttribute("aria-label", bar.closest("#nav-sidebar") ? words().menu : nameOfFrame(bar));
    }
  };

  const nameOfFrame = (frame) =>
    (frame.querySelector("caption, h2, h3") || frame.closest("section, fieldset, .ts-card")?.querySelector("h2, h3, legend")
      || document.querySelector("h1"))?.textContent.trim() || "";

  const reachFrames = (within) => {
    for (const frame of within.querySelectorAll(FRAMES)) {
      if (frame.hasAttribute("tabindex") || frame.scrollWidth <= frame.clientWidth) continue;
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", nameOfFrame(frame));
    }
  };

  // --- languages -------------------------------------------------------------------------------

  // Each language is named in itself.
  const nameLanguages = (within) => {
    for (const field of within.querySelectorAll("form input[name=language]")) field.form.lang = field.value;
  };

  // Names and what was typed are Chinese on an English page, too: a reader of screens has to say so.
  const markChinese = (within) => {
    if (document.documentElement.lang.startsWith("zh")) return;
    const texts = document.createTreeWalker(within.body || within, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const one = texts.currentNode.parentElement;
      const isChinese = /\p{Script=Han}/u.test(texts.currentNode.data) && !/[a-z]/i.test(one.textContent);
      if (isChinese && !one.closest("[lang|=zh], script, style")) one.setAttribute("lang", "zh-Hans");
    }
  };

  // --- the head --------------------------------------------------------------------------------

  const isCut = (head) => head.scrollWidth > head.clientWidth + 1 ||
    [...head.querySelectorAll(".truncate")].some((one) => one.scrollWidth > one.clientWidth + 1);

  const makeMenu = (list) => {
    const item = document.createElement("li");
    item.className = "ts-more";
    item.innerHTML = '<details class="ts-menu"><summary class="ts-button"></summary><ul></ul></details>';
    item.querySelector("summary").textContent = words().more;
    list.append(item);
    return item.querySelector("ul");
  };

  // The buttons that do not fit beside the title go into a menu, the last ones first.
  const makeRoom = () => {
    const head = document.querySelector("#header-inner h1");
    const list = document.querySelector("#header-inner ul.container");
    if (!head || !list || !matchMedia("(min-width: 64rem)").matches) return;
    let menu = list.querySelector(".ts-more ul");
    while (isCut(head) && list.children.length > (menu ? 1 : 0)) {
      menu = menu || makeMenu(list);
      const last = list.children[list.children.length - 2];
      if (!last) break;
      menu.prepend(last);
    }
  };

  // --- all of it -------------------------------------------------------------------------------

  const mend = (within) => {
    makeControls(within);
    nameIcons(within);
    nameLookups(within);
    nameBoxes(within);
    nameCells(within);
    mendCards(within);
    makeCards(within);
    reachFrames(within);
    nameBars(within);
    nameLanguages(within);
    markChinese(within);
  };

  let isDue = false;
  const again = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      mend(document);
    });
  };

  addEventListener("DOMContentLoaded", () => {
    (document.getElementById("main") || document.getElementById("page"))?.setAttribute("role", "main");
    hideLookups();
    mend(document);
    makeRoom();
    // Lines that are added, look-ups that open, sections that are loaded.
    new MutationObserver(again).observe(document.body, { childList: true, subtree: true });
  });
  addEventListener("load", again);
  addEventListener("resize", () => {
    again();
    requestAnimationFrame(makeRoom);
  });
  document.addEventListener("toggle", again, true);
  document.addEventListener("click", opens, true);
  document.addEventListener("keydown", pressed);
})();
