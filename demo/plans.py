"""What becomes of each participant, one line for each. Change these to show something else."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """One participant: what becomes of them, and how many days ago they were infused (None: not yet).

    `leaves` names what is left to do, so that each kind of work can be tried; all else is done. `death` is what a
    participant died of, and `is_prolonged` that CRS kept somebody longer in hospital.
    """

    fate: str
    infused_days_ago: int | None = None
    course: str = "none"
    dose: str = "0.5"
    results: dict[str, Any] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    death: str = ""
    is_prolonged: bool = False


PLANS = (
    Plan("died", 455, "severe", death="progression"),
    Plan("follow_up", 430, "mild"),
    Plan("relapsed", 400, "none"),
    Plan("follow_up", 371, "moderate"),
    Plan("screen_failed", results={"BM_BLASTS": "7.5"}),
    Plan("follow_up", 340, "mild"),
    Plan("withdrawn", 300, "none"),
    Plan("follow_up", 276, "icans"),
    Plan("screen_failed", results={"LVEF": "44", "QT": "470"}),
    Plan("relapsed", 250, "mild", "0.3"),
    Plan("follow_up", 221, "none"),
    Plan("lost", 200, "mild"),
    Plan("follow_up", 184, "moderate"),
    Plan("screen_failed", results={"HBVDNA": ("950", None, "20")}),
    Plan("follow_up", 150, "none", "0.65"),
    Plan("follow_up", 121, "mild"),
    Plan("follow_up", 97, "severe"),
    Plan("died", 80, "severe", death="sepsis"),
    Plan("follow_up", 63, "none"),
    Plan("screen_failed", results={"STROKE": "yes"}),
    Plan("follow_up", 45, "icans", "0.22"),
    Plan("infused", 29, "moderate", is_prolonged=True),
    Plan("infused", 21, "mild", leaves=("assessment",)),
    Plan("infused", 12, "icans", leaves=("episode", "review", "question")),
    Plan("infused", 4, "severe"),
    Plan("screen_failed", results={"HBVDNA": ("1800", None, "20"), "PLAT": "61"}),
    Plan("ready"),
    Plan("enrolled"),
    Plan("screening", results={"CD19": "partial", "PLAT": "68", "QT": None, "RR": None, "LVEF": None}),
    Plan("screening"),
)
SMALL = (*PLANS[20:24], *PLANS[25:29])
