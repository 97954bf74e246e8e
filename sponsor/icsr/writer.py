"""A report as XML: the HL7 v3 message of ICH E2B(R3), for one case.

Of equal content the bytes are equal: ids of reactions and drugs come from the number of the report, and no clock is
read. The order of elements is that of the schema. It is written from the ICH list of elements and the published order
of their elements; the schema itself belongs to HL7 and is not part of this project.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from lxml import etree
from lxml.builder import ElementMaker

from sponsor.icsr.model import (
    Assessment,
    Batch,
    Coded,
    Death,
    Dosage,
    Drug,
    Icsr,
    LabTest,
    Native,
    NullFlavor,
    Patient,
    Reaction,
    Sender,
    Source,
    Study,
    When,
)

HL7, XSI = "urn:hl7-org:v3", "http://www.w3.org/2001/XMLSchema-instance"
TYPE = f"{{{XSI}}}type"
E = ElementMaker(namespace=HL7, nsmap={None: HL7, "xsi": XSI})
Node = Any

ICH = "2.16.840.1.113883.3.989.2.1"
INTERACTION, TRIGGER, ACT_CODE = "2.16.840.1.113883.1.6", "2.16.840.1.113883.1.18", "2.16.840.1.113883.5.4"
MEDDRA, COUNTRIES, SEXES = "2.16.840.1.113883.6.163", "1.0.3166.1.2.2", "1.0.5218"
# Which side of normal a limit is: HL7's list of interpretations.
SIDES = "2.16.840.1.113883.5.83"
# Ids under ICH's arc 3, code lists under its arc 1.
REPORT, CASE, INVESTIGATION = f"{ICH}.3.1", f"{ICH}.3.2", f"{ICH}.3.10"
ZONE = ZoneInfo("Asia/Shanghai")
SPACE = uuid.UUID("9f0c5ee6-3c6e-5e0a-8f5b-6a5c5e2f7d10")
CRITERIA = (
    ("34", "death"),
    ("21", "life_threatening"),
    ("33", "hospitalisation"),
    ("35", "disability"),
    ("12", "congenital_anomaly"),
    ("26", "other"),
)


def _list(number: int) -> str:
    return f"{ICH}.1.{number}"


def write(batch: Batch) -> bytes:
    """The file's bytes, in UTF-8. Whether anything is missing is asked of `rules` before."""
    root = E.MCCI_IN200100UV01(
        E.id(extension=batch.number, root=f"{ICH}.3.22"),
        E.creationTime(value=moment(batch.transmitted_at)),
        E.responseModeCode(code="D"),
        E.interactionId(extension="MCCI_IN200100UV01", root=INTERACTION),
        E.name(code="1", codeSystem=_list(1)),
        _message(batch),
        _device("receiver", "RCV", batch.receiver, f"{ICH}.3.14"),
        _device("sender", "SND", batch.sender, f"{ICH}.3.13"),
        ITSVersion="XML_1.0",
    )
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def moment(at: dt.datetime) -> str:
    """To the second, with the zone of the site."""
    return f"{at.astimezone(ZONE):%Y%m%d%H%M%S%z}"


def when(value: When) -> str:
    """As far as it is known: 202603 is a month. A moment is known to the minute."""
    return f"{value.astimezone(ZONE):%Y%m%d%H%M%z}" if isinstance(value, dt.datetime) else str(value).replace("-", "")


# --- small pieces --------------------------------------------------------------------------------------


def _device(tag: str, kind: str, name: str, root: str) -> Node:
    device = E.device(E.id(extension=name, root=root), classCode="DEV", determinerCode="INSTANCE")
    return E(tag, device, typeCode=kind)


def _code(code: str, number: int) -> Node:
    return E.code(code=code, codeSystem=_list(number))


def _ce(code: str, system: str, *children: Node, **more: str) -> Node:
    return E.value(*children, {TYPE: "CE", "code": code, "codeSystem": system, **more})


