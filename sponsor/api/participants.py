"""Who is in the study: participants, their consents, where they stand, and what was decided about eligibility."""

import datetime as dt
import json
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from participants.actions import site_day
from participants.models import (
    Consent,
    ConsentWithdrawal,
    EligibilityConfirmation,
    EligibilityRuling,
    Participant,
    ParticipantStatus,
    Reconsent,
)
from sponsor.api.rows import ColumnsSerializer, Resource, RowSerializer
from sponsor.rules.deidentify import OLDEST_AGE, grouped_age


class ParticipantSerializer(ColumnsSerializer):
    site = serializers.CharField(source="site.code", required=False)
    is_void = serializers.BooleanField(required=False)
    consented_at = serializers.SerializerMethodField()
    age_at_consent = serializers.SerializerMethodField(
        help_text=f"Completed years on the day of the first consent; null over {OLDEST_AGE}."
    )
    age_group = serializers.SerializerMethodField(help_text="Where the age itself does not leave; else empty.")
    status_since = serializers.SerializerMethodField()

    class Meta:
        model = Participant
        fields = (
            "id",
            "site",
            "screening_number",
            "participant_number",
            "protocol_version",
            "status",
            "status_since",
            "sex",
            "consented_at",
            "age_at_consent",
            "age_group",
            "modified_at",
            "is_void",
        )
        extra_kwargs = {name: {"required": False} for name in ("screening_number", "protocol_version", "sex")}

    def _first_consent(self, row: Participant) -> dt.datetime | None:
        return min((c.consented_at for c in row.consents.all() if not c.is_void), default=None)

    def get_consented_at(self, row: Participant) -> dt.datetime | None:
        first = self._first_consent(row)
        return first and timezone.localtime(first)

    def _age(self, row: Participant) -> tuple[int | None, str]:
        first = self._first_consent(row)
        return grouped_age(None if first is None else row.age_on(site_day(first)))

    def get_age_at_consent(self, row: Participant) -> int | None:
        return self._age(row)[0]

    def get_age_group(self, row: Participant) -> str:
        return self._age(row)[1]

    def get_status_since(self, row: Participant) -> dt.date | None:
        return next((one.effective_on for one in reversed(list(row.statuses.all())) if not one.is_void), None)


class StatusSerializer(RowSerializer):
    criteria = serializers.ListField(child=serializers.CharField(), required=False)


class CriterionSerializer(serializers.Serializer[Any]):
    criterion = serializers.CharField()
    result = serializers.CharField()


class ConfirmationSerializer(RowSerializer):
    """What was signed: the result of each criterion, and nothing of what it rests on."""

    criteria = serializers.SerializerMethodField()

    @extend_schema_field(CriterionSerializer(many=True))
    def get_criteria(self, row: EligibilityConfirmation) -> list[dict[str, str]]:
        signed = json.loads(row.snapshot)
        return [{"criterion": one["code"], "result": one["result"]} for one in signed["criteria"]]


RESOURCES = (
    Resource(
        "participants",
        "A person in screening or in the study, and where they stand now.",
        Participant,
        along="",
        rows=ParticipantSerializer,
        reads=("consents", "statuses"),
        equal="status sex protocol_version",
    ),
    Resource(
        "statuses",
        "From this day the participant stood here in the study; a later row follows, or corrects one.",
        ParticipantStatus,
        "status effective_on reason_code criteria corrects",
        rows=StatusSerializer,
        equal="status reason_code",
        between="effective_on",
        order="effective_on",
    ),
    Resource(
        "consents",
        "The participant agreed to this version of the consent form.",
        Consent,
        "version consented_at",
        equal="version",
        between="consented_at",
        order="consented_at",
    ),
    Resource(
        "consent-withdrawals",
        "The participant took the consent back at this moment, as far as `scope` says.",
        ConsentWithdrawal,
        "withdrawn_at scope",
        equal="scope",
        between="withdrawn_at",
        order="withdrawn_at",
    ),
    Resource(
        "reconsents",
        "The participant must be asked for consent again by this day.",
        Reconsent,
        "cause version opens_on due_on state",
        equal="cause version state",
        between="due_on",
        order="due_on",
    ),
    Resource(
        "eligibility-rulings",
        "An investigator decided what a criterion leaves open, or set a limit aside.",
        EligibilityRuling,
        "check_name kind is_met created_at",
        equal="check_name kind is_met",
    ),
    Resource(
        "eligibility-confirmations",
        "An investigator signed that the participant meets all criteria: the result of each.",
        EligibilityConfirmation,
        "overall judged_for created_at",
        rows=ConfirmationSerializer,
        also=("criteria",),
    ),
)
