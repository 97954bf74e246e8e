"""The first page answers "what must be done today?": what is urgent, then what is today's, then the rest folded.

Each app has a module `worklist` with `kinds(user, now)`, rows that are read together in one query, and `sections(user,
now)`, what needs more than a query to be known. What is owed is work for those who may do it; for all others it is how
things stand, without a call to anybody.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from trialsite import lines, seals, sweeps, waiting, wayback
from trialsite.lines import Kind, Line
from trialsite.models import Notification, NotificationState, Site, SiteGiven, SweepRun, User
from trialsite.roles import Role
from trialsite.study import get_study

APPS = ("trialsite", "safety", "participants", "dosing")
ROWS_SHOWN = 12


class Place(StrEnum):
    """Where on the page: nobody may miss it, somebody does it today, it can wait."""

    URGENT = "urgent"
    TODAY = "today"
    LATER = "later"


# Within each place the order of the work; every section has its code here.
ORDER = (
    "trail",
    "sweeps",
    "mail-late",
    "stumbled",
    "nobody",
    "alerts",
    "duties-near",
    "stops",
    "broken",
    "rounds-overdue",
    "severe",
    "mails",
    "infusions-today",
    "doses",
    "rounds",
    "closing",
    "counts",
    "reconsents",
    "duties",
    "review",
    "overdue",
    "lost",
    "unassessed",
    "open",
    "soon",
    "infusions",
    "screening",
    "episodes",
    "reactions",
    "assessments",
    "reviews",
    "queries",
    "serious",
    "contradictions",
    "holds",
)


@dataclass(frozen=True)
class Row:
    """A line that leads to its work; `since` is from when on somebody has waited for it. `page` is where it is read by
    those who may not do the work, unless that is the same."""

    label: str
    link: str
    facts: tuple[str, ...] = ()
    late: str = ""
    since: dt.datetime | dt.date | None = None
    page: str | None = None
    waited: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with its rows. `work` is the permission that it takes: who has it is told by `hint` what to do, who has
    it not reads how things stand. Without one it is everybody's. `link` leads to the whole list."""

    code: str
    title: str
    hint: str
    rows: tuple[Row, ...]
    count: int
    place: Place = Place.LATER
    tone: str = "attention"
    link: str = ""
    columns: tuple[str, ...] = ()
    work: str = ""

    @property
    def foremost(self) -> Row | None:
        """The most pressing line, for the folded section."""
        return next(iter(self.rows), None)

    @property
    def cells(self) -> list[tuple[Row, list[tuple[str, str]]]]:
        """Each row with its facts, and over which column each stands: a phone has no head of a table."""
        heads = [*self.columns[1:], *[""] * ROWS_SHOWN]
        return [(row, list(zip(heads, row.facts, strict=False))) for row in self.rows]


@dataclass(frozen=True)
class Places:
    """How far the enrolment is."""

    target: int
    taken: int

    @property
    def left(self) -> int:
        return max(0, self.target - self.taken)


@dataclass
class FirstPage:
    sections: list[Section] = field(default_factory=list)
    places: Places | None = None

    def at(self, place: Place) -> list[Section]:
        return [section for section in self.sections if section.place is place]


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()
    user = request.user
    assert isinstance(user, User), "the admin lets nobody in without a login"
    page = read_page(user, now=now)
    work = [section for section in page.sections if may_do(user, section)]
    return {
        **context,
        "today": timezone.localtime(now).date(),
        "urgent": [section for section in work if section.place is Place.URGENT],
        "todays": [section for section in work if section.place is Place.TODAY],
        "later": [section for section in work if section.place is Place.LATER],
        "stands": [_as_read(section) for section in page.sections if section not in work],
        "nothing_overdue": not any(is_overdue(section) for section in page.sections),
        "has_work": not user.is_superuser and any(user.has_perm(duty) for duty in DUTIES),
        "places": page.places,
        "shortcuts": _shortcuts(user),
        "study": get_study().current(timezone.localtime(now).date()),
    }


