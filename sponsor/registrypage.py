"""The registry's tables as they will appear, in the reader's words beside the registry's; and what is still missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from safety import tables
from safety.tablepages import Part
from sponsor.registryfacts import Lack, Missing, Told
from sponsor.rules import results
from sponsor.rules.results import baseline, flow
from trialsite.study import get_study

# Beside a count of so few persons.
MARK = "*"
WORDS: dict[str, Any] = {
    "STARTED": pgettext_lazy("participant flow", "started"),
    "COMPLETED": pgettext_lazy("participant flow", "completed"),
    "NOT COMPLETED": pgettext_lazy("participant flow", "not completed"),
    "Enrolment to Infusion": gettext_lazy("From enrolment to the infusion"),
    "Infusion to End of Study": gettext_lazy("From the infusion to the end of the study"),
    flow.AWAITING: gettext_lazy("waiting for the infusion"),
    flow.FOLLOWED: gettext_lazy("still in follow-up"),
    "Adverse Event": gettext_lazy("adverse event"),
    "Death": pgettext_lazy("reason", "death"),
    "Lack of Efficacy": gettext_lazy("relapse or lack of efficacy"),
    "Lost to Follow-up": gettext_lazy("lost to follow-up"),
    "Physician Decision": gettext_lazy("physician's decision"),
    "Pregnancy": gettext_lazy("pregnancy"),
    "Protocol Violation": gettext_lazy("protocol violation"),
    "Withdrawal by Subject": gettext_lazy("withdrawal by the participant"),
    "No Longer Eligible": gettext_lazy("no longer eligible"),
    "Product Could Not Be Made": gettext_lazy("no product could be made"),
    "Other": pgettext_lazy("reason", "other"),
    "Age, Continuous": gettext_lazy("Age: median (range)"),
    "Age, Categorical": gettext_lazy("Age in groups"),
    "<=18 years": gettext_lazy("up to 18 years"),
    "Between 18 and 65 years": gettext_lazy("19 to 64 years"),
    ">=65 years": gettext_lazy("65 years and more"),
    "Sex: Female, Male": gettext_lazy("Sex"),
    "Female": gettext_lazy("female"),
    "Male": gettext_lazy("male"),
    "Race and Ethnicity Not Collected": gettext_lazy("Race and ethnicity: not collected"),
    "Region of Enrollment": gettext_lazy("Country of enrolment"),
    "China": gettext_lazy("China"),
    "ECOG Performance Status": gettext_lazy("ECOG performance status"),
    "Disease": gettext_lazy("Disease"),
    "Minimal Residual Disease": gettext_lazy("Minimal residual disease (MRD)"),
    baseline.DISEASES["b_all"]: gettext_lazy("B-cell acute lymphoblastic leukaemia"),
    baseline.DISEASES["burkitt"]: gettext_lazy("Burkitt leukaemia"),
    baseline.DISEASES["cml_blast"]: gettext_lazy("chronic myeloid leukaemia in lymphoid blast phase"),
    baseline.DISEASES["t_all"]: gettext_lazy("T-cell acute lymphoblastic leukaemia"),
    baseline.MRDS["negative"]: gettext_lazy("MRD negative (below 0.01 %)"),
    baseline.MRDS["insufficient"]: gettext_lazy("MRD negative, insufficient sensitivity"),
    baseline.MRDS["positive"]: gettext_lazy("MRD positive"),
    baseline.UNKNOWN: gettext_lazy("not recorded"),
}
BASELINE = {
    "age": gettext_lazy("age"),
    "ecog": gettext_lazy("ECOG performance status"),
    "disease": gettext_lazy("disease"),
    "mrd": gettext_lazy("MRD before the infusion"),
}


def parts(told: Told) -> list[Part]:
    """The tables in the registry's order."""
    found = told.section
    return [
        *_flow(found["participantFlowModule"]),
        _baseline(found["baselineCharacteristicsModule"]),
        *_outcomes(found["outcomeMeasuresModule"]["outcomeMeasures"]),
        *_events(found["adverseEventsModule"], tables.term_names(told.events)),
    ]


