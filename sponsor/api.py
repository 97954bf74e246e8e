"""The sponsor's API: read-only, de-identified, in pages, with what changed since a moment.

Each view names its columns; `classification` says of every field whether it may leave. Every answer is
recorded with who, what, how many rows and a checksum before it is sent.
"""

import datetime as dt
import hashlib
from typing import Any

import django_filters
from django.db.models import Q
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from dosing.models import Infusion
from participants.actions import site_day
from participants.models import Participant, Visit
from safety.models import AdverseEvent, ToxicityAssessment
from sponsor.models import ApiRead
from trialsite import freetext, seals
from trialsite.middleware import client_ip
from trialsite.models import Record


class Pages(CursorPagination):
    """Pages in the order of change, so that a reader who stops can go on where it was."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
    ordering = ("modified_at", "id")


class ChangesFilter(django_filters.FilterSet):
    modified_since = django_filters.IsoDateTimeFilter(
        method="changed_since",
        help_text="ISO 8601 with zone: rows changed at this moment or later, void ones included.",
    )
    participant = django_filters.CharFilter(method="of_participant", help_text="Screening or participant number.")

    participant_path = "participant__"

    def changed_since(self, queryset: Any, name: str, value: dt.datetime) -> Any:
        """A participant who became void took every row along, without a change in it."""
        fallen = Q(**{f"{self.participant_path}voided_at__gte": value})
        return queryset.filter(fallen | Q(modified_at__gte=value))

    def of_participant(self, queryset: Any, name: str, value: str) -> Any:
        path = self.participant_path
        return queryset.filter(**{f"{path}screening_number": value}) | queryset.filter(
            **{f"{path}participant_number": value}
        )


class ParticipantFilter(ChangesFilter):
    participant_path = ""


class StrictFilterBackend(DjangoFilterBackend):
    """A misspelt or unreadable parameter is an error: a filter that is ignored hands out the wrong rows."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        known = {
            *view.filterset_class.base_filters,
            Pages.cursor_query_param,
            Pages.page_size_query_param,
            "format",
        }
        if unknown := sorted(set(request.query_params) - known):
            raise ValidationError(
                {name: [f"Unknown parameter. Known ones: {', '.join(sorted(known - {'format'}))}."] for name in unknown}
            )
        if empty := sorted(name for name, value in request.query_params.items() if not str(value).strip()):
            raise ValidationError({name: ["Empty: leave the parameter out, or give it a value."] for name in empty})
        return super().filter_queryset(request, queryset, view)


class RowSerializer(serializers.ModelSerializer[Any]):
    """What every row carries: its id, the participant's number, when it last changed, and whether it is void."""

    participant = serializers.CharField(source="participant.screening_number", read_only=True)
    is_void = serializers.SerializerMethodField(help_text="Void itself, or of a participant who is.")

    def get_is_void(self, row: Record) -> bool:
        return not row.is_standing

    def to_representation(self, instance: Record) -> dict[str, Any]:
        """What is void leaves without its free text: columns of words are empty then, and stay columns."""
        shown = super().to_representation(instance)
        if not instance.is_standing:
            prose = {field.name for field in freetext.prose_of(type(instance))}
            shown |= {name: type(value)() for name, value in shown.items() if name in prose and value is not None}
        return shown


ROW = ("id", "participant", "modified_at", "is_void")


class ParticipantSerializer(serializers.ModelSerializer[Participant]):
    site = serializers.CharField(source="site.code", read_only=True)
    is_void = serializers.BooleanField(read_only=True)
    consented_at = serializers.SerializerMethodField()
    age_at_consent = serializers.SerializerMethodField(help_text="Completed years on the day of the first consent.")
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
            "modified_at",
            "is_void",
        )

    def _first_consent(self, row: Participant) -> dt.datetime | None:
        return min((c.consented_at for c in row.consents.all() if not c.is_void), default=None)

    def get_consented_at(self, row: Participant) -> dt.datetime | None:
        first = self._first_consent(row)
        return first and timezone.localtime(first)

    def get_age_at_consent(self, row: Participant) -> int | None:
        first = self._first_consent(row)
        return None if first is None else row.age_on(site_day(first))

    def get_status_since(self, row: Participant) -> dt.date | None:
        return next((one.effective_on for one in reversed(list(row.statuses.all())) if not one.is_void), None)


class VisitSerializer(RowSerializer):
    visit = serializers.CharField(source="code", read_only=True)

    class Meta:
        model = Visit
        fields = (
            *ROW,
            "visit",
            "protocol_version",
            "target_day",
            "target_date",
            "window_opens_on",
            "window_closes_on",
            "is_long_term_follow_up",
            "state",
            "occurred_on",
        )