def _bl(value: bool | NullFlavor) -> Node:
    if isinstance(value, NullFlavor):
        return E.value({TYPE: "BL", "nullFlavor": str(value)})
    return E.value({TYPE: "BL", "value": "true" if value else "false"})


def _typed(kind: str, text: str, **more: str) -> Node:
    return E.value(text, {TYPE: kind, **more})


def _pq(value: object, unit: str) -> Node:
    return E.value({TYPE: "PQ", "value": str(value), "unit": unit})


def _act(tag: str, *children: Node, kind: str = "OBS") -> Node:
    return E(tag, *children, classCode=kind, moodCode="EVN")


def _observation(code: str, *children: Node) -> Node:
    return _act("observation", _code(code, 19), *children)


def _about(observation: Node) -> Node:
    return E.subjectOf2(observation, typeCode="SBJ")


def _assigned(*children: Node) -> Node:
    return E.author(E.assignedEntity(*children, classCode="ASSIGNED"), typeCode="AUT")


def _organisation(name: str) -> Node:
    """An organisation stands behind a department; ours has none."""
    inner = E.representedOrganization(E.name(name), classCode="ORG", determinerCode="INSTANCE")
    entity = E.assignedEntity(inner, classCode="ASSIGNED")
    return E.representedOrganization(entity, classCode="ORG", determinerCode="INSTANCE")


def _located(country: str) -> Node:
    place = E.location(E.code(code=country, codeSystem=COUNTRIES), classCode="COUNTRY", determinerCode="INSTANCE")
    return E.asLocatedEntity(place, classCode="LOCE")


def _id_of(case: Icsr, kind: str, key: str) -> Node:
    return E.id(root=str(uuid.uuid5(SPACE, f"{case.report_id}|{kind}|{key}")))


# --- N.2.r and C ---------------------------------------------------------------------------------------


def _message(batch: Batch) -> Node:
    created = batch.icsr.created_at
    act = E.controlActProcess(
        E.code(code="PORR_TE049016UV", codeSystem=TRIGGER),
        E.effectiveTime(value=moment(created)),
        E.subject(_investigation(batch.icsr), typeCode="SUBJ"),
        classCode="CACT",
        moodCode="EVN",
    )
    return E.PORR_IN049016UV(
        E.id(extension=batch.message_id, root=REPORT),
        E.creationTime(value=moment(created)),
        E.interactionId(extension="PORR_IN049016UV", root=INTERACTION),
        E.processingCode(code="P"),
        E.processingModeCode(code="T"),
        E.acceptAckCode(code="AL"),
        _device("receiver", "RCV", batch.receiver, f"{ICH}.3.12"),
        _device("sender", "SND", batch.sender, f"{ICH}.3.11"),
        act,
    )


def _investigation(case: Icsr) -> Node:
    return _act(
        "investigationEvent",
        E.id(extension=case.report_id, root=REPORT),
        E.id(extension=case.worldwide_id, root=CASE),
        E.code(code="PAT_ADV_EVNT", codeSystem=ACT_CODE),
        E.text(case.narrative),
        E.statusCode(code="active"),
        E.effectiveTime(E.low(value=moment(case.first_received))),
        E.availabilityTime(value=moment(case.most_recent)),
        E.component(_assessment(case), typeCode="COMP"),
        _component("1", case.has_documents),
        _component("23", case.is_expedited),
        *(E.component(_native(one), typeCode="COMP") for one in case.native),
        _related("1", _assigned(_code(case.first_sender, 3))),
        *(_source(source) for source in case.sources),
        *([_sender(case.sender)] if case.sender else []),
        *_characteristics(case),
        kind="INVSTG",
    )


def _component(code: str, value: bool | NullFlavor) -> Node:
    return E.component(_act("observationEvent", _code(code, 19), _bl(value)), typeCode="COMP")


def _related(code: str, author: Node, *before: Node) -> Node:
    act = E.controlActEvent(author, classCode="CACT", moodCode="EVN")
    investigation = _act("relatedInvestigation", _code(code, 22), E.subjectOf2(act, typeCode="SUBJ"), kind="INVSTG")
    return E.outboundRelationship(*before, investigation, typeCode="SPRT")