def _head(*columns: str) -> tuple[str, ...]:
    """A reader of English needs no second column of the same words."""
    return (_("What it says"), *((_("As published"),) if tables.is_chinese() else ()), *columns)


def _line(published: str, *cells: Any, words: str | Promise | None = None) -> tuple[Any, ...]:
    ours = str(words or WORDS.get(published, published))
    return (ours, *((published,) if tables.is_chinese() else ()), *cells)


def _persons(count: int | str) -> str:
    return f"{count} {MARK}" if results.is_small(int(count)) else str(count)


def _flow(module: results.Json) -> Iterator[Part]:
    for period in module["periods"]:
        lines = [_line(one["type"], _achieved(one, "achievements")) for one in period["milestones"]]
        reasons = [_line(one["type"], _achieved(one, "reasons")) for one in period["dropWithdraws"]]
        title = _("Participant flow: %(period)s") % {"period": WORDS[period["title"]]}
        bands = frozenset(range(len(lines)))
        yield Part(title, _head(_("Participants")), (*lines, *reasons), (), bands)


def _achieved(one: results.Json, name: str) -> str:
    return _persons(one[name][0]["numSubjects"])


def _baseline(module: results.Json) -> Part:
    lines: list[tuple[Any, ...]] = []
    bands = set()
    for measure in module["measures"]:
        bands.add(len(lines))
        if measure["paramType"] == "MEDIAN":
            (found,) = measure["classes"][0]["categories"][0]["measurements"]
            lines.append(_line(measure["title"], f"{found['value']} ({found['lowerLimit']}–{found['upperLimit']})"))
            continue
        lines.append(_line(measure["title"], ""))
        lines += [_category(one) for one in measure["classes"][0]["categories"] if one.get("title")]
    title = _("Baseline: %(count)s enrolled participants") % {"count": module["denoms"][0]["counts"][0]["value"]}
    return Part(title, _head(_("Participants")), tuple(lines), (), frozenset(bands), _("Nobody is enrolled yet."))


def _category(one: results.Json) -> tuple[Any, ...]:
    words = WORDS.get(one["title"])
    if words is None and one["title"].startswith("Grade "):
        words = _("grade %(grade)s") % {"grade": one["title"].removeprefix("Grade ")}
    return _line(one["title"], _persons(one["measurements"][0]["value"]), words=words)


def _outcomes(measures: Iterable[results.Json]) -> Iterator[Part]:
    asked = get_study().latest.outcome_measures
    lines: list[tuple[Any, ...]] = []
    bands = set()
    for ours, one in zip(asked, measures, strict=True):
        kind = _("Primary outcome") if one["type"] == "PRIMARY" else _("Secondary outcome")
        bands.add(len(lines))
        title = _("%(kind)s: %(title)s") % {"kind": kind, "title": ours.title}
        lines.append(_line(one["title"], _result(one), words=title))
        lines.append(_line(one["timeFrame"], _of(one), words=str(ours.time_frame)))
    yield Part(
        _("Outcome measures"), _head(_("Result")), tuple(lines), (), frozenset(bands), _("The study file names none.")
    )


def _result(one: results.Json) -> str:
    if one["reportingStatus"] != "POSTED":
        return _("cannot be told yet")
    (found,) = one["classes"][0]["categories"][0]["measurements"]
    if one["paramType"] == "COUNT_OF_PARTICIPANTS":
        return _persons(found["value"])
    return _("%(value)s %% (95 %%: %(low)s–%(high)s)") % {
        "value": found["value"],
        "low": found["lowerLimit"],
        "high": found["upperLimit"],
    }


def _of(one: results.Json) -> str:
    if one["reportingStatus"] != "POSTED":
        return ""
    return _("of %(count)s") % {"count": one["denoms"][0]["counts"][0]["value"]}


# --- Adverse events -------------------------------------------------------------------------------------


