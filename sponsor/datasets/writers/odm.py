"""CDISC ODM 1.3.2, transactional: each change of a row as it was made, by whom, when, and what was signed.

Source: CDISC, Specification for the Operational Data Model, version 1.3.2, sections 2.7 and 3.1.4. Pure: from plain
descriptions to elements; `sponsor.datasets.odm` reads them from the trail.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from sponsor.datasets.writers.common import xml_text

NAMESPACE = "http://www.cdisc.org/ns/odm/v1.3"
E = ElementMaker(namespace=NAMESPACE, nsmap={None: NAMESPACE})
Node = Any

# All rows of a participant stand in one event of the study, a form for each kind of row.
EVENT = "SE.RECORD"
WITHHELD = "withheld"


class Kind(StrEnum):
    """What a transaction does; the words are those of ODM."""

    INSERT = "Insert"
    UPDATE = "Update"
    REMOVE = "Remove"
    CONTEXT = "Context"


@dataclass(frozen=True)
class Item:
    """`type` is ODM's; `length` in letters, of texts and numbers; `choices` are values with their words."""

    oid: str
    name: str
    label: str
    type: str
    length: int = 0
    digits: int = 0
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Form:
    oid: str
    name: str
    items: tuple[Item, ...]

    @property
    def group_oid(self) -> str:
        return f"IG{self.oid.removeprefix('F')}"


@dataclass(frozen=True)
class Header:
    study_oid: str
    study_name: str
    title: str
    version_oid: str
    version: str
    at: dt.datetime
    software: tuple[str, str]
    users: tuple[str, ...]
    # Codes of sites.
    locations: tuple[str, ...]
    # Meanings of signatures with their words.
    meanings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stamp:
    """Who made a change, where, when and why; `source` is the number of the entry in the trail."""

    user: str
    location: str
    at: dt.datetime
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Signed:
    meaning: str
    stamp: Stamp


@dataclass(frozen=True)
class Change:
    """One transaction on one row. `values` are texts by item; None is a value that was taken away."""

    key: str
    kind: Kind
    stamp: Stamp | None = None
    values: dict[str, str | None] = field(default_factory=dict)
    signed: Signed | None = None


@dataclass(frozen=True)
class Person:
    """A participant with the changes of their rows by form; `removed` where the participant is void."""

    key: str
    location: str
    changes: dict[str, list[Change]]
    removed: Change | None = None


class Document:
    """An open file: participants are written one after the other, none is kept."""

    def __init__(self, file: Any, header: Header, forms: Iterable[Form]) -> None:
        self._file, self._header = file, header
        self._groups = {form.oid: form.group_oid for form in forms}

    def add(self, person: Person) -> None:
        with self._subject(person, Kind.INSERT):
            self._file.write(E.SiteRef(LocationOID=location_oid(person.location)))
            with self._file.element(_tag("StudyEventData"), StudyEventOID=EVENT, TransactionType=Kind.INSERT):
                for form, changes in person.changes.items():
                    self._form(form, changes)
        if person.removed is not None:
            with self._subject(person, Kind.REMOVE):
                self._file.write(*_told(person.removed))

    def _subject(self, person: Person, kind: Kind) -> Any:
        return self._file.element(_tag("SubjectData"), SubjectKey=person.key, TransactionType=kind)

    def _form(self, form: str, changes: list[Change]) -> None:
        with self._file.element(_tag("FormData"), FormOID=form, TransactionType=Kind.INSERT):
            for change in changes:
                self._file.write(_transaction(self._groups[form], change))


@contextmanager
def opened(path: Path, header: Header, forms: tuple[Form, ...]) -> Iterator[Document]:
    """The document with everything but its participants; complete when the context ends."""
    with etree.xmlfile(str(path), encoding="UTF-8") as file:
        file.write_declaration()
        with file.element(_tag("ODM"), _root(header), nsmap={None: NAMESPACE}):
            file.write(_study(header, forms))
            file.write(_admin(header))
            data = {"StudyOID": header.study_oid, "MetaDataVersionOID": header.version_oid}
            with file.element(_tag("ClinicalData"), data):
                yield Document(file, header, forms)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _root(header: Header) -> dict[str, str]:
    name, version = header.software
    return {
        "FileType": "Transactional",
        "Granularity": "AllClinicalData",
        "FileOID": f"{header.study_oid}.audit.{header.at:%Y%m%dT%H%M%S}",
        "CreationDateTime": _moment(header.at),
        "AsOfDateTime": _moment(header.at),
        "ODMVersion": "1.3.2",
        "Originator": name,
        "SourceSystem": name,
        "SourceSystemVersion": version,
    }


def _moment(at: dt.datetime) -> str:
    return at.isoformat(timespec="seconds")


# --- What the rows are --------------------------------------------------------------------------------


def _study(header: Header, forms: tuple[Form, ...]) -> Node:
    names = E.GlobalVariables(
        E.StudyName(header.study_name), E.StudyDescription(xml_text(header.title)), E.ProtocolName(header.study_name)
    )
    return E.Study(names, _version(header, forms), OID=header.study_oid)


