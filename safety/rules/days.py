"""Whether everything that an inpatient day asks for is recorded.

Source: the study's visit schedule: CRS, ICANS and the ICE score at least twice a day, and the day's laboratory.

Policy [P]: what has no place of its own in the record does not hold a day open: vital signs every eight hours stand in
the ward's chart, and on a good day there is no adverse event and no new medication to write down. A procedure that is
not known here is never counted as recorded: then a person says that the day is done.
"""

from collections.abc import Iterable, Mapping

# By the study's code of a procedure: what has to be recorded, and how often. A panel stands for any of its results.
NEEDED: dict[str, tuple[tuple[str, int], ...]] = {
    "CRS_ICANS_2": (("CRS", 2), ("ICANS", 2)),
    "ICE_2": (("ICE", 2),),
    "CBC": (("CBC", 1),),
    "CHEM": (("CHEM", 1),),
    "COAG": (("COAG", 1),),
    "CRP": (("CRP", 1),),
    "FERRITIN": (("FERRITIN", 1),),
    "FIBRINOGEN": (("FIBRINO", 1),),
}
NOT_COUNTED = frozenset({"VITALS_8H", "AE", "CONMED"})


def lacking(procedures: Iterable[str], recorded: Mapping[str, int]) -> tuple[str, ...]:
    """The procedures of the day that are not recorded, or not as often as they are asked for.

    >>> lacking(("CRS_ICANS_2", "AE"), {"CRS": 2, "ICANS": 1})
    ('CRS_ICANS_2',)
    """
    return tuple(one for one in procedures if one not in NOT_COUNTED and not _is_recorded(one, recorded))


def _is_recorded(procedure: str, recorded: Mapping[str, int]) -> bool:
    needed = NEEDED.get(procedure, ())
    return bool(needed) and all(recorded.get(what, 0) >= times for what, times in needed)


def is_complete(procedures: Iterable[str], recorded: Mapping[str, int]) -> bool:
    """Nothing lacks, and something was asked for that can be counted at all."""
    asked = tuple(procedures)
    return not lacking(asked, recorded) and any(one in NEEDED for one in asked)
