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
      else if (answer.ok) shown.innerHTML = text;
      else say(shown.dataset.away);
    } catch {
      if (number === asked) say(shown.dataset.away);
    }
  };
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 250);
  };

  // Questions that only another answer makes questions. What is hidden is emptied: it must not count unseen.
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
  const arrange = () => {
    form.querySelectorAll("[data-when]").forEach((question) => {
      const hide = !holds(answer(question.dataset.when), question.dataset.is) && !question.classList.contains("ts-wrong");
      if (hide && !question.hidden) {
        question.querySelectorAll("input[type=text]").forEach((field) => { field.value = ""; });
        question.querySelectorAll("input[type=checkbox], input[type=radio]").forEach((field) => {
          field.checked = field.defaultChecked && field.type === "radio";
        });
      }
      question.hidden = hide;
    });
  };
  const changed = () => {
    arrange();
    soon();
  };
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);

  // One touch for the most frequent finding; everything stays visible and can be changed.
  document.querySelectorAll("[data-fill]").forEach((button) => {
    button.addEventListener("click", () => {
      for (const [name, value] of Object.entries(JSON.parse(button.dataset.fill))) {
        // "All of these absent" speaks of what is still open: it never takes back what was seen.
        if ("fillOpen" in button.dataset && answer(name) !== "") continue;
        const field = form.querySelector(`[name="${name}"][value="${value}"]`);
        if (field) field.checked = true;
      }
      changed();
    });
  });
  arrange();
  ask();
})();
