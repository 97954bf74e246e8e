"""The pages of consent: given, to be given again, taken back."""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from participants import actions
from participants.models import Consent, ConsentWithdrawal, Reconsent, ReconsentState
from trialsite.fields import PLEASE_CHOOSE
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.study import get_study
from trialsite.voiding import Consequences


class ConsentForm(RecordForm):
    version = forms.ChoiceField(label=_("version of the consent form"), widget=UnfoldAdminSelectWidget)
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when a study procedure came before this consent."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "version" in self.fields:
            versions = get_study().latest.consent_versions
            self.fields["version"].choices = [("", PLEASE_CHOOSE), *((v.version, v.version) for v in versions)]  # type: ignore[attr-defined]

    def check(self, row: Consent) -> None:
        reason = self.cleaned_data.get("deviation_reason", "")
        actions.check_consent(row, deviation_reason=reason, now=timezone.now())

    def changes(self, row: Consent) -> list[str]:
        return actions.preview_consent(row)


def _consent_versions(protocol: Any) -> list[str]:
    return [one.version for one in protocol.consent_versions]


@admin.register(Consent)
class ConsentAdmin(RecordAdmin):
    form = ConsentForm
    list_display = ("participant", "version", "consented_at", "guardian_consented", "created_by", "void_mark")
    list_filter = ("version",)
    known_values: ClassVar[dict[str, Any]] = {"version": lambda: get_study().ever(_consent_versions)}
    search_fields = ("participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    fieldsets = (
        (None, {"fields": ("participant", "version", "consented_at")}),
        (_("Beyond the study's end"), {"fields": ("long_term_agreed",)}),
        (_("Under 18"), {"fields": (("guardian_consented", "participant_assented"),)}),
        (_("Reminders"), {"fields": ("may_be_reminded",)}),
        (_("After a study procedure"), {"fields": ("deviation_reason",), "classes": ("collapse",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [one for one in fieldsets if one[1]["fields"] != ("deviation_reason",)]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        reason = form.cleaned_data.get("deviation_reason", "")
        actions.record_consent(consent=obj, deviation_reason=reason, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.consent_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_consent(consent=obj, reason=reason, by=by, now=now)


class WithdrawalForm(RecordForm):
    def check(self, row: ConsentWithdrawal) -> None:
        actions.check_withdrawal(row, now=timezone.now())

    def changes(self, row: ConsentWithdrawal) -> list[str]:
        return actions.preview_withdrawal(row)


@admin.register(ConsentWithdrawal)
class ConsentWithdrawalAdmin(RecordAdmin):
    form = WithdrawalForm
    list_display = ("participant", "withdrawn_at", "scope", "may_contact", "created_by", "void_mark")
    list_filter = (("scope", admin.ChoicesFieldListFilter),)
    search_fields = ("participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    fieldsets = (
        (None, {"fields": ("participant", "withdrawn_at", "scope", "reason")}),
        (
            _("What may still be kept. Everything recorded until now stays: it was collected with consent."),
            {"fields": (("may_keep_samples", "may_contact"),)},
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.withdraw_consent(withdrawal=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.withdrawal_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_withdrawal(withdrawal=obj, reason=reason, by=by, now=now)


@admin.register(Reconsent)
class ReconsentAdmin(RecordAdmin):
    list_display = ("participant", "cause", "version", "opens_on", "due_on", "state_label", "settled_by")
    list_filter = (("state", admin.ChoicesFieldListFilter), ("cause", admin.ChoicesFieldListFilter))
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "settled_by__participant")
    fieldsets = (
        (None, {"fields": ("participant", "cause", "version", ("opens_on", "due_on"), ("state", "settled_by"))}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(
        description=_("state"),
        ordering="state",
        label={"overdue": "danger", "open": "warning", "done": "success", "cancelled": "default"},
    )
    def state_label(self, row: Reconsent) -> tuple[str, Any]:
        if row.state == ReconsentState.OPEN and row.due_on < actions.site_day(timezone.now()):
            return "overdue", _("overdue")
        return row.state, row.get_state_display()

    def void_instead(self, obj: Any) -> str:
        return actions.instead_of_reconsent(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_reconsent(duty=obj, reason=reason, by=by, now=now)
