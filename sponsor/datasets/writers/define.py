"""Define-XML 2.1: what the datasets hold, beside them. The leaves point to the Dataset-JSON files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from sponsor.datasets.model import Dataset, Kind, Origin, Package, Staged, Variable
from sponsor.datasets.scope import Tick
from sponsor.datasets.writers import common, terms, values
from sponsor.datasets.writers.common import xml_text

ODM, DEF, XLINK = "http://www.cdisc.org/ns/odm/v1.3", "http://www.cdisc.org/ns/def/v2.1", "http://www.w3.org/1999/xlink"
O = ElementMaker(namespace=ODM, nsmap={None: ODM, "def": DEF, "xlink": XLINK})  # noqa: E741  # beside D
D = ElementMaker(namespace=DEF, nsmap={None: ODM, "def": DEF, "xlink": XLINK})
Node = Any

VERSION = "2.1.0"
GUIDE, TERMINOLOGY = "STD.SDTMIG", "STD.CT"
# A date may be known in part.
TYPES = {Kind.DATE: "partialDate", Kind.DATETIME: "partialDatetime"}
SOURCES = {Origin.COLLECTED: "Investigator"}
# Which of the values together name a subject: a dataset with these keys alone has one row for each.
OF_A_SUBJECT = frozenset({"STUDYID", "USUBJID", "SUBJID"})
UTF8 = (
    "Texts in transport files (XPT) are encoded in UTF-8. The first text of a narrow dataset is padded there, so that "
    "a record is longer than 80 bytes."
)


def _def(**values: str) -> dict[str, str]:
    return {f"{{{DEF}}}{name}": value for name, value in values.items()}


def write(package: Package, folder: Path, tick: Tick) -> list[Path]:
    """Raises nothing for data: what no format could hold, the formats themselves refuse."""
    path = folder / "define.xml"
    tick(path.name, 0, 1)
    etree.ElementTree(document(package)).write(path, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    tick(path.name, 1, 1)
    return [path]


def document(package: Package) -> Node:
    name, version = common.source(package)
    return O.ODM(
        O.Study(
            O.GlobalVariables(
                O.StudyName(xml_text(package.study_id)),
                O.StudyDescription(xml_text(package.study_name)),
                O.ProtocolName(xml_text(package.study_id)),
            ),
            _version(package),
            OID=common.study_oid(package),
        ),
        FileType="Snapshot",
        FileOID=f"{package.study_id}.define.{common.stamp(package)}",
        CreationDateTime=common.moment(package),
        AsOfDateTime=common.moment(package),
        ODMVersion="1.3.2",
        Originator=name,
        SourceSystem=name,
        SourceSystemVersion=version,
        **_def(Context="Other"),
    )


def _version(package: Package) -> Node:
    staged = common.written(package)
    lists = terms.used(package)
    variables = [(one, variable) for one in staged for variable in common.shown(one)]
    decided = [pair for one in staged for pair in values.decided(one)]
    each = [one for _variable, found in decided for one in found]
    return O.MetaDataVersion(
        _standards(package),
        *(_value_list(found) for _variable, found in decided),
        *(_where(one) for one in {one.where: one for one in each}.values()),
        *(_group(one) for one in staged),
        *(_item(one, variable, lists) for one, variable in variables),
        *(_value_item(one) for one in each),
        *(_codelist(one) for one in lists.values()),
        *(_own_list(one) for one in each if one.codelist is not None),
        *(_method(one.dataset, variable) for one, variable in variables if variable.origin is Origin.DERIVED),
        *_comments(package, staged, variables),
        OID=common.version_oid(package),
        Name=xml_text(f"{package.study_id}, protocol version {package.protocol_version}"),
        Description=f"Data definitions at {common.moment(package)}",
        **_def(DefineVersion=VERSION, CommentOID="COM.STUDY"),
    )


def _standards(package: Package) -> Node:
    guide = D.Standard(OID=GUIDE, Name="SDTMIG", Type="IG", Version="3.4", Status="Final")
    terminology = D.Standard(
        OID=TERMINOLOGY,
        Name="CDISC/NCI",
        Type="CT",
        PublishingSet="SDTM",
        Version=package.terminology,
        Status="Final",
    )
    return D.Standards(guide, terminology)


def _described(text: str) -> Node:
    translated = O.TranslatedText(xml_text(text))
    translated.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    return O.Description(translated)


# --- Datasets and variables ---------------------------------------------------------------------------


def _group(staged: Staged) -> Node:
    dataset, leaf = staged.dataset, f"LF.{staged.dataset.name}"
    keys = common.key_places(staged)
    file = D.leaf(D.title(f"{dataset.name.lower()}.json"), ID=leaf)
    file.set(f"{{{XLINK}}}href", f"{dataset.name.lower()}.json")
    more = {"CommentOID": _comment_oid(dataset.name)} if dataset.comment else {}
    return O.ItemGroupDef(
        _described(dataset.label),
        *(_ref(staged, one, place, keys) for place, one in enumerate(common.shown(staged), start=1)),
        D.Class(Name=dataset.kind),
        file,
        OID=common.group_oid(dataset.name),
        Domain=dataset.name[4:] if dataset.name.startswith("SUPP") else dataset.name,
        Name=dataset.name,
        Repeating="No" if dataset.is_reference or OF_A_SUBJECT.issuperset(dataset.keys) else "Yes",
        IsReferenceData="Yes" if dataset.is_reference else "No",
        SASDatasetName=dataset.name,
        Purpose="Tabulation",
        **_def(Structure=xml_text(dataset.structure), ArchiveLocationID=leaf, StandardOID=GUIDE, **more),
    )


def _ref(staged: Staged, variable: Variable, place: int, keys: dict[str, int]) -> Node:
    name = staged.dataset.name
    ref = O.ItemRef(
        ItemOID=common.item_oid(name, variable.name),
        OrderNumber=str(place),
        Mandatory="Yes" if variable.core == "Req" else "No",
    )
    if variable.name in keys:
        ref.set("KeySequence", str(keys[variable.name]))
    if variable.origin is Origin.DERIVED:
        ref.set("MethodOID", _method_oid(name, variable))
    if variable.role:
        ref.set("Role", variable.role)
    if variable.name not in staged.filled:
        ref.set(f"{{{DEF}}}HasNoData", "Yes")
    return ref


def _item(staged: Staged, variable: Variable, lists: dict[str, terms.Used]) -> Node:
    name = staged.dataset.name
    item = O.ItemDef(
        _described(variable.label),
        OID=common.item_oid(name, variable.name),
        Name=variable.name,
        SASFieldName=variable.name,
        DataType=TYPES.get(variable.kind, str(variable.kind)),
    )
    if variable.kind not in TYPES:
        item.set("Length", str(common.length_of(staged, variable)))
    if variable.kind is Kind.FLOAT:
        item.set("SignificantDigits", str(staged.places.get(variable.name, 0)))
    if _comment(variable):
        item.set(f"{{{DEF}}}CommentOID", _comment_oid(name, variable))
    if variable.codelist and variable.codelist.name in lists:
        item.append(O.CodeListRef(CodeListOID=_list_oid(variable.codelist.name)))
    item.append(_origin(variable.origin))
    if staged.within.get(variable.name):
        item.append(D.ValueListRef(ValueListOID=_values_oid(name, variable)))
    return item


def _origin(origin: Origin) -> Node:
    return D.Origin(Type=str(origin), Source=SOURCES.get(origin, "Sponsor"))


# --- Values that another variable decides -------------------------------------------------------------


def _values_oid(dataset: str, variable: Variable) -> str:
    return f"VL.{dataset}.{variable.name}"


def _value_list(found: list[values.Decided]) -> Node:
    refs = (
        O.ItemRef(D.WhereClauseRef(WhereClauseOID=one.where), ItemOID=one.oid, OrderNumber=str(place), Mandatory="No")
        for place, one in enumerate(found, start=1)
    )
    return D.ValueListDef(*refs, OID=_values_oid(found[0].dataset, found[0].variable))


def _where(one: values.Decided) -> Node:
    check = O.RangeCheck(O.CheckValue(xml_text(one.test)), Comparator="EQ", SoftHard="Soft")
    check.set(f"{{{DEF}}}ItemOID", common.item_oid(one.dataset, one.decider))
    return D.WhereClauseDef(check, OID=one.where)


def _value_item(one: values.Decided) -> Node:
    item = O.ItemDef(
        _described(one.label),
        OID=one.oid,
        Name=one.variable.name,
        SASFieldName=one.variable.name,
        DataType=str(one.kind),
        Length=str(one.within.longest),
    )
    if one.kind is Kind.FLOAT:
        item.set("SignificantDigits", str(one.within.places))
    if one.codelist is not None:
        item.append(O.CodeListRef(CodeListOID=_list_oid(one.codelist.name)))
    item.append(_origin(one.origin))
    return item


def _own_list(one: values.Decided) -> Node:
    """The words that one test has."""
    assert one.codelist is not None
    return _codelist(terms.Used(one.codelist, is_number=False, terms={term.value: term for term in one.codelist.terms}))


# --- Codelists ----------------------------------------------------------------------------------------


def _list_oid(name: str) -> str:
    return f"CL.{name}"


def _codelist(used: terms.Used) -> Node:
    codelist, told = used.codelist, used.told()
    make = _coded if any(one.term.decode for one in told) else _enumerated
    node = O.CodeList(
        *(make(one, place) for place, one in enumerate(told, start=1)),
        *_alias(codelist.code),
        OID=_list_oid(codelist.name),
        Name=xml_text(codelist.label or codelist.name),
        DataType="integer" if used.is_number else "text",
    )
    name, value = ("StandardOID", TERMINOLOGY) if codelist.code else ("IsNonStandard", "Yes")
    node.set(f"{{{DEF}}}{name}", value)
    return node


def _coded(one: terms.Told, place: int) -> Node:
    decode = O.Decode(*_described(one.term.decode or one.term.value))
    return _numbered(O.CodeListItem(decode, *_alias(one.term.code)), one, place)


def _enumerated(one: terms.Told, place: int) -> Node:
    return _numbered(O.EnumeratedItem(*_alias(one.term.code)), one, place)


def _numbered(node: Node, one: terms.Told, place: int) -> Node:
    node.set("CodedValue", xml_text(one.term.value))
    node.set("OrderNumber", str(place))
    if one.is_extended:
        node.set(f"{{{DEF}}}ExtendedValue", "Yes")
    return node


def _alias(code: str) -> list[Node]:
    return [O.Alias(Context="nci:ExtCodeID", Name=code)] if code else []


# --- Methods and comments -----------------------------------------------------------------------------


def _method_oid(dataset: str, variable: Variable) -> str:
    return f"MT.{dataset}.{variable.name}"


def _method(dataset: Dataset, variable: Variable) -> Node:
    text = variable.method or f"As SDTMIG 3.4 describes {variable.name}."
    return O.MethodDef(
        _described(text),
        OID=_method_oid(dataset.name, variable),
        Name=f"{dataset.name}.{variable.name}",
        Type="Computation",
    )


def _comment(variable: Variable) -> str:
    """How a value that is not computed comes about is a comment: methods are for what is derived."""
    method = "" if variable.origin is Origin.DERIVED else variable.method
    return common.sentences([method, variable.comment])


def _comment_oid(dataset: str, variable: Variable | None = None) -> str:
    return f"COM.{dataset}.{variable.name}" if variable else f"COM.{dataset}"


def _commented(oid: str, text: str) -> Node:
    return D.CommentDef(_described(text), OID=oid)


def _comments(package: Package, staged: list[Staged], variables: list[tuple[Staged, Variable]]) -> Iterator[Node]:
    yield _commented("COM.STUDY", common.sentences([*package.notes, UTF8, *_pending(package)]))
    for one in staged:
        if one.dataset.comment:
            yield _commented(_comment_oid(one.dataset.name), one.dataset.comment)
    for one, variable in variables:
        if text := _comment(variable):
            yield _commented(_comment_oid(one.dataset.name, variable), text)


def _pending(package: Package) -> list[str]:
    rows = [f"{one.dataset} of {one.participant}, {one.row}: {one.reason}" for one in package.pending]
    return [f"Left out because something is pending: {len(rows)} rows. {'; '.join(rows)}."] if rows else []
