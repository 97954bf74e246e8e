"""Reading a laboratory's file: from bytes to rows, from cells to answers, and what becomes of each row.

Nothing here touches the database: what it says already about a file's participants is handed in as `Known`.
"""

from participants.imports.cells import Known, Reading, numbers_of, study_number, understood
from participants.imports.download import fates_file, harmless, template_file
from participants.imports.fates import BLOCKING, FATE_NAMES, FINE, Fate, Judged, Row, counted, judged, why_not
from participants.imports.file import COLUMNS, MAX_MEGABYTES, MAX_ROWS, REQUIRED, check_size, inspected, lines

__all__ = [
    "BLOCKING",
    "COLUMNS",
    "FATE_NAMES",
    "FINE",
    "MAX_MEGABYTES",
    "MAX_ROWS",
    "REQUIRED",
    "Fate",
    "Judged",
    "Known",
    "Reading",
    "Row",
    "check_size",
    "counted",
    "fates_file",
    "harmless",
    "inspected",
    "judged",
    "lines",
    "numbers_of",
    "study_number",
    "template_file",
    "understood",
    "why_not",
]
