"""The datasets of a study at one cut-off, laid down as rows that every format is made from."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.utils import translation

from sponsor.datasets.facts import participants, subjects
from sponsor.datasets.model import Dataset, Package, Pending, Staged, Staging, Variable
from sponsor.datasets.scope import Scope, Tick, no_tick
from sponsor.datasets.sdtm import about_subject, about_trial
from sponsor.datasets.sdtm.assembly import Line
from sponsor.datasets.sdtm.describe import DATASETS, supplemental
from sponsor.datasets.terms import RELEASE
from sponsor.datasets.trialfacts import trial_of
from trialsite.study import get_study


def build(scope: Scope, folder: Path, tick: Tick = no_tick) -> Package:
    """Called inside one read-only transaction that sees one moment; `folder` is there and empty."""
    protocol = get_study().latest
    with translation.override("en"):
        trial = trial_of(scope)
        total, done = participants(scope).count(), 0
        pending: list[Pending] = []
        with _Stage(folder) as stage:
            stage.lay(about_trial(trial))
            for portion in subjects(scope, trial.study_id):
                for subject in portion:
                    lines, waiting = about_subject(subject, trial)
                    stage.lay(lines)
                    pending.extend(Pending("AE", number, row, why) for number, row, why in waiting)
                done += len(portion)
                tick("SDTM", done, total)
    return Package(
        study_id=trial.study_id,
        study_name=protocol.short_title,
        protocol_version=protocol.version,
        cut_off=scope.cut_off,
        software=f"Trialsite {settings.SOFTWARE_VERSION}",
        terminology=RELEASE,
        staged=tuple(_trimmed(one) for one in stage.staged()),
        pending=tuple(pending),
        notes=_notes(scope),
    )


class _Stage:
    """Opens a file for a dataset when its first row comes: a dataset without rows does not leave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Staging] = {}
        self._files = ExitStack()

    def __enter__(self) -> "_Stage":
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def lay(self, lines: Iterable[Line]) -> None:
        for line in lines:
            name = line.dataset.name
            if name not in self._open:
                self._open[name] = self._files.enter_context(Staging(line.dataset, self._folder))
            self._open[name].add(line.values)

    def staged(self) -> list[Staged]:
        """In the order of the standard, each followed by its qualifiers."""
        order = [name for one in DATASETS for name in (one.name, supplemental(one.name).name)]
        known = {name: one.staged for name, one in self._open.items()}
        if "SE" in known and known["SE"].records <= known["DM"].records:
            # While everybody has one element, of screening, it tells nothing; rules that compare elements fail on it.
            del known["SE"]
        return [known[name] for name in order if name in known]


def _trimmed(staged: Staged) -> Staged:
    """Without permissible variables that nobody has: the standard leaves them out, the others it wants empty."""
    dataset = staged.dataset
    kept = [place for place, one in enumerate(dataset.variables) if _stays(one, staged)]
    if len(kept) == len(dataset.variables):
        return staged
    narrow = staged.path.with_suffix(".narrow")
    with narrow.open("w", encoding="utf-8") as lines:
        for row in staged.rows():
            lines.write(json.dumps([row[place] for place in kept], ensure_ascii=False) + "\n")
    narrow.replace(staged.path)
    return replace(staged, dataset=_narrowed(dataset, kept))


def _stays(one: Variable, staged: Staged) -> bool:
    """The day of study stands beside its date, though nobody has one; a number of a visit that nobody has does not."""
    if one.name == "VISITNUM":
        return one.name in staged.filled
    if one.name in staged.filled:
        return True
    if one.name.endswith("DY"):
        date = f"{one.name.removesuffix('DY')}DTC"
        return any(other.name == date and _stays(other, staged) for other in staged.dataset.variables)
    return one.core != "Perm"


def _narrowed(dataset: Dataset, kept: list[int]) -> Dataset:
    variables = tuple(dataset.variables[place] for place in kept)
    names = {one.name for one in variables}
    return replace(dataset, variables=variables, keys=tuple(key for key in dataset.keys if key in names))


# --- What a reviewer must know -------------------------------------------------------------------------

CHOICES = (
    "RFSTDTC is the start of the first infusion of CAR-T cells; study days count from it. RFXSTDTC includes "
    "lymphodepletion.",
    "The study has one arm: a participant is taken as assigned to it when study treatment begins. Before that ARMCD is "
    "empty, and ARMNRS says why.",
    "RFENDTC of a participant who goes on is the day of the cut-off.",
    "CRS, ICANS, IEC-HS and ICAHT have no controlled terminology. Their grades over time are findings about the event "
    "(FA, TOXGR), the event carries the highest, and SUPPAE names the scale. Grade 0 says that it was looked for.",
    "The ICE score, its ten items and their total, is in QS with a category of the sponsor.",
    "Adverse events whose MedDRA coding is open are not in AE, for AEDECOD is required: they are listed as pending.",
    "AETERM and CMTRT are names that people typed. They leave as reported: they were looked through for what names the "
    "participant when they were saved, and are masked once more here.",
    "A bound such as <0.5 is kept in --ORRES and --STRESC; --STRESN and limits of normal are empty beside it.",
    "Visits before the infusion and on its day are told by what was recorded on their days.",
    "SE is left out while nobody is past the first element of the study.",
)
SHIFTED = (
    "All dates of a participant are moved by one number of days, drawn by a key that does not leave: intervals are "
    "kept. Of a date known in part as much is left as holds for every day that it can mean. In place of the cut-off, "
    "which would tell the number, stands the day of the last record of the participant; lots, which often tell a day, "
    "are withheld."
)
AS_IS = "Dates are as they were."
WITHHELD = "Texts that people typed are withheld, as the sponsor agreement says: reasons, indications, remarks."
RELEASED = "Texts that people typed are released by a data manager, masked where they name the participant."


def _notes(scope: Scope) -> tuple[str, ...]:
    return (*CHOICES, SHIFTED if scope.shifts_dates else AS_IS, RELEASED if scope.has_free_text else WITHHELD)