# What is late once it is there, and what is once it has waited; without any of them one line says so.
OVERDUE = ("rounds-overdue", "overdue")
OVERDUE_ONCE_WAITING = ("infusions-today", "doses", "reconsents")
# What an administrator mends.
ADMINISTERED = ("mails",)
# Whoever may do none of these reads only.
DUTIES = ("participants.change_visit", "dosing.change_lymphodepletiondose", "safety.add_crsassessment")


def is_overdue(section: Section) -> bool:
    waits = section.code in OVERDUE_ONCE_WAITING and any(row.waited for row in section.rows)
    return section.code in OVERDUE or waits


def _as_read(section: Section) -> Section:
    """How things stand, for those who may not do the work: nobody is called, and no line leads to a form."""
    rows = (row if row.page is None else replace(row, link=row.page) for row in section.rows)
    return replace(section, hint="", tone="fine", rows=tuple(rows))


def may_do(user: User, section: Section) -> bool:
    """Whoever looks after the computer is allowed everything, and does none of the site's work."""
    if user.is_superuser:
        return not section.work or section.code in ADMINISTERED
    return not section.work or user.has_perm(section.work)


def read_page(user: User, *, now: dt.datetime) -> FirstPage:
    """Everything that this person may see of today; a fixed number of queries, whatever the number of rows."""
    modules = [import_module(f"{name}.worklist") for name in APPS if apps.is_installed(name) and _has_worklist(name)]
    kinds = [*own_kinds(user), *(kind for module in modules for kind in module.kinds(user=user, now=now))]
    found = lines.read(kinds, shown=ROWS_SHOWN)
    made = [kind.make(found.get(kind.code, [])) for kind in kinds if kind.is_always or kind.code in found]
    sections = [*alarms(now=now), *(one for one in made if isinstance(one, Section))]
    sections += [one for module in modules for one in module.sections(user=user, now=now)]
    return FirstPage(
        [_told(one, now) for one in sorted(sections, key=lambda one: ORDER.index(one.code))],
        next((one for one in made if isinstance(one, Places)), None),
    )


def _has_worklist(name: str) -> bool:
    return find_spec(f"{name}.worklist") is not None


def _told(section: Section, now: dt.datetime) -> Section:
    """With how long each line has waited, and the way back to this page in its address."""
    rows = (
        replace(
            row,
            link=wayback.with_back(row.link, wayback.TODAY),
            page=row.link if row.page is None else row.page,
            waited=waiting.since(row.since, now=now) if row.since is not None else "",
        )
        for row in section.rows
    )
    return replace(section, rows=tuple(rows))


def sites_of(user: User) -> Any:
    return Site.objects.all() if user.is_superuser else user.sites.all()


def site_keys(user: User) -> Any:
    """The keys of the same, from one table: the first page names them in the query of each kind of its lines."""
    return Site.objects.values("pk") if user.is_superuser else SiteGiven.objects.filter(user=user).values("site")


# --- The ground floor's own -------------------------------------------------------------------------


def alarms(*, now: dt.datetime) -> list[Section]:
    """What makes the site itself untrustworthy: a broken trail, a silent scheduler. One query."""
    runs = SweepRun.objects.in_bulk()
    found = (_broken_trail(runs.get(seals.VERIFIED)), _silence(runs, now), _stumbled(runs, now))
    return [one for one in found if one is not None]


def _broken_trail(last: SweepRun | None) -> Section | None:
    faults = last.counts.get("faults", 0) if last else 0
    if not last or not faults:
        return None
    return Section(
        code="trail",
        title=_("The audit trail is not as it was sealed"),
        hint=_(
            "Change nothing more. Call whoever runs the server, and the sponsor: somebody has written past the site."
        ),
        rows=(Row(_("found at %(at)s") % {"at": moment(last.finished_at)}, "", since=last.finished_at),),
        count=faults,
        place=Place.URGENT,
        tone="alarm",
    )


