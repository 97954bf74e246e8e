"""The forms of the blood page: the findings of IEC-HS, and an ICAHT grade to confirm."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from safety.actions.blood import Prefilled
from safety.choices import IEC_HS_NAMES
from safety.models import IecHsAssessment, IecHsSeverity
from safety.rules import iec_hs
from safety.rules.iec_hs import IecHsFindings, Severity
from trialsite import formfields
from trialsite.signature import check_own_grade, password_for_own_grade

UNKNOWN = "unknown"
OTHER_NAMES: dict[str, Any] = {
    "ldh_high": _("LDH raised"),
    "coagulation_prolonged": _("PT or APTT prolonged"),
    "direct_bilirubin_high": _("direct bilirubin raised"),
    "splenomegaly": _("new splenomegaly"),
    "fever": _("fever, new or persistent"),
    "neurotoxicity": _("neurotoxicity"),
    "pulmonary": _("lungs affected"),
    "renal": _("kidneys affected"),
    "triglycerides_high": _("triglycerides above 265 mg/dL (3.0 mmol/L)"),
}
ANSWERS = [("yes", _("yes")), ("no", _("no")), (UNKNOWN, _("not recorded"))]
AS_WORD = {True: "yes", False: "no", None: UNKNOWN}
AS_ANSWER = {"yes": True, "no": False, UNKNOWN: None}
GRADES = [formfields.UNCHOSEN, *((str(grade), str(grade)) for grade in range(6))]


class IecHsForm(forms.Form):
    """Each criterion is yes, no or not recorded; the severity and another grade are the investigator's."""

    assessed_at = formfields.MomentField(
        label=_("assessed at"),
        widget=forms.SplitDateTimeWidget(
            date_attrs={"type": "date", "class": "ts-input"},
            time_attrs={"type": "time", "class": "ts-input"},
            date_format="%Y-%m-%d",
            time_format="%H:%M",
        ),
    )
    others = forms.MultipleChoiceField(
        label=_("seen besides (no part of the screen)"),
        choices=[(name, OTHER_NAMES[name]) for name in iec_hs.OTHER],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    severity = forms.ChoiceField(
        label=_("severity, if it is IEC-HS"),
        choices=[("", _("not chosen")), *IecHsSeverity.choices],
        required=False,
        widget=forms.RadioSelect,
    )
    investigator_grade = forms.TypedChoiceField(
        label=_("investigator's grade, if different"),
        choices=GRADES,
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.Select(attrs={"class": "ts-input"}),
    )
    investigator_reason = forms.CharField(
        label=_("reason for the different grade"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"}),
    )
    password = password_for_own_grade(**{"class": "ts-input"})
    note = forms.CharField(
        label=_("note"), required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"})
    )
    correction_reason = forms.CharField(
        label=_("why it is corrected"), required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"})
    )

    def __init__(
        self, *args: Any, request: HttpRequest, may_judge: bool, is_correction: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        for name, label in IEC_HS_NAMES.items():
            self.fields[name] = forms.ChoiceField(
                label=label, choices=ANSWERS, initial=UNKNOWN, widget=forms.RadioSelect
            )
        away = () if may_judge else ("severity", "investigator_grade", "investigator_reason", "password")
        for name in (*away, *(() if is_correction else ("correction_reason",))):
            self.fields.pop(name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_own_grade(self, self.request)
        return cleaned

    def findings(self) -> IecHsFindings:
        chosen = self.cleaned_data.get("severity")
        answers = {name: AS_ANSWER[self.cleaned_data[name]] for name in IEC_HS_NAMES}
        return IecHsFindings(**answers, severity=Severity(chosen) if chosen else None)


def first_answers(known: Mapping[str, Prefilled], now: dt.datetime) -> dict[str, Any]:
    """What current laboratory values say; everything else waits for an answer."""
    return {"assessed_at": now, **{name: AS_WORD[one.finding] for name, one in known.items()}}


def answers_of(row: IecHsAssessment) -> dict[str, Any]:
    """A stored assessment as the form's first values, for its correction."""
    kept = ("assessed_at", "severity", "investigator_grade", "investigator_reason", "note")
    answers = {name: AS_WORD[row.findings[name]] for name in IEC_HS_NAMES}
    return {**answers, "others": row.findings["others"], **{name: getattr(row, name) for name in kept}}


class IcahtForm(forms.Form):
    """Confirm the computed grade, or set another with its reason."""

    investigator_grade = forms.TypedChoiceField(
        label=_("investigator's grade, if different"),
        choices=GRADES[:-1],
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.Select(attrs={"class": "ts-input"}),
    )
    investigator_reason = forms.CharField(
        label=_("reason for the different grade"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"}),
    )
    password = password_for_own_grade(**{"class": "ts-input"})
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_own_grade(self, self.request)
        return cleaned
