"""Finding a CTCAE term, keeping it with an event, and loading the texts and names that a site holds itself."""

import datetime as dt
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from participants.models import Participant
from safety.ctcae.catalogue import (
    REMEMBERED,
    VERSIONS,
    UnknownTerm,
    counterpart,
    search,
    term,
    terms,
    with_names,
)
from safety.ctcae.catalogue import Term as CtcaeTerm
from safety.imports.ctcae_workbook import PARTS, Workbook
from safety.imports.meddra_zh import Names
from safety.models import AdverseEvent, CtcaeText, SiteTermName
from trialsite.reading import word_key
from trialsite.refusal import Refused
from trialsite.study import get_study

NEAR = 5
LONGEST_QUERY = 100
SEPARATOR = " · "


def ctcae_version(participant: Participant | None) -> str:
    """The version of the participant's protocol; of the newest protocol while there is no participant."""
    study = get_study()
    protocol = study.latest if participant is None else study.protocol(participant.protocol_version)
    return protocol.policy.ctcae_version


def version_of(event: AdverseEvent) -> str:
    """The version that an event was saved with, or will be: another version of the study changes no old event."""
    return event.ctcae_version or ctcae_version(event.participant)


# --- Names ---------------------------------------------------------------------------------------


def site_names() -> dict[str, str]:
    """Chinese names by code out of the site's MedDRA release; empty where none is loaded."""
    return dict(SiteTermName.objects.values_list("code", "name_zh"))


def both_names(found: CtcaeTerm) -> str:
    """The name in the reader's language first, the other beside it."""
    names = (found.name_zh, found.name) if (get_language() or "").startswith("zh") else (found.name, found.name_zh)
    return SEPARATOR.join(names)


def label(found: CtcaeTerm) -> str:
    """Both names and the code: as it stands in the field, and as the field takes it back."""
    return f"{both_names(found)}{SEPARATOR}{found.code}"


def grades_text(grades: Iterable[int]) -> str:
    return _(", ").join(str(grade) for grade in grades)


# --- Finding -------------------------------------------------------------------------------------


def find(version: str, query: str, *, limit: int = 20) -> tuple[CtcaeTerm, ...]:
    """Terms that answer, the best first, with the site's own names. Raises UnknownTerm for an unknown version."""
    return search(version, query[:LONGEST_QUERY], limit=limit, names=site_names())


def resolve(version: str, text: str) -> CtcaeTerm | None:
    """The one term that a person wrote out: its code, a whole name in either language, or the label of both."""
    sought = _plain(text)
    if not sought:
        return None
    names = site_names()
    found = [one for one in terms(version) if sought in _writings(one, with_names(one, names))]
    return with_names(found[0], names) if len(found) == 1 else None


def near(version: str, text: str) -> tuple[CtcaeTerm, ...]:
    """Some terms that may have been meant: what the search finds, or names that are written much the same."""
    if found := find(version, text, limit=NEAR):
        return found
    names = site_names()
    by_name = {name: one for one in terms(version) for name in (_plain(one.name), _plain(one.name_zh))}
    sought = _plain(text)[:LONGEST_QUERY]
    # Of two characters one may be another: 呕土 is to find 呕吐. Of a longer name most must be the same.
    alike = get_close_matches(sought, by_name, n=NEAR, cutoff=0.5 if len(sought) <= 4 else 0.7)
    return tuple(dict.fromkeys(with_names(by_name[name], names) for name in alike))


def _plain(text: str) -> str:
    """Small letters, one width, single spaces."""
    return word_key(text)


@lru_cache(maxsize=REMEMBERED)
def _writings(ours: CtcaeTerm, sites: CtcaeTerm) -> frozenset[str]:
    """All that names this term and no other, plainly written."""
    labels = [
        SEPARATOR.join((*names, one.code))
        for one in (ours, sites)
        for names in ((one.name_zh, one.name), (one.name, one.name_zh))
    ]
    return frozenset(_plain(text) for text in (ours.code, ours.name, ours.name_zh, sites.name_zh, *labels))


