// Beside the number that somebody types, whose it is: the choices of a field that is looked up say it, with the name for
// those who may see it. Nothing is shown for what is no number, or for what may be several people's.
"use strict";
(() => {
  const ASKED = { app_label: "participants", model_name: "examination", field_name: "participant" };
  const begin = () => {
    const place = document.querySelector("[data-whose]");
    const field = place && document.getElementById("id_number");
    if (!field) return;
    const numbers = new RegExp(`^(${place.dataset.begins.split(" ").join("|")})-?S?[0-9]{1,6}$`);
    let asked = "";
    const ask = async () => {
      const number = field.value.normalize("NFKC").trim().toUpperCase();
      if (number === asked) return;
      asked = number;
      place.hidden = true;
      // A name or a phone number that strayed into this box is not sent at all.
      if (!numbers.test(number)) return;
      const csrfmiddlewaretoken = field.form.elements.namedItem("csrfmiddlewaretoken").value;
      const body = new URLSearchParams({ ...ASKED, term: number, csrfmiddlewaretoken });
      const headers = { Accept: "application/json" };
      const answer = await fetch(place.dataset.whose, { method: "POST", body, headers }).catch(() => null);
      if (!answer || !answer.ok || answer.redirected || number !== asked) return;
      const { results } = await answer.json();
      const exact = results.filter(({ text }) => `${text} `.startsWith(`${number} `));
      const [found, other] = exact.length ? exact : results;
      if (!found || other) return;
      place.lastElementChild.textContent = found.text;
      place.hidden = false;
    };
    field.addEventListener("change", ask);
    field.addEventListener("input", () => {
      place.hidden = true;
      asked = "";
    });
  };
  document.addEventListener("DOMContentLoaded", begin);
})();
