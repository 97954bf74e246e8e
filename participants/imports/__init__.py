"""Reading a laboratory's file: from bytes to rows, from cells to answers, and what becomes of each row.

Nothing here touches the database: what it says already about a file's participants is handed in as `Known`.
"""

from participants.imports.cells import Known, Reading, numbers_of, study_number, understood
from participants.imports.download import fates_file, handed_back, harmless, kept_rows, template_file
from participants.imports.fates import BLOCKING, FATE_NAMES, FINE, Fate, Judged, Row, counted, judged, taken, why_not
from participants.imports.file import (
    COLUMNS,
    FREE,
    MAX_MEGABYTES,
    MAX_ROWS,
    REQUIRED,
    check_size,
    ending,
    inspected,
    is_ours,
    lines,
    sayings,
)
from participants.imports.layout import Answers, Layout, Questions, Table, Written, questions_of, table_of, written
from participants.imports.sheets import Sheet, as_json, from_json, read_sheets

__all__ = [
    "BLOCKING",
    "COLUMNS",
    "FATE_NAMES",
    "FINE",
    "FREE",
    "MAX_MEGABYTES",
    "MAX_ROWS",
    "REQUIRED",
    "Answers",
    "Fate",
    "Judged",
    "Known",
    "Layout",
    "Questions",
    "Reading",
    "Row",
    "Sheet",
    "Table",
    "Written",
    "as_json",
    "check_size",
    "counted",
    "ending",
    "fates_file",
    "from_json",
    "handed_back",
    "harmless",
    "inspected",
    "is_ours",
    "judged",
    "kept_rows",
    "lines",
    "numbers_of",
    "questions_of",
    "read_sheets",
    "sayings",
    "study_number",
    "table_of",
    "taken",
    "template_file",
    "understood",
    "why_not",
    "written",
]
