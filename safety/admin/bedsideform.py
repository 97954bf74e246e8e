"""The form for everything that is seen at the bedside at one moment."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields as dataclass_fields
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from safety.choices import FINDING_NAMES, choices
from safety.rules import crs, icans
from safety.rules.bedside import ICE_POINTS, Death, Observations, Vasopressor
from safety.rules.grading import ImpossibleFinding
from trialsite import formfields

POINTS = tuple(name for names in ICE_POINTS.values() for name in names)

# Told to be absent by touching each, or all at once by who has looked. Nothing chosen: nobody looked.
ABSENT = {
    "in_icu": "no",
    "seizure": "none",
    "deep_focal_weakness": "no",
    "pressure_sign": "none",
    "cerebral_oedema": "none",
    "intracranial_haemorrhage": "no",
}
NOT_LOOKED_AT = ("", _("not looked at"))

# In the order of the examination: title, fields, and whether it stands open.
SECTIONS: tuple[tuple[Any, tuple[str, ...], bool], ...] = (
    (_("When"), ("assessed_at",), True),
    (
        _("Fever"),
        (
            "temperature_c",
            "temperature_not_done",
            "fever_attributable",
            "antipyretic_given",
            "anticytokine_given",
        ),
        True,
    ),
    (
        _("Blood pressure"),
        (
            "systolic",
            "diastolic",
            "hypotension",
            "hypotension_attributable",
            "fluids_given",
            "vasopressors",
            "vasopressin",
        ),
        True,
    ),
    (
        _("Oxygen"),
        ("spo2_percent", "oxygen_device", "oxygen_flow_l_min", "oxygen_reason"),
        True,
    ),
    (
        _("ICE score"),
        (
            "ice_performed",
            *POINTS,
            "sentence",
            "ice_not_done",
        ),
        True,
    ),
    (
        _("Consciousness"),
        ("consciousness", "consciousness_attributable"),
        True,
    ),
    (
        _("Present or absent?"),
        (
            "in_icu",
            "seizure",
            "seizure_minutes",
            "deep_focal_weakness",
            "pressure_sign",
            "cerebral_oedema",
            "intracranial_haemorrhage",
        ),
        True,
    ),
    (
        _("CAPD instead of ICE"),
        ("use_capd", "capd_score"),
        False,
    ),
    (
        _("Another cause, death"),
        ("attributable_to_other_cause", "death"),
        False,
    ),
    (_("Note"), ("note",), True),
)


# Asked only when another answer makes it a question: field, the answer to, its values ("!": any other; ">=": from).
ONLY_WHEN = {
    "temperature_not_done": ("temperature_c", "empty"),
    "fever_attributable": ("temperature_c", ">=38"),
    "hypotension_attributable": ("hypotension", "yes"),
    "fluids_given": ("hypotension", "yes"),
    "vasopressors": ("hypotension", "yes"),
    "vasopressin": ("hypotension", "yes"),
    "oxygen_flow_l_min": ("oxygen_device", "!none"),
    "oxygen_reason": ("oxygen_device", "!none"),
    **dict.fromkeys(POINTS, ("ice_performed", "yes")),
    "sentence": ("ice_performed", "yes"),
    "ice_not_done": ("ice_performed", "not_done"),
    "consciousness_attributable": ("consciousness", "!alert"),
    "seizure_minutes": ("seizure", "!none"),
    "capd_score": ("use_capd", "yes"),
}
# Where one of these is a question, the grade hangs on its answer.
DECIDING = (
    "fever_attributable",
    "hypotension_attributable",
    "vasopressors",
    "vasopressin",
    "oxygen_reason",
    "consciousness_attributable",
)
NONE_RUNNING = ("none", _("none running"))


def _answer(name: str, answers: Any, coerce: Any, *, required: bool) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=FINDING_NAMES[name],
        choices=answers,
        coerce=coerce,
        empty_value=None,
        required=required,
        widget=forms.RadioSelect,
    )


def _yes_no(name: str, *, required: bool = True) -> forms.TypedChoiceField:
    """Two buttons, and neither is pressed yet."""
    return _answer(name, [("yes", _("yes")), ("no", _("no"))], lambda value: value == "yes", required=required)


def _choice(name: str, kind: Any, *, required: bool = True) -> forms.TypedChoiceField:
    return _answer(name, choices(kind), kind, required=required)


def _or_not_looked_at(field: forms.TypedChoiceField) -> forms.TypedChoiceField:
    """A third answer beside present and absent, which also takes the two back."""
    field.required = False
    field.choices = [*field.choices, NOT_LOOKED_AT]  # type: ignore[misc]
    return field


def _number(name: str, low: int, high: int, *, whole: bool = False) -> Any:
    kind = formfields.IntegerField if whole else formfields.DecimalField
    return kind(
        label=FINDING_NAMES[name],
        min_value=low,
        max_value=high,
        required=False,
        widget=forms.TextInput(attrs={"class": "ts-input"}),
    )


def _point(name: str) -> forms.TypedChoiceField:
    """One point of the ICE score: right or wrong, and neither while it was not asked."""
    return forms.TypedChoiceField(
        label=FINDING_NAMES[name],
        choices=[("yes", "1"), ("no", "0")],
        coerce=lambda value: value == "yes",
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
    )


def _text(name: str) -> forms.CharField:
    return forms.CharField(
        label=FINDING_NAMES[name],
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"class": "ts-input", "autocomplete": "off"}),
    )


class BedsideForm(forms.Form):
    """Findings in, grades out. What must be answered has no default: nothing chosen is not a no."""

    # What does not go together, in words, and the codes that “yes, it is so” sends back: set by the page.
    questions: Sequence[str] = ()
    codes = ""

    assessed_at = formfields.MomentField(
        label=_("assessed at"),
        widget=forms.SplitDateTimeWidget(
            date_attrs={"type": "date", "class": "ts-input"},
            time_attrs={"type": "time", "class": "ts-input"},
            date_format="%Y-%m-%d",
            time_format="%H:%M",
        ),
    )
    temperature_c = _number("temperature_c", 25, 45)
    temperature_not_done = _text("temperature_not_done")
    fever_attributable = _yes_no("fever_attributable", required=False)
    antipyretic_given = _yes_no("antipyretic_given")
    anticytokine_given = _yes_no("anticytokine_given")
    systolic = _number("systolic", 0, 350, whole=True)
    diastolic = _number("diastolic", 0, 250, whole=True)
    hypotension = _yes_no("hypotension_or_vasopressor")
    hypotension_attributable = _yes_no("hypotension_attributable", required=False)
    fluids_given = _yes_no("fluids_given", required=False)
    vasopressors = forms.MultipleChoiceField(
        label=FINDING_NAMES["vasopressors_named"],
        choices=[*choices(Vasopressor), NONE_RUNNING],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    vasopressin = _yes_no("vasopressin", required=False)
    spo2_percent = _number("spo2_percent", 20, 100)
    oxygen_device = _choice("oxygen_device", crs.OxygenDevice)
    oxygen_flow_l_min = _number("oxygen_flow_l_min", 0, 100)
    oxygen_reason = _choice("oxygen_reason", crs.OxygenReason, required=False)
    in_icu = _or_not_looked_at(_yes_no("in_icu"))
    # Not asked for where CAPD is used instead.
    ice_performed = _choice("ice_performed", icans.IcePerformed, required=False)
    year = _point("year")
    month = _point("month")
    city = _point("city")
    hospital = _point("hospital")
    object_1 = _point("object_1")
    object_2 = _point("object_2")
    object_3 = _point("object_3")
    command = _point("command")
    writes = _point("writes")
    counts = _point("counts")
    sentence = _text("sentence")
    ice_not_done = _text("ice_not_done")
    consciousness = _choice("consciousness", icans.Consciousness)
    consciousness_attributable = _yes_no("consciousness_attributable", required=False)
    seizure = _or_not_looked_at(_choice("seizure", icans.Seizure))
    seizure_minutes = _number("seizure_minutes", 0, 10_000)
    deep_focal_weakness = _or_not_looked_at(_yes_no("deep_focal_weakness"))
    use_capd = _yes_no("use_capd", required=False)
    capd_score = _number("capd_score", 0, 32, whole=True)
    cerebral_oedema = _or_not_looked_at(_choice("cerebral_oedema", icans.Oedema))
    pressure_sign = _or_not_looked_at(_choice("pressure_sign", icans.PressureSign))
    intracranial_haemorrhage = _or_not_looked_at(_yes_no("intracranial_haemorrhage"))
    attributable_to_other_cause = _yes_no("attributable_to_other_cause", required=False)
    death = _choice("death", Death, required=False)
    note = forms.CharField(
        label=_("note"), required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"})
    )
    correction_reason = forms.CharField(
        label=_("why it is corrected"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"}),
    )

    def __init__(self, *args: Any, is_correction: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_correction:
            self.fields.pop("correction_reason")
        for name, field in self.fields.items():
            # Read by the template: short fields stand side by side, and some wait for an answer.
            field.is_short = isinstance(field, formfields.DecimalField | formfields.IntegerField)  # type: ignore[attr-defined]
            field.is_inline = name in POINTS  # type: ignore[attr-defined]
            field.only_when = ONLY_WHEN.get(name)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._ask_for_temperature(cleaned)
        self._ask_for_ice(cleaned)
        systolic, diastolic = cleaned.get("systolic"), cleaned.get("diastolic")
        if systolic is not None and diastolic is not None and diastolic > systolic:
            text = _("The diastolic pressure, %(low)s, is above the systolic, %(high)s: compare the two.")
            self.add_error("diastolic", text % {"low": diastolic, "high": systolic})
        if cleaned.get("oxygen_device") == crs.OxygenDevice.NASAL_CANNULA and cleaned.get("oxygen_flow_l_min") is None:
            self.add_error("oxygen_flow_l_min", _("Low and high flow are told apart by it: give the flow in L/min."))
        self._ask_what_decides(cleaned)
        if "correction_reason" in self.fields and not cleaned.get("correction_reason", "").strip():
            self.add_error("correction_reason", _("A correction says why."))
        return cleaned

    def clean_vasopressors(self) -> list[str] | None:
        """None: nobody has said; empty: somebody looked, and none is running."""
        named: list[str] = self.cleaned_data["vasopressors"]
        if NONE_RUNNING[0] in named and len(named) > 1:
            raise forms.ValidationError(_("Either none is running, or those that you named: take one of them back."))
        return [name for name in named if name != NONE_RUNNING[0]] if named else None

    def _ask_what_decides(self, cleaned: dict[str, Any]) -> None:
        """Once it is a question, the grade hangs on it: nothing stands there unless somebody said it."""
        for name in DECIDING:
            if cleaned.get(name) is None and name not in self.errors and self._is_asked(name, cleaned):
                self.add_error(name, _("Look, and answer this, too: the grade hangs on it."))

    def _is_asked(self, name: str, cleaned: dict[str, Any]) -> bool:
        """As the page shows it: by the answer before."""
        before, wanted = ONLY_WHEN[name]
        given = cleaned.get(before)
        if given is None:
            return False
        if wanted.startswith(">="):
            return bool(given >= int(wanted.removeprefix(">=")))
        return given != wanted.removeprefix("!") if wanted.startswith("!") else given is True

    def _ask_for_temperature(self, cleaned: dict[str, Any]) -> None:
        if "temperature_c" in self.errors or cleaned.get("temperature_c") is not None:
            return
        if not cleaned.get("temperature_not_done", "").strip():
            self.add_error("temperature_c", _("Give the temperature, or below why it was not measured."))

    def _ask_for_ice(self, cleaned: dict[str, Any]) -> None:
        """An ICE that was performed has all five items; one that was not done says why."""
        if cleaned.get("use_capd"):
            if cleaned.get("capd_score") is None and "capd_score" not in self.errors:
                self.add_error("capd_score", _("Give the CAPD score, 0 included."))
            return
        performed = cleaned.get("ice_performed")
        if performed is None and "ice_performed" not in self.errors:
            self.add_error("ice_performed", _("Was ICE performed? If CAPD was used instead, say so below."))
        if performed == icans.IcePerformed.NOT_DONE and not cleaned.get("ice_not_done", "").strip():
            self.add_error("ice_not_done", _("Say why ICE was not done."))
        if performed == icans.IcePerformed.YES:
            for name in POINTS:
                if name not in self.errors and cleaned.get(name) is None:
                    self.add_error(name, _("Right (1) or wrong (0)? Or say above that ICE was not done."))

    def observations(self) -> Observations:
        """As the rule reads them; raises ImpossibleFinding. While typing, what is not answered yet is left out."""
        known = {one.name for one in dataclass_fields(Observations)}
        given = {name: value for name, value in self.cleaned_data.items() if name in known and value is not None}
        if "vasopressors" in given:
            given["vasopressors"] = tuple(Vasopressor(name) for name in given["vasopressors"])
        return Observations(**{name: value for name, value in given.items() if value != "" or name in TEXTS})

    def unanswered(self) -> list[Any]:
        """The questions that still need an answer, in words."""
        return [self.fields[name].label for name in self.errors if name in self.fields]

    def misread(self) -> list[str]:
        """What was typed into a box of text and cannot be, with the reason."""
        typed = [name for name in self.errors if name in self.fields and str(self.data.get(name) or "").strip()]
        return [self._named(name) for name in typed]

    def _named(self, name: str) -> str:
        """What is wrong, with the name of the field where the sentence does not begin with it."""
        text, label = " ".join(self.errors[name]), self.fields[name].label
        begins = formfields.label_and_unit(label)[0].casefold()
        return text if text.casefold().startswith(begins) else f"{label}: {text}"


def _as_choice(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


TEXTS = frozenset({"temperature_not_done", "ice_not_done", "sentence"})


def initial_of(observations: dict[str, Any], assessed_at: dt.datetime, note: str) -> dict[str, Any]:
    """A stored assessment as the form's first values, for its correction."""
    words = {True: "yes", False: "no"}
    shown = {
        name: words.get(value, value) if isinstance(value, bool) else value for name, value in observations.items()
    }
    if shown.get("vasopressors") == []:
        shown["vasopressors"] = [NONE_RUNNING[0]]
    return {**shown, "assessed_at": assessed_at, "note": note}


__all__ = ["SECTIONS", "BedsideForm", "ImpossibleFinding", "initial_of"]
