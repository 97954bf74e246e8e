"""What ICH's schema says against a case report. It is HL7's and not shipped: a site names the folder of its copy."""

from functools import cache
from pathlib import Path

from lxml import etree

# The root of the package of schemas, wherever in the folder it lies.
ROOT = "MCCI_IN200100UV01.xsd"


class NoSchema(ValueError):
    """The folder holds no schema that can be read."""


def against_schema(body: bytes, folder: Path) -> list[str]:
    """A line for each thing that the schema does not accept, with its place; empty: the file is valid.

    Raises NoSchema for a folder without it.
    """
    schema = _schema(folder)
    schema.validate(etree.fromstring(body))
    return [f"{one.line}: {one.message}" for one in schema.error_log]


@cache
def _schema(folder: Path) -> etree.XMLSchema:
    root = min(folder.rglob(ROOT), default=None)
    if root is None:
        raise NoSchema(f"{folder}: {ROOT} is not there")
    try:
        return etree.XMLSchema(etree.parse(root))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise NoSchema(f"{root}: {error}") from None