def _source(source: Source) -> Node:
    person = E.assignedPerson(
        E.name(E.given(nullFlavor=NullFlavor.MASKED), E.family(nullFlavor=NullFlavor.MASKED)),
        E.asQualifiedEntity(_code(source.qualification, 6), classCode="QUAL"),
        _located(source.country),
        classCode="PSN",
        determinerCode="INSTANCE",
    )
    primary = [E.priorityNumber(value="1")] if source.is_primary else []
    return _related("2", _assigned(person, _organisation(source.organisation)), *primary)


def _sender(sender: Sender) -> Node:
    person = E.assignedPerson(_located(sender.country), classCode="PSN", determinerCode="INSTANCE")
    author = _assigned(_code(sender.kind, 7), person, _organisation(sender.organisation))
    return E.subjectOf1(E.controlActEvent(author, classCode="CACT", moodCode="EVN"), typeCode="SUBJ")


def _characteristics(case: Icsr) -> Iterator[Node]:
    yield _characteristic("1", _ce(case.report_type, _list(2)))
    yield _characteristic("2", _bl(NullFlavor.NO_INFORMATION))
    if case.change is not None:
        yield _characteristic("3", _ce(case.change, _list(5)))
        yield _characteristic("4", E.value(E.originalText(case.change_reason), {TYPE: "CE"}))


def _characteristic(code: str, value: Node) -> Node:
    return E.subjectOf2(_act("investigationCharacteristic", _code(code, 23), value), typeCode="SUBJ")


# --- D -------------------------------------------------------------------------------------------------


def _assessment(case: Icsr) -> Node:
    return _act(
        "adverseEventAssessment",
        E.subject1(_role(case), typeCode="SBJ"),
        *(E.component(_characterisation(case, drug), typeCode="COMP") for drug in case.drugs),
        *(E.component(one, typeCode="COMP") for one in _causality(case)),
        *_comments(case),
        kind="INVSTG",
    )


def _role(case: Icsr) -> Node:
    return E.primaryRole(
        _player(case.patient),
        E.subjectOf1(_study(case.study), typeCode="SBJ"),
        *(_about(one) for one in _of_patient(case.patient)),
        *(_about(_reaction(case, one)) for one in case.reactions),
        *([_about(_tests(case.tests))] if case.tests else []),
        *([_about(_drugs(case))] if case.drugs else []),
        classCode="INVSBJ",
    )


def _player(patient: Patient) -> Node:
    death = patient.death
    return E.player1(
        E.name(nullFlavor=patient.name),
        *([E.administrativeGenderCode(code=patient.sex, codeSystem=SEXES)] if patient.sex else []),
        E.birthTime(nullFlavor=patient.birth),
        *([_time("deceasedTime", death.on)] if death and death.on else []),
        E.asIdentifiedEntity(E.id(extension=patient.number, root=INVESTIGATION), _code("4", 4), classCode="IDENT"),
        classCode="PSN",
        determinerCode="INSTANCE",
    )


def _time(tag: str, value: When | NullFlavor) -> Node:
    return E(tag, nullFlavor=str(value)) if isinstance(value, NullFlavor) else E(tag, value=when(value))


def _study(study: Study) -> Node:
    registration = _act("studyRegistration", E.id(extension=study.registration, root=f"{ICH}.3.6"), kind="ACT")
    return _act(
        "researchStudy",
        E.id(extension=study.number, root=f"{ICH}.3.5"),
        _code(study.kind, 8),
        E.title(study.name),
        E.authorization(registration, typeCode="AUTH"),
        kind="CLNTRL",
    )


def _of_patient(patient: Patient) -> Iterator[Node]:
    if patient.age_years is not None:
        yield _observation("3", _pq(patient.age_years, "a"))
    if patient.weight_kg is not None:
        yield _observation("7", _pq(patient.weight_kg, "kg"))
    if patient.height_cm is not None:
        yield _observation("17", _pq(patient.height_cm, "cm"))
    if patient.history:
        history = E.component(_observation("18", _typed("ED", patient.history)), typeCode="COMP")
        yield _act("organizer", _code("1", 20), history, kind="CATEGORY")
    if patient.death is not None:
        yield from _death(patient.death)


