// What is typed into a form that records something is kept in this browser for a day, for this person and this
// address, until it is saved or the person logs out: a session that ran out, a network that fails or a phone that
// sleeps loses nothing. Identity, passwords and files are never kept.
"use strict";
(() => {
  const PREFIX = "ts-draft:";
  const LOGGED_OUT = "ts-logged-out";
  const KEPT = 24 * 60 * 60 * 1000;
  const WAIT = 300;
  const loadedAt = Date.now();

  const cookie = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  };
  // A chosen participant is shown with the name beside the number: the number alone is kept.
  const withoutNames = (text) => text.replace(/ \u2068[^\u2069]*\u2069/g, "");
  const drafts = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  const read = (key) => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  };
  const forget = (isOver) => {
    for (const key of drafts()) {
      const draft = read(key);
      if (!draft || isOver(draft)) localStorage.removeItem(key);
    }
  };

  // The page's token may be older than the login: another tab may have logged in anew.
  const renew = (form) => {
    const field = form.elements.namedItem("csrfmiddlewaretoken");
    const current = cookie("__Host-csrftoken") || cookie("csrftoken");
    if (field && current) field.value = current;
  };

  // What was typed into a folded part is in sight again.
  const unfold = (field) => {
    for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  };

  class Draft {
    constructor(form, place) {
      this.form = form;
      this.token = form.querySelector("input[name=_once]");
      this.opened = form.querySelector("input[name=_opened]");
      this.words = this.token.dataset;
      this.never = new Set(JSON.parse(this.words.never));
      const address = form.dataset.draft || `${location.pathname}${location.search}`;
      this.key = `${PREFIX}${this.words.person}:${address}:${form.dataset.draft ? 0 : place}`;
      this.isTouched = false;
    }

    fields() {
      const skipped = new Set(["hidden", "password", "file", "submit", "button", "reset", "image"]);
      return [...this.form.elements].filter(
        (field) =>
          field.name &&
          !field.name.startsWith("_") &&
          !skipped.has(field.type) &&
          !("noDraft" in field.dataset) &&
          !this.never.has(field.name.split("-").pop().replace(/_\d$/, ""))
      );
    }

    begin() {
      this.goneBack();
      const draft = read(this.key);
      // The same token: the server has shown this form again, with all that was typed.
      if (draft && draft.token !== this.token.value) this.restore(draft);
      this.isTouched = Boolean(draft);
      const soon = () => {
        this.isTouched = true;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.store(), WAIT);
      };
      this.form.addEventListener("input", soon);
      this.form.addEventListener("change", soon);
      this.form.addEventListener("submit", () => {
        this.store();
        renew(this.form);
      });
      addEventListener("pagehide", () => this.store());
      document.addEventListener("visibilitychange", () => this.store());
    }

    // Back to a form that was sent, and saved again: it is the same form, not a new one.
    goneBack() {
      const [navigation] = performance.getEntriesByType("navigation");
      const before = history.state && history.state.once && history.state.once[this.key];
      if (navigation && navigation.type === "back_forward" && before) this.token.value = before;
      this.remember();
    }

    remember() {
      const once = { ...(history.state && history.state.once), [this.key]: this.token.value };
      history.replaceState({ ...history.state, once }, "");
    }

    store() {
      clearTimeout(this.timer);
      // Rows that are not back yet would be missing in what is kept.
      if (!this.isTouched || this.isWaiting || Number(localStorage.getItem(LOGGED_OUT)) > loadedAt) return;
      if (cookie("ts_saved") === this.token.value) return;
      const values = this.fields().map((field) => [field.name, field.type, ...this.valueOf(field)]);
      const opened = this.opened ? this.opened.value : "";
      const draft = { at: Date.now(), token: this.token.value, opened, values };
      try {
        localStorage.setItem(this.key, JSON.stringify(draft));
      } catch {
        // The storage is full or forbidden: the page works as before.
      }
    }

    valueOf(field) {
      if (field.type === "checkbox" || field.type === "radio") return [field.value, field.checked];
      if (field.tagName === "SELECT") return [[...field.selectedOptions].map((one) => [one.value, withoutNames(one.text)])];
      return [field.value];
    }

    restore(draft) {
      this.fill(draft);
      // Rows that were added below the form; its buttons work once the page is loaded.
      if (this.missingRows(draft).length) {
        this.isWaiting = true;
        addEventListener("load", () => setTimeout(() => {
          this.missingRows(draft).forEach((button) => button.click());
          this.fill(draft);
          this.isWaiting = false;
        }));
      }
      // Saved on top of the state that it was typed over: what somebody else has changed since is then shown.
      this.token.value = draft.token;
      if (this.opened && draft.opened) this.opened.value = draft.opened;
      this.remember();
      this.say(draft);
    }

    // For each row that was typed and is not on the page, the button that adds one.
    missingRows(draft) {
      const rows = draft.values.map(([name]) => name.match(/^(.+)-\d+-[^-]+$/)).filter(Boolean);
      const missing = new Map(
        rows
          .filter(([name]) => !this.form.elements.namedItem(name))
          .map(([name, prefix]) => [name.slice(0, name.lastIndexOf("-")), prefix])
      );
      return [...missing.values()]
        .map((prefix) => document.querySelector(`#${CSS.escape(prefix)}-group .add-row`))
        .filter(Boolean);
    }

    fill(draft) {
      const fields = this.fields();
      for (const [name, type, value, isChecked] of draft.values) {
        const alike = fields.filter((field) => field.name === name);
        if (type === "checkbox" || type === "radio") {
          alike.filter((field) => field.value === value).forEach((field) => {
            if (isChecked && !field.checked) unfold(field);
            field.checked = isChecked;
          });
        } else if (alike.length && Array.isArray(value)) {
          if (value.length && value.every(([one]) => one && one !== alike[0].value)) unfold(alike[0]);
          this.choose(alike[0], value);
        } else if (alike.length) {
          if (value && value !== alike[0].value) unfold(alike[0]);
          alike[0].value = value;
        }
      }
      this.form.dispatchEvent(new Event("change", { bubbles: true }));
    }

    choose(select, chosen) {
      for (const [value, text] of chosen) {
        // A choice that is looked up has no options of its own.
        if (![...select.options].some((one) => one.value === value)) select.add(new Option(text, value));
      }
      const values = new Set(chosen.map(([value]) => value));
      for (const option of select.options) option.selected = values.has(option.value);
      if (window.django && django.jQuery) django.jQuery(select).trigger("change.select2");
    }

    say(draft) {
      const time = new Date(draft.at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
      const notice = document.createElement("p");
      notice.className = "ts-draft";
      notice.setAttribute("role", "status");
      notice.append(this.words.restored.replace("{time}", time), " ");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "ts-button";
      button.textContent = this.words.discard;
      button.addEventListener("click", () => {
        this.isTouched = false;
        localStorage.removeItem(this.key);
        // Anew, with a token of its own.
        history.replaceState({ ...history.state, once: {} }, "");
        location.reload();
      });
      notice.append(button);
      this.form.prepend(notice);
    }
  }

  const begin = () => {
    const saved = cookie("ts_saved");
    forget((draft) => draft.token === saved || Date.now() - draft.at > KEPT);
    document.querySelectorAll("form").forEach((form) => {
      if ((form.getAttribute("action") || "").endsWith("/logout/")) {
        form.addEventListener("submit", () => {
          forget(() => true);
          localStorage.setItem(LOGGED_OUT, Date.now());
        });
      }
    });
    const guarded = [...document.querySelectorAll("form")].filter((form) => form.querySelector("input[name=_once]"));
    guarded.forEach((form, place) => new Draft(form, place).begin());
  };
  document.addEventListener("DOMContentLoaded", begin);
  // A form of a section that was loaded later.
  document.addEventListener("trialsite:loaded", (event) => {
    event.target.querySelectorAll("form[data-draft]").forEach((form) => {
      if (form.querySelector("input[name=_once]")) new Draft(form, 0).begin();
    });
  });
  window.trialsite = { renew };
})();