class InfusionSerializer(RowSerializer):
    # As computed, without the zeros of the column.
    viable_car_t_cells_e8 = serializers.DecimalField(
        max_digits=30, decimal_places=22, normalize_output=True, read_only=True
    )

    class Meta:
        model = Infusion
        fields = (*ROW, "infused_at", "product_lot", "viable_car_t_cells_e8", "dose_band")


class AdverseEventSerializer(RowSerializer):
    class Meta:
        model = AdverseEvent
        fields = (
            *ROW,
            "term",
            "onset",
            "resolved",
            "grade",
            "ctcae_version",
            "ctcae_code",
            "ctcae_term",
            "ctcae_soc",
            "is_serious",
            "results_in_death",
            "is_life_threatening",
            "requires_hospitalisation",
            "results_in_disability",
            "is_congenital_anomaly",
            "is_other_important",
            "relatedness",
            "outcome",
            "action_taken",
            "site_aware_at",
        )


class ToxicityAssessmentSerializer(RowSerializer):
    corrects = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    final_grade = serializers.IntegerField(read_only=True, allow_null=True)
    findings = serializers.DictField(read_only=True)
    flags = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ToxicityAssessment
        fields = (
            *ROW,
            "toxicity",
            "scale",
            "assessed_at",
            "grade",
            "investigator_grade",
            "final_grade",
            "determinants",
            "flags",
            "findings",
            "corrects",
        )


class ErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.JSONField()


ERRORS = dict.fromkeys((400, 401, 403, 404, 429), ErrorSerializer)


class ReadView(viewsets.ReadOnlyModelViewSet[Any]):
    """One kind of rows. No token, no data."""

    pagination_class = Pages
    filter_backends = [StrictFilterBackend]
    filterset_class: type[ChangesFilter] = ChangesFilter
    # Ids are small numbers: an address with anything else is not found, rather than an error inside.
    lookup_value_regex = "[0-9]{1,18}"
    http_method_names = ["get", "head", "options"]

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Record the read before it leaves, outside any transaction that a refusal would roll back."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.render()
        record_read(request, response)
        response["Cache-Control"] = "no-store"
        # A copy of the trail's newest seal with whoever reads: a trail that was sealed anew does not match it.
        response["Audit-Seal"] = seals.newest()
        return response


def record_read(request: Request, response: Response) -> ApiRead:
    user = request.user if request.user and request.user.is_authenticated else None
    data = response.data if response.status_code == 200 else None
    return ApiRead.objects.create(
        at=timezone.now(),
        user=user,
        token_key=getattr(request.auth, "token_key", "") or "",
        ip=client_ip(request._request),
        path=request.path[:200],
        query=request.META.get("QUERY_STRING", "")[:1000],
        status=response.status_code,
        rows=_rows(data),
        sha256=hashlib.sha256(response.content).hexdigest(),
    )


def _rows(data: Any) -> int:
    if not isinstance(data, dict):
        return 0
    return len(data["results"]) if "results" in data else 1


def error_body(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Every error in one shape: a code for programs, and the detail in words."""
    response = exception_handler(exc, context)
    if response is not None:
        code = exc.default_code if isinstance(exc, APIException) else "not_found"
        detail = response.data.get("detail", response.data) if isinstance(response.data, dict) else response.data
        response.data = {"code": code, "detail": detail}
    return response


class ParticipantView(ReadView):
    serializer_class = ParticipantSerializer
    filterset_class = ParticipantFilter
    queryset = Participant.objects.select_related("site").prefetch_related("consents", "statuses")


class VisitView(ReadView):
    serializer_class = VisitSerializer
    queryset = Visit.objects.select_related("participant")


class InfusionView(ReadView):
    serializer_class = InfusionSerializer
    queryset = Infusion.objects.select_related("participant")


class AdverseEventView(ReadView):
    serializer_class = AdverseEventSerializer
    queryset = AdverseEvent.objects.select_related("participant")


class ToxicityAssessmentView(ReadView):
    serializer_class = ToxicityAssessmentSerializer
    queryset = ToxicityAssessment.objects.select_related("participant")


ROUTES: dict[str, type[ReadView]] = {
    "participants": ParticipantView,
    "visits": VisitView,
    "infusions": InfusionView,
    "adverse-events": AdverseEventView,
    "toxicity-assessments": ToxicityAssessmentView,
}
for _name, _view in ROUTES.items():
    _rows_of: Any = _view.serializer_class
    extend_schema_view(
        list=extend_schema(summary=f"List {_name}", responses={200: _rows_of(many=True), **ERRORS}),
        retrieve=extend_schema(summary=f"One of {_name}", responses={200: _rows_of, **ERRORS}),
    )(_view)
