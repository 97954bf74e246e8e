"""The form for everything that is seen at the bedside at one moment."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from safety.choices import FINDING_NAMES, SEVERAL, choices
from safety.rules import bedside, crs, icans
from safety.rules.bedside import ICE_POINTS, Anticytokine, Death, Observations, Vasopressor
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
            "anticytokines",
        ),
        True,
    ),
    (
        _("Circulation"),
        (
            "systolic",
            "diastolic",
            "heart_rate",
            "urine_ml_h",
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
        ("spo2_percent", "respiratory_rate", "oxygen_device", "oxygen_flow_l_min", "oxygen_reason"),
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
    "anticytokines": ("anticytokine_given", "yes"),
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
# What was named here counts whatever the answer before: it stays in sight, and is asked about.
COUNTS_ALONE = frozenset({"vasopressors", "vasopressin", "seizure_minutes"})
# Read, tested or told anew each time. Everything else may be carried over from the time before, and is then confirmed.
ANEW = frozenset(
    {
        "assessed_at",
        *bedside.VITAL_SIGNS,
        "temperature_not_done",
        # By the record and the forms before, as long as they work.
        "antipyretic_given",
        "anticytokine_given",
        "anticytokines",
        *POINTS,
        "sentence",
        "ice_not_done",
        "seizure_minutes",
        "capd_score",
        "death",
        "note",
    }
)
CARRIED = tuple(name for _title, names, _is_open in SECTIONS for name in names if name not in ANEW)
STILL_SO = "still_so"


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


def _several(name: str, answers: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=FINDING_NAMES[name], choices=answers, required=False, widget=forms.CheckboxSelectMultiple
    )


def _vital(name: str, *, whole: bool = False) -> Any:
    """Refused where it cannot be, as everywhere; asked about where it is unusual."""
    low, high = bedside.possible(name)
    return _number(name, int(low), int(high), whole=whole)


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

    assessed_at = formfields.MomentField(
        label=_("assessed at"),
        widget=forms.SplitDateTimeWidget(
            date_attrs={"type": "date", "class": "ts-input"},
            time_attrs={"type": "time", "class": "ts-input"},
            date_format="%Y-%m-%d",
            time_format="%H:%M",
        ),
    )
    temperature_c = _vital("temperature_c")
    temperature_not_done = _text("temperature_not_done")
    fever_attributable = _yes_no("fever_attributable", required=False)
    antipyretic_given = _yes_no("antipyretic_given")
    anticytokine_given = _yes_no("anticytokine_given")
    anticytokines = _several("anticytokines", choices(Anticytokine))
    systolic = _vital("systolic", whole=True)
    diastolic = _vital("diastolic", whole=True)
    heart_rate = _vital("heart_rate", whole=True)
    urine_ml_h = _vital("urine_ml_h")
    hypotension = _yes_no("hypotension_or_vasopressor")
    hypotension_attributable = _yes_no("hypotension_attributable", required=False)
    fluids_given = _yes_no("fluids_given", required=False)
    vasopressors = _several("vasopressors_named", [*choices(Vasopressor), NONE_RUNNING])
    vasopressin = _yes_no("vasopressin", required=False)
    spo2_percent = _vital("spo2_percent")
    respiratory_rate = _vital("respiratory_rate", whole=True)
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

    def __init__(
        self,
        *args: Any,
        is_correction: bool = False,
        last: "LastTime | None" = None,
        hints: Mapping[str, "Hint"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.last = last
        # Answers of the time before that nobody has confirmed yet, by name.
        self.unconfirmed: set[str] = set()
        if not is_correction:
            self.fields.pop("correction_reason")
        for name, field in self.fields.items():
            self._prepare(name, field, hints or {})

    def _prepare(self, name: str, field: Any, hints: Mapping[str, "Hint"]) -> None:
        """What the template reads: which stand side by side, wait for an answer, or are to be confirmed."""
        field.is_short = isinstance(field, formfields.DecimalField | formfields.IntegerField)
        field.is_inline = name in POINTS
        field.only_when = ONLY_WHEN.get(name)
        field.counts_alone = name in COUNTS_ALONE
        field.hint = hints.get(name)
        field.is_carried = self.last is not None and name in self.last.answers
        field.is_still_so = name in self._still_so()

    def _still_so(self) -> Sequence[str]:
        if not self.is_bound:
            return ()
        return self.data.getlist(STILL_SO) if hasattr(self.data, "getlist") else self.data.get(STILL_SO, ())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._ask_to_confirm(cleaned)
        self._leave_out_what_is_no_question(cleaned)
        self._ask_for_temperature(cleaned)
        self._ask_for_ice(cleaned)
        self._compare_pressures(cleaned)
        self._ask_for_flow(cleaned)
        self._ask_what_decides(cleaned)
        if "correction_reason" in self.fields and not cleaned.get("correction_reason", "").strip():
            self.add_error("correction_reason", _("A correction says why."))
        return cleaned

    def _ask_for_flow(self, cleaned: dict[str, Any]) -> None:
        is_cannula = cleaned.get("oxygen_device") == crs.OxygenDevice.NASAL_CANNULA
        if is_cannula and cleaned.get("oxygen_flow_l_min") is None and "oxygen_flow_l_min" not in self.errors:
            self.add_error("oxygen_flow_l_min", _("Low and high flow are told apart by it: give the flow in L/min."))

    def _compare_pressures(self, cleaned: dict[str, Any]) -> None:
        systolic, diastolic = cleaned.get("systolic"), cleaned.get("diastolic")
        if systolic is not None and diastolic is not None and diastolic > systolic:
            text = _("The diastolic pressure, %(low)s, is above the systolic, %(high)s: compare the two.")
            self.add_error("diastolic", text % {"low": diastolic, "high": systolic})

    def _ask_to_confirm(self, cleaned: dict[str, Any]) -> None:
        """What stands there from the time before was seen by nobody now, until somebody says so or changes it."""
        if self.last is None:
            return
        for name in self.last.answers:
            if name in self.errors or name in self._still_so() or self._is_changed(name):
                continue
            is_asked = self._counts(name, cleaned)
            cleaned[name] = None
            if is_asked:
                self.unconfirmed.add(name)
                text = _("This is the answer of %(at)s. Look again, and confirm it or change it.")
                self.add_error(name, text % {"at": self.last.at_text})

    def _is_changed(self, name: str) -> bool:
        field = self.fields[name]
        typed = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return field.has_changed(self.last.answers[name] if self.last else None, typed)

    def _leave_out_what_is_no_question(self, cleaned: dict[str, Any]) -> None:
        """It stands in the form still, should the answer before be changed back; it is neither counted nor wrong."""
        for name in ONLY_WHEN:
            if name not in self.unconfirmed and not self._counts(name, cleaned):
                self.errors.pop(name, None)
                cleaned[name] = None

    def _counts(self, name: str, cleaned: dict[str, Any]) -> bool:
        return self._is_asked(name, cleaned) or (name in COUNTS_ALONE and bool(cleaned.get(name)))

    def clean_vasopressors(self) -> list[str] | None:
        """None: nobody has said; empty: somebody looked, and none is running."""
        named: list[str] = self.cleaned_data["vasopressors"]
        if NONE_RUNNING[0] in named and len(named) > 1:
            raise forms.ValidationError(_("Either none is running, or those that you named: take one of them back."))
        return [name for name in named if name != NONE_RUNNING[0]] if named else None

    def clean_anticytokines(self) -> list[str] | None:
        return self.cleaned_data["anticytokines"] or None

    def _ask_what_decides(self, cleaned: dict[str, Any]) -> None:
        """Once it is a question, the grade hangs on it: nothing stands there unless somebody said it."""
        for name in DECIDING:
            if cleaned.get(name) is None and name not in self.errors and self._is_asked(name, cleaned):
                self.add_error(name, _("Look, and answer this, too: the grade hangs on it."))

    def _is_asked(self, name: str, cleaned: dict[str, Any]) -> bool:
        """As the page shows it: by the answer before."""
        if name not in ONLY_WHEN:
            return True
        before, wanted = ONLY_WHEN[name]
        given = cleaned.get(before)
        if wanted == "empty":
            return given is None
        if given is None:
            return False
        if wanted.startswith(">="):
            return bool(given >= int(wanted.removeprefix(">=")))
        if wanted.startswith("!"):
            return bool(given != wanted.removeprefix("!"))
        return bool(given is True if wanted == "yes" and isinstance(given, bool) else given == wanted)

    def _ask_for_temperature(self, cleaned: dict[str, Any]) -> None:
        if "temperature_c" in self.errors or cleaned.get("temperature_c") is not None:
            return
        if not (cleaned.get("temperature_not_done") or "").strip():
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
        if performed == icans.IcePerformed.NOT_DONE and not (cleaned.get("ice_not_done") or "").strip():
            self.add_error("ice_not_done", _("Say why ICE was not done."))
        if performed == icans.IcePerformed.YES:
            for name in POINTS:
                if name not in self.errors and cleaned.get(name) is None:
                    self.add_error(name, _("Right (1) or wrong (0)? Or say above that ICE was not done."))

    def observations(self) -> Observations:
        """As the rule reads them; raises ImpossibleFinding. While typing, what is not answered yet is left out."""
        known = {one.name for one in dataclass_fields(Observations)}
        given = {name: value for name, value in self.cleaned_data.items() if name in known and value is not None}
        for name, kind in SEVERAL.items():
            if name in given:
                given[name] = tuple(kind(one) for one in given[name])
        return Observations(**{name: value for name, value in given.items() if value != "" or name in TEXTS})

    def unanswered(self) -> list[Any]:
        """The questions that still need an answer, in words; those of the time before are told apart."""
        return [self.fields[name].label for name in self.errors if name in self.fields and name not in self.unconfirmed]

    def misread(self) -> list[str]:
        """What was typed into a box of text and cannot be, with the reason."""
        typed = [name for name in self.errors if name in self.fields and str(self.data.get(name) or "").strip()]
        return [self._named(name) for name in typed if name not in self.unconfirmed]

    def _named(self, name: str) -> str:
        """What is wrong, with the name of the field where the sentence does not begin with it."""
        text, label = " ".join(self.errors[name]), self.fields[name].label
        begins = formfields.label_and_unit(label)[0].casefold()
        return text if text.casefold().startswith(begins) else f"{label}: {text}"


TEXTS = frozenset({"temperature_not_done", "ice_not_done", "sentence"})


@dataclass(frozen=True)
class LastTime:
    """The answers of the assessment before that a form may begin with; each waits to be confirmed."""

    pk: int
    at: dt.datetime
    answers: dict[str, Any]

    @property
    def at_text(self) -> str:
        return f"{timezone.localtime(self.at):%m-%d %H:%M}"


@dataclass(frozen=True)
class Hint:
    """What is known of an answer before it is given, in words; where it is not recorded yet, `link` leads there."""

    value: str
    text: str
    link: str = ""
    link_text: str = ""


def last_time(pk: int, at: dt.datetime, observations: dict[str, Any]) -> LastTime:
    known = initial_of(observations, at, "")
    answers = {name: known[name] for name in CARRIED if known.get(name) not in (None, "", [])}
    if "oxygen_flow_l_min" in answers:
        answers["oxygen_flow_l_min"] = Decimal(answers["oxygen_flow_l_min"])
    return LastTime(pk, at, answers)


def initial_of(observations: dict[str, Any], assessed_at: dt.datetime, note: str) -> dict[str, Any]:
    """A stored assessment as the form's first values, for its correction."""
    words = {True: "yes", False: "no"}
    shown = {
        name: words.get(value, value) if isinstance(value, bool) else value for name, value in observations.items()
    }
    if shown.get("vasopressors") == []:
        shown["vasopressors"] = [NONE_RUNNING[0]]
    return {**shown, "assessed_at": assessed_at, "note": note}


__all__ = ["SECTIONS", "BedsideForm", "Hint", "ImpossibleFinding", "LastTime", "initial_of", "last_time"]
