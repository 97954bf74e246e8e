"""What a cell of a table may hold, so that no text runs as a formula and nothing is lost without a word.

A cell that a spreadsheet would calculate is a way into the reader's machine (OWASP, CSV injection).
"""

import re

# Chinese Excel reads the full-width signs as the narrow ones.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
# Excel's own limits: a longer text would be left out without a word, further rows an error.
CELL_LENGTH, SHEET_NAME_LENGTH, SHEET_ROWS = 32767, 31, 1_048_576
TEXT_STAYS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def inert(text: str) -> str:
    """A text for CSV, with an apostrophe before what a spreadsheet would calculate; a plain number stays one."""
    if text.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text
