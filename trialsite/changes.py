"""Up to which moment all changes of records can be read: what readers of changes need so as not to lose one.

A row's `modified_at` is the database's clock at the write, and the row is seen only after the commit: somebody slower
may commit an earlier moment later. Each transaction that writes a record therefore holds a shared lock from before its
first write until its commit (the trigger "announce"), with the second in which it began as the lock's number. Who looks
at the clock first, then at these locks, and reads the rows after both, misses nothing from before all of them.

The locks are seen by every login, hold only for this database, and stay with a prepared transaction. Only a clock that
is set back can put a change before a moment that was complete: `OVERLAP` covers the steps that happen.
"""

import datetime as dt

from django.db import connection

from trialsite.models import WRITERS

# How far a reader goes back behind what it has read in full: more than the step by which a clock is set right.
OVERLAP = dt.timedelta(minutes=1)

ALL_COMMITTED_BEFORE = f"""
SELECT LEAST(
    statement_timestamp(),
    (
        SELECT min('2000-01-01Z'::TIMESTAMPTZ + make_interval(secs => objid::BIGINT))
        FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND classid = {WRITERS} AND objsubid = 2
            AND datname = current_database() AND pid IS DISTINCT FROM pg_backend_pid()
    )
)
"""


def horizon() -> dt.datetime:
    """The moment before which every change is committed. Ask before the rows are read, outside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(ALL_COMMITTED_BEFORE)
        (moment,) = cursor.fetchone()
    return moment