def no_such_term(version: str, text: str) -> Refused:
    """Says what was not found, what stands for it or is near it, and what to do."""
    other = next(found for found in VERSIONS if found != version)
    if theirs := resolve(other, text):
        return _of_another_version(version, theirs)
    values = {"text": text[:LONGEST_QUERY], "version": version}
    if found := near(version, text):
        near_ones = _("; ").join(label(one) for one in found)
        return Refused(
            _(
                "CTCAE %(version)s has no term “%(text)s”. Near it: %(near)s. Choose one of them, or write a whole "
                "name or a code of eight digits."
            )
            % {**values, "near": near_ones}
        )
    return Refused(
        _(
            "CTCAE %(version)s has no term “%(text)s”, and none near it. Write a whole name or a code of eight "
            "digits; when no term fits, take “Other, specify” of the system organ class."
        )
        % values
    )


def _of_another_version(version: str, theirs: CtcaeTerm) -> Refused:
    """What stands in this version for a term that only the other one has."""
    ours = counterpart(theirs)
    values = {"term": both_names(theirs), "theirs": theirs.version, "version": version}
    if ours is None:
        return Refused(
            _(
                "%(term)s is a term of CTCAE %(theirs)s; this event is graded by %(version)s, which has none for it. "
                "Search for another name, or take “Other, specify” of the system organ class."
            )
            % values
        )
    return Refused(
        _("%(term)s is a term of CTCAE %(theirs)s; this event is graded by %(version)s, which has %(ours)s for it.")
        % {**values, "ours": label(with_names(ours, site_names()))}
    )


# --- With an event -------------------------------------------------------------------------------


def check_ctcae(event: AdverseEvent) -> None:
    """Raises Refused for a code that the version lacks, and for a grade that the term lacks."""
    if event.ctcae_code:
        check_grade(_term_of(event), event.grade)


def check_grade(found: CtcaeTerm, grade: int) -> None:
    """Raises Refused with the grades that exist, and with the names that the site uses."""
    if grade in found.grades:
        return
    values = {
        "term": both_names(with_names(found, site_names())),
        "version": found.version,
        "grades": grades_text(found.grades),
        "grade": grade,
    }
    refused = _("%(term)s has no grade %(grade)s in CTCAE %(version)s. Its grades: %(grades)s. Correct the grade.")
    if grade == 5:
        refused = _(
            "%(term)s has no grade 5 in CTCAE %(version)s. Its grades: %(grades)s. Correct the grade, or choose the "
            "term for what the participant died of."
        )
    raise Refused(refused % values)


def freeze_term(event: AdverseEvent) -> None:
    """Write the term and the class beside the code as the event's version has them. Raises Refused."""
    found = _term_of(event) if event.ctcae_code else None
    event.ctcae_term, event.ctcae_soc = (found.name, found.soc) if found else ("", "")


def _term_of(event: AdverseEvent) -> CtcaeTerm:
    version = version_of(event)
    try:
        return term(version, event.ctcae_code)
    except UnknownTerm:
        raise no_such_term(version, event.ctcae_code) from None


# --- Loading -------------------------------------------------------------------------------------


@transaction.atomic
def load_texts(*, workbook: Workbook, now: dt.datetime) -> Mapping[str, int]:
    """Put the workbook's texts in the place of those that were there; returns how many each version has."""
    rows = [
        CtcaeText(
            version=text.version,
            code=text.code,
            loaded_at=now,
            source_sha256=workbook.sha256,
            **{part: text.part(part) for part in PARTS},
        )
        for text in workbook.texts
    ]
    CtcaeText.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["version", "code"],
        update_fields=[*PARTS, "loaded_at", "source_sha256"],
    )
    CtcaeText.objects.exclude(source_sha256=workbook.sha256).delete()
    versions = sorted({row.version for row in rows})
    return {version: sum(row.version == version for row in rows) for version in versions}


@transaction.atomic
def load_names(*, names: Names, release: str, now: dt.datetime) -> int:
    """Put these Chinese names in the place of those that were there; returns how many."""
    rows = [
        SiteTermName(code=code, name_zh=name, release=release, loaded_at=now) for code, name in names.by_code.items()
    ]
    SiteTermName.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["code"], update_fields=["name_zh", "release", "loaded_at"]
    )
    SiteTermName.objects.exclude(code__in=names.by_code).delete()
    return len(rows)
