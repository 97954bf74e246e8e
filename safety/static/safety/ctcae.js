// The CTCAE field: a search while one types, by the pattern of an editable combobox with a list. Without this file
// the field takes a whole name or a code.
"use strict";

const WAIT = 150;

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_whole, name) => values[name]);
}

class CtcaeField {
  constructor(root) {
    this.root = root;
    this.input = root.querySelector("input");
    this.list = root.querySelector("[role=listbox]");
    this.status = root.querySelector("[role=status]");
    this.place = root.querySelector(".ctcae-place");
    this.grade = this.input.form && this.input.form.elements.namedItem("grade");
    this.terms = [];
    this.active = -1;
    this.asked = 0;
    // What stands in the box when it is wholly one term.
    this.chosen = root.dataset.code ? this.input.value : "";
    this.dress();
    this.listen();
    this.showGrade();
  }

  dress() {
    this.list.id = `${this.input.id}_list`;
    const facts = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id };
    for (const [name, value] of Object.entries(facts)) {
      this.input.setAttribute(name, value);
    }
    this.input.autocomplete = "off";
    this.input.spellcheck = false;
  }

  listen() {
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.left());
    this.input.addEventListener("focus", () => this.input.select());
    // Not "click": the field would lose the focus first, and close the list under the mouse.
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) {
        this.choose(this.terms[Number(option.dataset.index)]);
      }
    });
    if (this.grade) {
      this.grade.addEventListener("input", () => this.showGrade());
      this.grade.addEventListener("change", () => this.showGrade());
    }
    this.place.addEventListener("click", (event) => {
      const row = event.target.closest("li[data-grade]:not(.ctcae-absent)");
      if (row && this.grade) {
        this.grade.value = row.dataset.grade;
        this.grade.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }

  // --- asking ------------------------------------------------------------------------------

  typed() {
    this.forget();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.search(), WAIT);
  }

  forget() {
    this.chosen = "";
    this.place.replaceChildren();
    this.say("");
  }

  async ask(address, accept) {
    try {
      const answer = await fetch(address, { headers: { Accept: accept }, credentials: "same-origin" });
      if (answer.redirected || answer.status === 403) {
        this.say(this.root.dataset.login, true);
        return null;
      }
      return answer.ok ? answer : null;
    } catch {
      this.say(this.root.dataset.away, true);
      return null;
    }
  }

  async search() {
    const query = this.input.value.trim();
    // Only the answer to the newest question counts.
    const number = ++this.asked;
    if (!query) {
      this.close();
      return null;
    }
    const values = new URLSearchParams({ version: this.root.dataset.version, q: query });
    const answer = await this.ask(`${this.root.dataset.search}?${values}`, "application/json");
    if (!answer || number !== this.asked) {
      return null;
    }
    const found = await answer.json();
    if (number !== this.asked) {
      return null;
    }
    this.terms = found.terms;
    if (document.activeElement === this.input) {
      this.open(found.has_more);
    }
    return found;
  }

  // --- the list ----------------------------------------------------------------------------

  open(hasMore) {
    this.list.replaceChildren(...this.terms.map((term, index) => this.option(term, index)));
    const isOpen = this.terms.length > 0;
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    // The best answer is marked, so that Enter takes what everybody sees marked, and nothing else.
    this.active = -1;
    this.move(isOpen ? 1 : 0);
    const words = isOpen ? (hasMore ? this.root.dataset.more : this.root.dataset.some) : this.root.dataset.none;
    this.say(filled(words, { count: this.terms.length }), !isOpen);
  }

  option(term, index) {
    const option = document.createElement("li");
    option.id = `${this.list.id}_${index}`;
    option.dataset.index = index;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    for (const name of ["label", "detail"]) {
      const part = document.createElement("span");
      part.className = `ctcae-${name}`;
      part.textContent = term[name];
      option.append(part);
    }
    return option;
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  move(step) {
    const options = [...this.list.children];
    // Round the corner, as every such list does; place 0 is the box itself, where nothing is marked.
    const places = options.length + 1;
    this.active = ((this.active + 1 + step + places) % places) - 1;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === this.active)));
    if (this.active < 0) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.input.setAttribute("aria-activedescendant", options[this.active].id);
    options[this.active].scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.isComposing) {
      // A Chinese input method has the keys now.
      return;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (this.isOpen) {
        this.move(event.key === "ArrowDown" ? 1 : -1);
      } else {
        this.search();
      }
    } else if (event.key === "Enter" && this.isOpen) {
      // Never the form: what stands in the box is not chosen yet.
      event.preventDefault();
      if (this.active >= 0) {
        this.choose(this.terms[this.active]);
      }
    } else if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "Tab") {
      this.close();
    }
  }

  // --- the term ----------------------------------------------------------------------------

  async left() {
    this.close();
    window.clearTimeout(this.timer);
    if (this.chosen || !this.input.value.trim()) {
      return;
    }
    const found = await this.search();
    if (!found || this.chosen) {
      return;
    }
    const exact = found.terms.find((term) => term.code === found.exact);
    if (exact) {
      this.choose(exact);
    } else {
      this.say(this.root.dataset.unchosen, true);
    }
  }

  async choose(term) {
    window.clearTimeout(this.timer);
    this.asked += 1;
    this.chosen = this.input.value = term.value;
    this.close();
    this.say("");
    const values = new URLSearchParams({ version: this.root.dataset.version });
    const answer = await this.ask(`${this.root.dataset.search}${term.code}/?${values}`, "text/html");
    const card = answer && (await answer.text());
    if (card && this.chosen === term.value) {
      this.place.innerHTML = card;
      this.showGrade();
    }
  }

  showGrade() {
    const card = this.place.querySelector(".ctcae-card");
    if (!card || !this.grade) {
      return;
    }
    const grade = this.grade.value;
    let isThere = !grade;
    for (const row of card.querySelectorAll("li[data-grade]")) {
      const isThis = row.dataset.grade === grade && !row.classList.contains("ctcae-absent");
      row.classList.toggle("ctcae-chosen", isThis);
      isThere = isThere || isThis;
    }
    const values = { grade, version: this.root.dataset.version, grades: card.dataset.grades };
    this.say(isThere ? "" : filled(this.root.dataset.grade, values), !isThere);
  }

  say(text, isWarning = false) {
    this.status.textContent = text;
    this.status.classList.toggle("ctcae-warning", isWarning && Boolean(text));
  }
}

for (const root of document.querySelectorAll(".ctcae")) {
  new CtcaeField(root);
}
