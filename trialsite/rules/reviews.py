"""When the rights of a site's people fall due for review.

Source: EU GMP Annex 11, 11 (periodic evaluation) and 12; how often is a policy choice [P] of the study file. A site
that was never reviewed is due at once: nobody has looked yet.
"""

import datetime as dt

# Whoever was told and did nothing is told again after so many days.
TOLD_AGAIN_DAYS = 30


def due_on(last: dt.date | None, every_days: int) -> dt.date | None:
    """The day from which the next review is due; None where there was none yet: it is due now."""
    return None if last is None else last + dt.timedelta(days=every_days)


def is_due(last: dt.date | None, every_days: int, today: dt.date) -> bool:
    due = due_on(last, every_days)
    return due is None or today >= due


def reminder(last: dt.date | None, every_days: int, today: dt.date) -> int | None:
    """The number of the reminder that is owed, from 0; None while nothing is due. A first review is asked for once."""
    due = due_on(last, every_days)
    if due is None:
        return 0
    return (today - due).days // TOLD_AGAIN_DAYS if today >= due else None
