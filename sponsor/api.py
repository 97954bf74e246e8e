"""The sponsor's API: read-only, de-identified, in pages, with what changed since a moment.

Each view names its columns; `classification` says of every field whether it may leave. Every answer is
recorded with who, what, how many rows and a checksum before it is sent.
"""

import datetime as dt
from typing import Any

import django_filters
from django import forms
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from dosing.models import Infusion
from participants.actions import site_day
from participants.models import Participant, Visit
from safety.models import AdverseEvent, Agent, EventAgent, ToxicityAssessment
from sponsor.access import NowhereView, RecordedView
from sponsor.pages import CURSOR, PAGE_SIZE, Pages
from trialsite import freetext
from trialsite.models import Record

__all__ = ["ROUTES", "NowhereView"]

# Nothing of the study is older, and no calendar ends within it.
FIRST_YEAR, LAST_YEAR = 1900, 2099


class MomentField(forms.CharField):
    """A moment with its zone."""

    def clean(self, value: Any) -> dt.datetime | None:
        if not (text := super().clean(value)):
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            text = _("Not a time: write it like %(example)s. In an address, + is written %(plus)s.")
            written = {"example": "2026-03-05T09:30:00Z", "plus": "%2B"}
            raise forms.ValidationError(text, params=written) from None
        if moment.tzinfo is None:
            raise forms.ValidationError(_("Without a zone: add Z for UTC, or the distance to it."))
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            years = {"first": FIRST_YEAR, "last": LAST_YEAR}
            raise forms.ValidationError(_("Only years from %(first)s to %(last)s can be asked for."), params=years)
        # PostgreSQL reads no distance of 16 hours and more.
        return moment.astimezone(dt.UTC)


class MomentFilter(django_filters.IsoDateTimeFilter):
    field_class = MomentField


# Other rows of which a row shows something, by the names of their relations.
SHOWS: dict[type[Record], tuple[str, ...]] = {Participant: ("consents", "statuses"), AdverseEvent: ("agents",)}


class ChangesFilter(django_filters.FilterSet):
    modified_since = MomentFilter(
        method="changed_since",
        help_text=(
            "ISO 8601 with zone: rows changed at this moment or later, void ones included. Send the `complete_until` "
            f"of the last time. Years {FIRST_YEAR} to {LAST_YEAR}."
        ),
    )
    participant = django_filters.CharFilter(
        method="of_participant", help_text="Screening or participant number; one that is not known is an error."
    )

    participant_path = "participant"

    def changed_since(self, queryset: Any, name: str, value: dt.datetime) -> Any:
        return queryset.filter(pk__in=changed_keys(queryset.model, since=value))

    def of_participant(self, queryset: Any, name: str, value: str) -> Any:
        numbered = Participant.objects.filter(Q(screening_number=value) | Q(participant_number=value))
        if not (people := list(numbered.values_list("pk", flat=True))):
            raise ValidationError({name: [_("There is no participant with this number.")]})
        return queryset.filter(**{f"{self.participant_path}__in": people})


class ParticipantFilter(ChangesFilter):
    participant_path = "pk"


