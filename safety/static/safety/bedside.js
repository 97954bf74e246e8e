// The grades beside the form while it is typed: the server computes them, this only asks and shows.
"use strict";
(() => {
  const form = document.querySelector("form[data-grade-url]");
  const shown = document.getElementById("ts-grades");
  if (!form || !shown) return;
  let waiting = null;
  let asked = 0;

  // The grades that stand there are of other answers then.
  const say = (words) => {
    const sentence = document.createElement("p");
    sentence.className = "ts-error";
    sentence.textContent = words;
    shown.replaceChildren(sentence);
  };
  const ask = async () => {
    const number = ++asked;
    if (window.trialsite) trialsite.renew(form);
    const typed = new FormData(form);
    // A look is not the one time that the form may be taken.
    typed.delete("_once");
    try {
      const answer = await fetch(form.dataset.gradeUrl, { method: "POST", body: typed });
      const text = answer.ok && !answer.redirected ? await answer.text() : "";
      if (number !== asked) return;
      if (answer.redirected || answer.status === 403) say(shown.dataset.login);
      else if (answer.ok) show(text);
      else say(shown.dataset.away);
    } catch {
      if (number === asked) say(shown.dataset.away);
    }
  };
  const show = (text) => {
    shown.innerHTML = text;
    const known = shown.querySelector("[data-known]");
    if (!known) return;
    document.getElementById("ts-day").textContent = known.dataset.day;
    if (know(JSON.parse(known.dataset.known))) changed();
  };
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 250);
  };

  // Questions that only another answer makes questions. What is hidden keeps its answer, should somebody change their
  // mind once more; the server counts nothing of it. A drug that was named counts by itself: it stays in sight.
  const answer = (name) => {
    const fields = [...form.querySelectorAll(`[name="${name}"]`)];
    const chosen = fields.find((field) => field.type !== "radio" || field.checked);
    return chosen ? chosen.value.trim() : "";
  };
  // As the server reads it: a Chinese keyboard writes wide digits and its own full stop.
  const number = (value) => Number(value.normalize("NFKC").replace("。", "."));
  const holds = (value, wanted) => {
    if (wanted === "empty") return value === "";
    if (wanted.startsWith(">=")) return value !== "" && number(value) >= Number(wanted.slice(2));
    if (wanted.startsWith("!")) return value !== "" && value !== wanted.slice(1);
    return value === wanted;
  };
  const tells = (question) =>
    [...question.querySelectorAll("input:not([name=still_so])")].some((field) =>
      field.type === "text" ? Number(field.value) !== 0 : field.checked && !["", "no", "none"].includes(field.value)
    );
  const arrange = () => {
    form.querySelectorAll("[data-when]").forEach((question) => {
      const asks = holds(answer(question.dataset.when), question.dataset.is);
      const stays = question.classList.contains("ts-wrong") || ("alone" in question.dataset && tells(question));
      question.hidden = !asks && !stays;
    });
  };
  const changed = () => {
    arrange();
    soon();
  };
  // Another form takes the place of this one: not without asking, once something was typed.
  let isTouched = false;
  form.addEventListener("input", () => { isTouched = true; });
  document.querySelectorAll("[data-starts-anew]").forEach((link) => {
    link.addEventListener("click", (event) => {
      if (isTouched && !window.confirm(link.dataset.startsAnew)) event.preventDefault();
    });
  });
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);

  // What is known of the drugs at the time of the assessment: answered with it until somebody answers.
  const hints = [...form.querySelectorAll("[data-hint]")];
  const known = Object.fromEntries(hints.map((hint) => [hint.dataset.hint, answer(hint.dataset.hint)]));
  // A form that the server has shown again holds what somebody answered.
  const touched = new Set(form.dataset.again ? Object.keys(known) : []);
  form.addEventListener("click", (event) => {
    if (event.target.type === "radio") touched.add(event.target.name);
  });
  const know = (now) => {
    let isNew = false;
    hints.forEach((hint) => {
      const name = hint.dataset.hint;
      const one = now[name];
      hint.hidden = !one;
      hint.textContent = one ? `${one.text} ` : "";
      if (one && one.link) {
        const link = document.createElement("a");
        link.href = one.link;
        link.textContent = one.link_text;
        hint.append(link);
      }
      const value = one ? one.value : "";
      if (touched.has(name) || answer(name) !== known[name] || value === known[name]) return;
      form.querySelectorAll(`[name="${name}"]`).forEach((field) => { field.checked = value !== "" && field.value === value; });
      known[name] = value;
      isNew = true;
    });
    return isNew;
  };

  // Whoever touches an answer of the time before, or types over it, has looked.
  form.querySelectorAll(".ts-carried").forEach((question) => {
    const still = question.querySelector("[name=still_so]");
    question.querySelectorAll("input:not([name=still_so])").forEach((field) => {
      field.addEventListener(field.type === "text" ? "input" : "click", () => { still.checked = true; });
    });
  });

  // One touch for the most frequent finding; it answers what is open, and never takes back what was seen.
  document.querySelectorAll("[data-fill]").forEach((button) => {
    button.addEventListener("click", () => {
      const left = [];
      for (const [name, value] of Object.entries(JSON.parse(button.dataset.fill))) {
        const field = form.querySelector(`[name="${name}"][value="${value}"]`);
        if (!field) continue;
        if (answer(name) === "") field.checked = true;
        else if (!field.checked) left.push(titleOf(field));
      }
      tell(button, left);
      changed();
    });
  });
  const titleOf = (field) => field.closest(".ts-question").querySelector("span, label").textContent.trim();
  const tell = (button, left) => {
    let note = button.parentElement.querySelector(".ts-left");
    if (!note) {
      note = document.createElement("span");
      note.className = "ts-left";
      note.setAttribute("role", "status");
      button.after(note);
    }
    note.textContent = left.length ? ` ${button.dataset.left} ${left.join("; ")}` : "";
  };
  arrange();
  ask();
})();