def _silence(runs: dict[str, SweepRun], now: dt.datetime) -> Section | None:
    silent = [run for run in sweeps.health_of(runs, now=now) if run.is_silent]
    if not silent:
        return None
    minutes = int(settings.SWEEP_SILENCE.total_seconds() // 60)
    return Section(
        code="sweeps",
        title=_("Reminders are not running"),
        hint=_(
            "A sweep has not finished for more than %(minutes)s minutes. Until it does, nobody is reminded: check the "
            "lists below yourself, and call whoever runs the server (scheduler, worker, broker)."
        )
        % {"minutes": minutes},
        rows=tuple(
            Row(run.name, "", (_("last finished: %(at)s") % {"at": moment(run.finished_at)},), since=run.finished_at)
            for run in silent
        ),
        count=len(silent),
        place=Place.URGENT,
        tone="alarm",
    )


def _stumbled(runs: dict[str, SweepRun], now: dt.datetime) -> Section | None:
    """A sweep runs, and leaves somebody out."""
    found = [run for run in sweeps.health_of(runs, now=now) if run.stumbled]
    if not found:
        return None
    return Section(
        code="stumbled",
        title=_("A sweep leaves rows out"),
        hint=_(
            "It does all others. Whoever runs the server finds the numbers of these rows in the log of the worker; "
            "until it is mended, check the lists below yourself."
        ),
        rows=tuple(
            Row(run.name, "", (ngettext("%(n)s row", "%(n)s rows", run.stumbled) % {"n": run.stumbled},))
            for run in found
        ),
        count=sum(run.stumbled for run in found),
        place=Place.URGENT,
        tone="alarm",
    )


def moment(at: dt.datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else _("never")


def own_kinds(user: User) -> list[Kind]:
    return [*_failed(user), *_nobody_to_tell(user)]


def _failed(user: User) -> Iterable[Kind]:
    if not user.has_perm("trialsite.view_notification"):
        return
    rows = Notification.objects.filter(state=NotificationState.FAILED, site__in=site_keys(user)).order_by("queued_at")
    yield Kind("mails", rows, _mails, what="subject", more="recipient__username", at="queued_at", participant=None)


def _mails(found: list[Line]) -> Section:
    return Section(
        code="mails",
        title=_("E-mails that could not be sent"),
        hint=_("Tell these people yourself. A data manager can queue the messages again."),
        rows=tuple(
            Row(line.what, reverse("admin:trialsite_notification_change", args=[line.pk]), (line.more,), since=line.at)
            for line in found
        ),
        count=found[0].of_all,
        place=Place.URGENT,
        tone="alarm",
        columns=(_("Message"), _("To")),
        work="participants.change_visit",
        link=reverse("admin:trialsite_notification_changelist") + "?state__exact=failed",
    )


# Who is reminded, the first of them that there is.
REMINDED = (Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR)


def _nobody_to_tell(user: User) -> Iterable[Kind]:
    """A site where no reminder would find a reader is an alarm, not a silence."""
    people = User.objects.filter(is_active=True, sites=OuterRef("pk"), groups__name__in=[one.value for one in REMINDED])
    rows = sites_of(user).filter(~Exists(people.exclude(email=""))).order_by("pk")
    yield Kind("nobody", rows, _unreachable, what="name_zh", more="name_en", participant=None)


def _unreachable(found: list[Line]) -> Section:
    return Section(
        code="nobody",
        title=_("Nobody would be reminded"),
        hint=_("No active coordinator or investigator of this site has an e-mail address. Add one under People."),
        rows=tuple(Row(str(Site(name_zh=line.what, name_en=line.more)), "") for line in found),
        count=found[0].of_all,
        place=Place.URGENT,
        tone="alarm",
    )


def _shortcuts(user: User) -> list[tuple[str, str]]:
    wanted = (
        (_("New participant"), "participants", "participant"),
        (_("Enter results"), "participants", "examination"),
        (_("Log an infusion"), "dosing", "infusion"),
        (_("Record medication"), "dosing", "medication"),
        (_("Bedside assessment"), "safety", "bedsideassessment"),
        (_("Log an adverse event"), "safety", "adverseevent"),
    )
    return [
        (title, reverse(f"admin:{app}_{model}_add"))
        for title, app, model in wanted
        if user.has_perm(f"{app}.add_{model}")
    ]
