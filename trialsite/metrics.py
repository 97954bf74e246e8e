"""How the site does, for Prometheus: numbers and names of our own parts, about nobody."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache

from trialsite import broker, counting, mailhealth, sweeps

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One figure; `by` is the label that tells apart several of one name."""

    name: str
    help: str
    values: Iterable[tuple[str, float]]
    by: str = ""
    kind: str = "gauge"

    def lines(self) -> Iterator[str]:
        yield f"# HELP trialsite_{self.name} {self.help}"
        yield f"# TYPE trialsite_{self.name} {self.kind}"
        for label, value in self.values:
            where = f'{{{self.by}="{label}"}}' if self.by else ""
            yield f"trialsite_{self.name}{where} {value:.15g}"


@dataclass(frozen=True)
class Durations:
    """How long answers took, by their class, as a histogram of Prometheus: each `le` counts all that were as fast."""

    name: str
    help: str
    answers: Iterable[counting.Answers]

    def lines(self) -> Iterator[str]:
        yield f"# HELP trialsite_{self.name} {self.help}"
        yield f"# TYPE trialsite_{self.name} histogram"
        for one in self.answers:
            where = f'status="{one.status}"'
            for limit, count in one.within:
                yield f'trialsite_{self.name}_bucket{{{where},le="{limit:g}"}} {count}'
            yield f'trialsite_{self.name}_bucket{{{where},le="+Inf"}} {one.count}'
            yield f"trialsite_{self.name}_sum{{{where}}} {one.seconds:.6g}"
            yield f"trialsite_{self.name}_count{{{where}}} {one.count}"


@never_cache
def view(request: HttpRequest) -> HttpResponse:
    """For whoever has the token; on one's own machine for everybody."""
    if not (settings.LOCAL or _has_token(request)):
        raise Http404
    return HttpResponse(
        "\n".join(line for one in collected() for line in one.lines()) + "\n", content_type=CONTENT_TYPE
    )


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")


def collected() -> list[Metric | Durations]:
    """What cannot be read is not told as 0: it is missing, and `up` says so."""
    depth = broker.depth()
    found: list[Metric | Durations] = [
        Durations("request_duration_seconds", "Answers since the web server began.", counting.answers()),
        Metric("broker_up", "Whether the broker answers.", [("", float(depth is not None))]),
    ]
    if depth is not None:
        found.append(Metric("tasks_queued", "Tasks that no worker has taken yet.", [("", depth)]))
    try:
        rest = [*_database(), *_sweeps(), *_mail()]
    except DatabaseError:
        return [*found, Metric("database_up", "Whether the database answers.", [("", 0.0)])]
    return [*found, Metric("database_up", "Whether the database answers.", [("", 1.0)]), *rest]


def _database() -> Iterator[Metric]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_database_size(current_database()), current_setting('max_connections')::int, "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"
        )
        size, limit, used = cursor.fetchone()
    yield Metric("database_size_bytes", "How large the database is.", [("", size)])
    yield Metric("database_connections", "Connections to it.", [("", used)])
    yield Metric("database_connections_limit", "How many its server takes, for all its databases.", [("", limit)])


def _sweeps() -> Iterator[Metric]:
    now = timezone.now()
    runs = sweeps.health(now=now)
    ran = [(one.name, one.finished_at) for one in runs if one.finished_at]
    yield Metric(
        "sweep_last_run_timestamp_seconds",
        "When each sweep last came to its end.",
        [(name, at.timestamp()) for name, at in ran],
        by="sweep",
    )
    yield Metric(
        "sweep_lag_seconds",
        "How long ago that was.",
        [(name, (now - at).total_seconds()) for name, at in ran],
        by="sweep",
    )
    yield Metric("sweep_silent", "1: for too long.", [(one.name, float(one.is_silent)) for one in runs], by="sweep")
    yield Metric(
        "sweep_rows_stumbled",
        "Rows that its last run could not do.",
        [(one.name, one.stumbled) for one in runs],
        by="sweep",
    )


def _mail() -> Iterator[Metric]:
    now = timezone.now()
    found = mailhealth.health(now=now)
    waits = found.waiting.items()
    yield Metric("messages_waiting", "Messages that are due.", [(name, one.count) for name, one in waits], by="urgency")
    yield Metric(
        "oldest_message_seconds",
        "How long the oldest of them has waited.",
        [(name, one.seconds(now)) for name, one in waits],
        by="urgency",
    )
    yield Metric("messages_failed", "Messages that failed and were not queued again.", [("", found.failed)])
    yield Metric(
        "last_delivery_timestamp_seconds",
        "When a message last left.",
        [(name, one.last_sent_at.timestamp()) for name, one in found.channels.items() if one.last_sent_at],
        by="way",
    )
    yield Metric(
        "server_down",
        "1: the server behind this way takes nothing.",
        [(name, float(one.down_since is not None)) for name, one in found.channels.items()],
        by="way",
    )