def _version(header: Header, forms: tuple[Form, ...]) -> Node:
    items = [one for form in forms for one in form.items]
    refs = [E.FormRef(FormOID=form.oid, OrderNumber=str(place), Mandatory="No") for place, form in _counted(forms)]
    return E.MetaDataVersion(
        E.Protocol(E.StudyEventRef(StudyEventOID=EVENT, OrderNumber="1", Mandatory="Yes")),
        E.StudyEventDef(*refs, OID=EVENT, Name="Records", Repeating="No", Type="Common"),
        *(_form(form) for form in forms),
        *(_group(form) for form in forms),
        *(_item(one) for one in items),
        *(_codelist(one) for one in items if one.choices),
        OID=header.version_oid,
        Name=f"Protocol version {header.version}",
    )


def _counted(things: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(things, start=1)


def _form(form: Form) -> Node:
    ref = E.ItemGroupRef(ItemGroupOID=form.group_oid, OrderNumber="1", Mandatory="No")
    return E.FormDef(ref, OID=form.oid, Name=form.name, Repeating="No")


def _group(form: Form) -> Node:
    refs = [E.ItemRef(ItemOID=one.oid, OrderNumber=str(place), Mandatory="No") for place, one in _counted(form.items)]
    return E.ItemGroupDef(*refs, OID=form.group_oid, Name=form.name, Repeating="Yes", IsReferenceData="No")


def _item(item: Item) -> Node:
    node = E.ItemDef(_words("Question", item.label), OID=item.oid, Name=item.name, DataType=item.type)
    if item.length:
        node.set("Length", str(item.length))
    if item.digits:
        node.set("SignificantDigits", str(item.digits))
    if item.choices:
        node.append(E.CodeListRef(CodeListOID=_list_oid(item)))
    return node


def _list_oid(item: Item) -> str:
    return f"CL.{item.oid}"


def _codelist(item: Item) -> Node:
    terms = [E.CodeListItem(_words("Decode", words), CodedValue=value) for value, words in item.choices]
    return E.CodeList(*terms, OID=_list_oid(item), Name=item.name, DataType=item.type)


def _words(tag: str, text: str) -> Node:
    translated = E.TranslatedText(xml_text(text))
    translated.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    return E(tag, translated)


def _admin(header: Header) -> Node:
    """People are numbers here: who they are, the site knows."""
    return E.AdminData(
        *(E.User(OID=user_oid(one), UserType="Other") for one in header.users),
        *(_location(one, header) for one in header.locations),
        *(_meaning(*one) for one in header.meanings),
        StudyOID=header.study_oid,
    )


def _location(code: str, header: Header) -> Node:
    ref = E.MetaDataVersionRef(
        StudyOID=header.study_oid, MetaDataVersionOID=header.version_oid, EffectiveDate=f"{header.at:%Y-%m-%d}"
    )
    return E.Location(ref, OID=location_oid(code), Name=code, LocationType="Site")


def _meaning(meaning: str, words: str) -> Node:
    reason = "The person's own password, given at the moment of signing; bound to the content by a keyed hash."
    return E.SignatureDef(
        E.Meaning(xml_text(words)), E.LegalReason(reason), OID=_meaning_oid(meaning), Methodology="Electronic"
    )


def user_oid(user: str) -> str:
    return f"USR.{user}"


def location_oid(code: str) -> str:
    return f"LOC.{code}"


def _meaning_oid(meaning: str) -> str:
    return f"SIG.{meaning.replace(' ', '_').upper()}"


# --- Changes ------------------------------------------------------------------------------------------


def _transaction(group: str, change: Change) -> Node:
    values = (_value(oid, value) for oid, value in change.values.items())
    return E.ItemGroupData(
        *_told(change),
        *values,
        ItemGroupOID=group,
        ItemGroupRepeatKey=change.key,
        TransactionType=change.kind,
    )


def _told(change: Change) -> Iterator[Node]:
    if change.stamp is not None:
        yield _audit(change.stamp)
    if change.signed is not None:
        yield _signature(change.signed)


def _value(oid: str, value: str | None) -> Node:
    if value is None:
        return E.ItemData(ItemOID=oid, IsNull="Yes")
    return E.ItemData(ItemOID=oid, Value=xml_text(value))


def _audit(stamp: Stamp) -> Node:
    record = E.AuditRecord(*_by(stamp), E.DateTimeStamp(_moment(stamp.at)))
    if stamp.reason:
        record.append(E.ReasonForChange(xml_text(stamp.reason)))
    if stamp.source:
        record.append(E.SourceID(stamp.source))
    return record


def _by(stamp: Stamp) -> tuple[Node, Node]:
    return E.UserRef(UserOID=user_oid(stamp.user)), E.LocationRef(LocationOID=location_oid(stamp.location))


def _signature(signed: Signed) -> Node:
    ref = E.SignatureRef(SignatureOID=_meaning_oid(signed.meaning))
    return E.Signature(*_by(signed.stamp), ref, E.DateTimeStamp(_moment(signed.stamp.at)))
