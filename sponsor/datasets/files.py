"""The formats in which a package leaves, by the names under which they are asked for.

Every writer puts its files into the folder, one row in memory at a time, and returns their paths. The same rows give
the same bytes: the moment that a file bears is the cut-off. `Unwritable` tells what a format cannot hold; nothing is
cut to make it fit.
"""

from sponsor.datasets.writers import dataset_json, define, tables, xpt
from sponsor.datasets.writers.common import Problem, Unwritable, Writer, shown, written

__all__ = ["WRITERS", "Problem", "Unwritable", "Writer", "shown", "written"]

WRITERS: dict[str, Writer] = {
    "dataset-json": dataset_json.write,
    "ndjson": dataset_json.write_lines,
    "xpt": xpt.write,
    "define": define.write,
    "csv": tables.write_csv,
    "xlsx": tables.write_xlsx,
}