class StrictFilterBackend(DjangoFilterBackend):
    """A misspelt or unreadable parameter is an error: a filter that is ignored hands out the wrong rows."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        is_list = view.action == "list"
        known = {*view.filterset_class.base_filters, CURSOR, PAGE_SIZE} if is_list else set()
        refuse_parameters(request, known)
        return super().filter_queryset(request, queryset, view) if is_list else queryset


def refuse_parameters(request: Request, known: set[str]) -> None:
    """Each parameter is one that we know, stands there once, and has a value."""
    names = {"known": ", ".join(sorted(known)) or _("none")}
    wrong: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        if name not in {*known, "format"}:
            wrong[name] = [_("Unknown parameter. Known ones: %(known)s.") % names]
        elif len(values) > 1:
            wrong[name] = [_("Given %(times)s times: give it once.") % {"times": len(values)}]
        elif not values[0].strip():
            wrong[name] = [_("Empty: leave the parameter out, or give it a value.")]
    if wrong:
        raise ValidationError(wrong)


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


class EventAgentSerializer(serializers.ModelSerializer[EventAgent]):
    class Meta:
        model = EventAgent
        fields = ("agent", "investigator", "sponsor", "action_taken")
        # All empty while nobody has judged it.
        extra_kwargs = {name: {"allow_blank": True} for name in ("investigator", "sponsor", "action_taken")}


class AdverseEventSerializer(RowSerializer):
    relatedness = serializers.SerializerMethodField(
        help_text="The investigator's view of the CAR-T cells; empty while it is open, or they were not given before."
    )
    action_taken = serializers.SerializerMethodField(help_text="With the CAR-T cells.")
    agents = serializers.SerializerMethodField()

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
            "agents",
            "site_aware_at",
        )
        # Not every event is judged when it is logged.
        extra_kwargs = {"outcome": {"allow_blank": True}}

    def get_relatedness(self, row: AdverseEvent) -> str:
        return getattr(row.relation_to(Agent.CAR_T), "investigator", "")

    def get_action_taken(self, row: AdverseEvent) -> str:
        return getattr(row.relation_to(Agent.CAR_T), "action_taken", "")

    @extend_schema_field(EventAgentSerializer(many=True))
    def get_agents(self, row: AdverseEvent) -> Any:
        standing = sorted((one for one in row.agents.all() if not one.is_void), key=lambda one: one.pk)
        return EventAgentSerializer(standing, many=True).data


class ToxicityAssessmentSerializer(RowSerializer):
    corrects = serializers.PrimaryKeyRelatedField[Any](read_only=True, allow_null=True)
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
    code = serializers.CharField(help_text="For programs.")
    detail = serializers.JSONField(help_text="In words; of parameters, under the name of each.")


def _error(code: str, detail: Any, description: str) -> OpenApiResponse:
    example = OpenApiExample(code, value={"code": code, "detail": detail})
    return OpenApiResponse(ErrorSerializer, description=description, examples=[example])


ERRORS = {
    400: _error("invalid", {"page_size": ["A whole number from 1 to 1000."]}, "A parameter that cannot be read."),
    401: _error("authentication_failed", "Invalid token.", "No token, or one that is not or no longer good."),
    403: _error(
        "permission_denied",
        "You do not have permission to perform this action.",
        "A token of somebody who is no program of the sponsor.",
    ),
    404: _error("not_found", "No Visit matches the given query.", "No such row."),
    406: _error("not_acceptable", "Could not satisfy the request Accept header.", "JSON is all that there is."),
    429: _error("throttled", "Request was throttled. Expected available in 7 seconds.", "See Retry-After."),
}


class ReadView(RecordedView, viewsets.ReadOnlyModelViewSet[Any]):
    """One kind of rows. No token, no data."""

    pagination_class = Pages
    filter_backends = [StrictFilterBackend]
    filterset_class: type[ChangesFilter] = ChangesFilter
    # Ids are small numbers: an address with anything else is not found, rather than an error inside.
    lookup_value_regex = "[0-9]{1,18}"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> Any:
        return with_changes(super().get_queryset())


def with_changes(queryset: Any) -> Any:
    """The rows with `changed_at`: when they changed, became void with what they are part of, or show something else."""
    moments: list[Any] = [F("modified_at")]
    for path in queryset.model.part_of:
        moments.append(Case(When(**{f"{path}__voided_at__isnull": False, "then": F(f"{path}__modified_at")})))
    for model, name in _shown(queryset.model):
        others = model.objects.filter(**{name: OuterRef("pk")})
        moments.append(Subquery(others.order_by("-modified_at").values("modified_at")[:1]))
    # PostgreSQL leaves out what is null.
    return queryset.annotate(changed_at=Greatest(*moments))


def changed_keys(model: type[Record], *, since: dt.datetime) -> Any:
    """The keys of the rows whose `changed_at` is not before that: each way to change asked of its own index."""
    rows = model.objects.order_by()
    ways = [rows.filter(modified_at__gte=since).values_list("pk")]
    for path in model.part_of:
        fallen = {f"{path}__voided_at__isnull": False, f"{path}__modified_at__gte": since}
        ways.append(rows.filter(**fallen).values_list("pk"))
    for other, name in _shown(model):
        ways.append(other.objects.order_by().filter(modified_at__gte=since).values_list(name))
    first, *others = ways
    return first.union(*others)


def _shown(model: type[Record]) -> list[tuple[Any, str]]:
    """The models of which a row shows something, each with the name of its way back."""
    relations: list[Any] = [model._meta.get_field(name) for name in SHOWS.get(model, ())]
    return [(one.related_model, one.field.name) for one in relations]


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
    queryset = AdverseEvent.objects.select_related("participant").prefetch_related("agents")


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
