// The search of the site, over every page: Ctrl-K, Cmd-K or "/" opens it, arrows choose, Enter opens what is chosen.
// What is typed is sent in the body of a request and kept nowhere. And the filter of the page of all records.
"use strict";
(() => {
  const WAIT = 150;

  const isTyping = (target) =>
    target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);

  class Finder {
    constructor(dialog) {
      this.dialog = dialog;
      this.text = dialog.querySelector("input[type=search]");
      this.list = dialog.querySelector("[role=listbox]");
      this.said = dialog.querySelector("[role=status]");
      this.token = dialog.querySelector("input[name=csrfmiddlewaretoken]");
      this.asked = 0;
      this.text.addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.ask(), WAIT);
      });
      this.text.addEventListener("keydown", (event) => this.key(event));
      dialog.addEventListener("click", (event) => {
        // Its button; and beside the box a touch closes it, too.
        if (event.target === dialog || event.target.closest("button")) dialog.close();
      });
    }

    open() {
      if (!this.dialog.open) this.dialog.showModal();
      this.text.focus();
      this.text.select();
    }

    async ask() {
      const turn = (this.asked += 1);
      const text = this.text.value.trim();
      if (!text) {
        this.show([], "");
        return;
      }
      const body = new URLSearchParams({ text, csrfmiddlewaretoken: this.token.value });
      try {
        const headers = { Accept: "application/json" };
        const answer = await fetch(this.dialog.dataset.find, { method: "POST", body, headers });
        const { found } = await answer.json();
        if (turn === this.asked) this.show(found, found.length ? "" : this.dialog.dataset.nothing);
      } catch {
        if (turn === this.asked) this.show([], this.dialog.dataset.failed);
      }
    }

    show(found, said) {
      this.said.textContent = said;
      this.list.replaceChildren(...found.map((one, place) => this.line(one, place)));
      this.text.setAttribute("aria-expanded", String(found.length > 0));
      this.choose(0);
    }

    line(one, place) {
      const link = Object.assign(document.createElement("a"), { href: one.link, textContent: one.title, tabIndex: -1 });
      const kind = Object.assign(document.createElement("span"), { className: "ts-kind", textContent: one.kind });
      const line = Object.assign(document.createElement("li"), { id: `ts-found-${place}` });
      line.setAttribute("role", "option");
      line.append(link, " ", kind);
      line.addEventListener("click", () => location.assign(link.href));
      return line;
    }

    choose(place) {
      const lines = [...this.list.children];
      this.chosen = lines.length ? (place + lines.length) % lines.length : -1;
      lines.forEach((line, number) => line.setAttribute("aria-selected", String(number === this.chosen)));
      const line = lines[this.chosen];
      if (line) {
        this.text.setAttribute("aria-activedescendant", line.id);
        line.scrollIntoView({ block: "nearest" });
      } else {
        this.text.removeAttribute("aria-activedescendant");
      }
    }

    key(event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        this.choose(this.chosen + step);
      } else if (event.key === "Escape" && !event.isComposing) {
        // The first one would only empty the field.
        event.preventDefault();
        this.dialog.close();
      } else if (event.key === "Enter" && !event.isComposing) {
        // While Chinese is composed, Enter takes the characters.
        event.preventDefault();
        const link = this.list.children[this.chosen]?.querySelector("a");
        if (link) location.assign(link.href);
      }
    }
  }

  const filter = (page) => {
    const input = page.querySelector("input[type=search]");
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const group of page.querySelectorAll("section")) {
        const lines = [...group.querySelectorAll("li")];
        for (const line of lines) line.hidden = !line.textContent.toLowerCase().includes(wanted);
        group.hidden = lines.every((line) => line.hidden);
      }
    });
  };

  addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-filtered]").forEach(filter);
    const dialog = document.getElementById("ts-finder");
    if (!dialog) return;
    const finder = new Finder(dialog);
    document.querySelectorAll("a.ts-find").forEach((link) =>
      link.addEventListener("click", (event) => {
        event.preventDefault();
        finder.open();
      })
    );
    addEventListener("keydown", (event) => {
      const isCommand = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
      const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
      if (!isCommand && !isSlash) return;
      event.preventDefault();
      finder.open();
    });
  });
})();