def _death(death: Death) -> Iterator[Node]:
    if death.cause:
        yield _observation("32", E.value(E.originalText(death.cause), {TYPE: "CE"}))
    if death.autopsy is not None:
        yield _observation("5", _bl(death.autopsy))


# --- E.i -----------------------------------------------------------------------------------------------


def _reaction(case: Icsr, reaction: Reaction) -> Node:
    country = E.code(code=reaction.country, codeSystem=COUNTRIES)
    place = E.locatedPlace(country, classCode="COUNTRY", determinerCode="INSTANCE")
    return _act(
        "observation",
        _id_of(case, "reaction", reaction.key),
        _code("29", 19),
        *_period(reaction.start, reaction.end),
        _term(reaction),
        E.location(E.locatedEntity(place, classCode="LOCE"), typeCode="LOC"),
        *(E.outboundRelationship2(one, typeCode="PERT") for one in _of_reaction(reaction)),
    )


def _period(start: When | None, end: When | None) -> Iterator[Node]:
    bounds = [E(tag, value=when(value)) for tag, value in (("low", start), ("high", end)) if value is not None]
    if bounds:
        yield E.effectiveTime(*bounds, {TYPE: "IVL_TS"})


def _term(reaction: Reaction) -> Node:
    text = E.originalText(reaction.term, language=reaction.language)
    coded = reaction.meddra
    return E.value(text, {TYPE: "CE"}) if coded is None else _meddra(coded, text)


def _meddra(coded: Coded, *children: Node) -> Node:
    return _ce(coded.code, MEDDRA, *children, codeSystemVersion=coded.version)


def _of_reaction(reaction: Reaction) -> Iterator[Node]:
    if reaction.translation:
        yield _observation("30", _typed("ED", reaction.translation))
    for code, name in CRITERIA:
        yield _observation(code, _bl(getattr(reaction.seriousness, name) or NullFlavor.NO_INFORMATION))
    if reaction.outcome is not None:
        yield _observation("27", _ce(reaction.outcome, _list(11)))


# --- F.r -----------------------------------------------------------------------------------------------


def _tests(tests: Iterable[LabTest]) -> Node:
    found = (E.component(_test(test), typeCode="COMP") for test in tests)
    return _act("organizer", _code("3", 20), *found, kind="CATEGORY")


def _test(test: LabTest) -> Node:
    limits = ((test.low, "L"), (test.high, "H"))
    return _act(
        "observation",
        E.code(E.originalText(test.name)),
        E.effectiveTime(value=when(test.at)),
        E.value(*_span(test), {TYPE: "IVL_PQ"}),
        *(_limit(value, test.unit, side) for value, side in limits if value is not None),
    )


def _span(test: LabTest) -> Iterator[Node]:
    """The number itself; of a bound the side on which it lies, without it."""
    value = {"value": f"{test.value:f}", "unit": test.unit}
    if test.sign == "<":
        yield E.low(nullFlavor="NINF")
        yield E.high(inclusive="false", **value)
    elif test.sign == ">":
        yield E.low(inclusive="false", **value)
        yield E.high(nullFlavor="PINF")
    else:
        yield E.center(**value)


def _limit(value: Decimal, unit: str, side: str) -> Node:
    inner = _act("observationRange", _pq(f"{value:f}", unit), E.interpretationCode(code=side, codeSystem=SIDES))
    inner.set("moodCode", "EVN.CRT")
    return E.referenceRange(inner, typeCode="REFV")


# --- G.k -----------------------------------------------------------------------------------------------


def _drugs(case: Icsr) -> Node:
    given = (E.component(_drug(case, drug), typeCode="COMP") for drug in case.drugs)
    return _act("organizer", _code("4", 20), *given, kind="CATEGORY")