def _events(module: results.Json, terms: Mapping[str, str]) -> Iterator[Part]:
    """`terms` are the reader's words for what was counted."""
    (counts,) = module["eventGroups"]
    sums = (
        ("All-Cause Mortality", _("Deaths from any cause"), "deaths"),
        ("Serious Adverse Events", _("Participants with serious events"), "serious"),
        ("Other Adverse Events", _("Participants with other events that are listed"), "other"),
    )
    head = (_("Affected"), _("At risk"))
    rows = [
        _line(name, _persons(counts[f"{code}NumAffected"]), counts[f"{code}NumAtRisk"], words=words)
        for name, words, code in sums
    ]
    yield Part(_("Adverse events: all participants who were treated"), _head(*head), tuple(rows), ())
    socs = tables.soc_names()
    threshold = module["frequencyThreshold"]
    listed = _("Other events in more than %(threshold)s %% of participants") % {"threshold": threshold}
    for title, name in ((_("Serious adverse events"), "seriousEvents"), (listed, "otherEvents")):
        yield _table(title, module[name], terms, socs)


def _table(title: str, found: list[results.Json], terms: Mapping[str, str], socs: Mapping[str, str]) -> Part:
    lines: list[tuple[Any, ...]] = []
    bands = set()
    soc = None
    for one in found:
        if one["organSystem"] != soc:
            soc = one["organSystem"]
            bands.add(len(lines))
            lines.append(_line(soc, "", "", "", words=socs.get(soc)))
        (stats,) = one["stats"]
        cells = (_persons(stats["numAffected"]), stats["numAtRisk"], stats["numEvents"])
        lines.append(_line(one["term"], *cells, words=terms.get(one["term"])))
    head = _head(_("Affected"), _("At risk"), _("Events"))
    return Part(title, head, tuple(lines), (), frozenset(bands), _("None."))


# --- What is missing ------------------------------------------------------------------------------------


def missing_in_words(told: Told) -> list[str]:
    return [_in_words(one) for one in told.missing]


def _in_words(one: Missing) -> str:
    values = {"count": one.count, "what": _what(one), "whose": _(", ").join(one.whose)}
    return _sentence(one) % values


def _what(one: Missing) -> str:
    if one.lack is Lack.OUTCOME:
        return str(get_study().latest.outcome_measures[int(one.what)].title)
    return str(BASELINE.get(one.what, ""))


def _sentence(one: Missing) -> str:
    """Why a table is not final yet, and what to do."""
    n = one.count
    if one.lack is Lack.OUTCOME:
        return _("“%(what)s”: %(count)s participants cannot be told of yet, or were not assessed.")
    if one.lack is Lack.BASELINE:
        return _("Baseline without %(what)s: %(whose)s.")
    if one.lack is Lack.UNCODED:
        return ngettext(
            "%(count)s adverse event without a coded term is in no table: code it (%(whose)s).",
            "%(count)s adverse events without a coded term are in no table: code them (%(whose)s).",
            n,
        )
    return str(SENTENCES[one.lack])


SENTENCES = {
    Lack.SERIOUSNESS: gettext_lazy(
        "Events of which nobody has said whether they are serious count as not serious: %(count)s (%(whose)s)."
    ),
    Lack.FOLLOW_UP: gettext_lazy(
        "%(count)s participants are still in follow-up: they count as not completed until the study is over."
    ),
    Lack.WAITING: gettext_lazy("%(count)s enrolled participants wait for the infusion."),
    Lack.REASON: gettext_lazy("Withdrawn without a kind of reason, so the table says “Other”: %(whose)s."),
}


def small_in_words(told: Told) -> str:
    """How many counts are small; empty where none is."""
    count = results.small_counts(told.section)
    text = ngettext(
        "%(count)s count of persons is from 1 to 4 (%(mark)s): beside other knowledge it can tell who somebody is.",
        "%(count)s counts of persons are from 1 to 4 (%(mark)s): beside other knowledge they can tell who somebody is.",
        count,
    )
    return text % {"count": count, "mark": MARK} if count else ""