def _drug(case: Icsr, drug: Drug) -> Node:
    product = E.kindOfProduct(E.name(drug.name), classCode="MMAT", determinerCode="KIND")
    return _act(
        "substanceAdministration",
        _id_of(case, "drug", drug.key),
        E.consumable(E.instanceOfKind(product, classCode="INST"), typeCode="CSM"),
        *(E.outboundRelationship2(_dosage(one), typeCode="COMP") for one in drug.dosages),
        *_further(case, drug),
        *_why(drug),
        kind="SBADM",
    )


def _dosage(dosage: Dosage) -> Node:
    return _act(
        "substanceAdministration",
        E.text(dosage.text),
        *_period(dosage.start, dosage.end),
        *([E.routeCode(E.originalText(dosage.route))] if dosage.route else []),
        *([E.doseQuantity(value=f"{dosage.amount:f}", unit=dosage.unit)] if dosage.amount is not None else []),
        *([_lot(dosage.lot)] if dosage.lot else []),
        kind="SBADM",
    )


def _lot(lot: str) -> Node:
    instance = E.productInstanceInstance(E.lotNumberText(lot), classCode="MMAT", determinerCode="INSTANCE")
    return E.consumable(E.instanceOfKind(instance, classCode="INST"), typeCode="CSM")


def _further(case: Icsr, drug: Drug) -> Iterator[Node]:
    if drug.recurred is not None:
        for reaction in case.reactions:
            reference = _act("actReference", _id_of(case, "reaction", reaction.key))
            link = E.outboundRelationship1(reference, typeCode="REFR")
            recurred = _observation("31", _ce(drug.recurred, _list(16)), link)
            yield E.outboundRelationship2(recurred, typeCode="PERT")
    if drug.more:
        yield E.outboundRelationship2(_observation("2", _typed("ST", drug.more)), typeCode="REFR")


def _why(drug: Drug) -> Iterator[Node]:
    if drug.indication:
        performer = E.performer(E.assignedEntity(_code("3", 21), classCode="ASSIGNED"), typeCode="PRF")
        value = E.value(E.originalText(drug.indication), {TYPE: "CE"})
        yield E.inboundRelationship(_observation("19", value, performer), typeCode="RSON")
    if drug.action is not None:
        yield E.inboundRelationship(_act("act", _code(drug.action, 15), kind="ACT"), typeCode="CAUS")


def _use(case: Icsr, drug: Drug) -> Node:
    use = _act("productUseReference", _id_of(case, "drug", drug.key), kind="SBADM")
    return E.subject2(use, typeCode="SUBJ")


def _characterisation(case: Icsr, drug: Drug) -> Node:
    value = [_ce(drug.role, _list(13))] if drug.role else []
    return _act("causalityAssessment", _code("20", 19), *value, _use(case, drug))


def _causality(case: Icsr) -> Iterator[Node]:
    for drug in case.drugs:
        for reaction in case.reactions:
            for said in drug.assessments:
                yield _judged(case, drug, reaction, said)


def _judged(case: Icsr, drug: Drug, reaction: Reaction, said: Assessment) -> Node:
    effect = _act("adverseEffectReference", _id_of(case, "reaction", reaction.key))
    return _act(
        "causalityAssessment",
        _code("39", 19),
        _typed("ST", said.result),
        E.methodCode(E.originalText(said.method)),
        _assigned(E.code(E.originalText(said.source))),
        E.subject1(effect, typeCode="SUBJ"),
        _use(case, drug),
    )


# --- H -------------------------------------------------------------------------------------------------


def _comments(case: Icsr) -> Iterator[Node]:
    """H.2 by the reporter, H.4 by the sender."""
    for text, who in ((case.reporter_comments, "3"), (case.sender_comments, "1")):
        if text:
            said = _act("observationEvent", _code("10", 19), _typed("ED", text), _assigned(_code(who, 21)))
            yield E.component1(said, typeCode="COMP")


def _native(native: Native) -> Node:
    """H.5.r: the whole case in another language, as the reporter would tell it."""
    text = _typed("ED", native.text, language=native.language)
    return _act("observationEvent", _code("36", 19), text, _assigned(_code("2", 21)))
