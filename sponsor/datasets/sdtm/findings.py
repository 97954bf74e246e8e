"""LB, VS, EG, CV, MB, IS, CP, QS and the performance status: what was measured, and what was not, and why.

A bound stays a bound: "<0.5" is the result as reported and in standard format, and no number stands beside it. Who was
not tested has no result and the reason, where a data manager has released reasons.
"""

from collections.abc import Iterator
from decimal import Decimal

from participants.rules.measures import MEASURES
from sponsor.datasets.sdtm.catalogue import METHOD_OF, METHODS, TESTS, Test, unit_of
from sponsor.datasets.sdtm.rows import Row, Supp, Values, number, plain, supps
from sponsor.datasets.sdtm.subject import Ice, Result, Subject, Vital

# Datasets in which limits of normal have a place.
WITH_LIMITS = ("LB", "IS")
CHOICES = {
    "yes": "Y",
    "no": "N",
    "absent": "NEGATIVE",
    "present": "POSITIVE",
}
ICE_ITEMS = {
    "year": ("ICE01", "ICE-Orientation to Year"),
    "month": ("ICE02", "ICE-Orientation to Month"),
    "city": ("ICE03", "ICE-Orientation to City"),
    "hospital": ("ICE04", "ICE-Orientation to Hospital"),
    "object_1": ("ICE05", "ICE-Naming Object 1"),
    "object_2": ("ICE06", "ICE-Naming Object 2"),
    "object_3": ("ICE07", "ICE-Naming Object 3"),
    "command": ("ICE08", "ICE-Following Commands"),
    "writes": ("ICE09", "ICE-Writing"),
    "counts": ("ICE10", "ICE-Attention"),
}
ICE_TOTAL = ("ICETOT", "ICE-Total Score")
ICE_CATEGORY = "ICE SCORE"


def rows(subject: Subject) -> Iterator[tuple[str, Row]]:
    """Of each dataset, in the order of the measurements."""
    methods = {(one.at, one.code): one.choice for one in subject.results if one.code.endswith("_METHOD")}
    for one in subject.results:
        test = TESTS.get(one.code)
        if test is not None:
            method = METHODS.get(methods.get((one.at, METHOD_OF.get(one.code, "")), ""), "")
            yield test.domain, _finding(subject, one, test, method)
    for vital in subject.vitals:
        yield "VS", _vital(subject, vital)
    for ice in subject.ice:
        for row in _ice(subject, ice):
            yield "QS", row


def _finding(subject: Subject, one: Result, test: Test, method: str) -> Row:
    of = test.domain
    values: Values = {
        "USUBJID": subject.usubjid,
        f"{of}TESTCD": test.code,
        f"{of}TEST": test.name,
        f"{of}DTC": one.at,
        **_where(of, test, method, one),
        **_result(of, one),
    }
    return Row(values, one.key, _supp(of, one))


def _where(of: str, test: Test, method: str, one: Result) -> Values:
    told: Values = {}
    if of in ("LB", "MB", "IS", "RS", "QS"):
        told[f"{of}CAT"] = test.category
    if of in ("LB", "MB", "IS", "CP"):
        told |= {f"{of}SPEC": test.specimen, f"{of}NAM": one.laboratory}
    if of in ("LB", "MB", "IS", "CP", "CV"):
        told[f"{of}METHOD"] = method or test.method
    if of == "CP":
        told["CPMRKSTR"] = test.target
    if of == "IS":
        told["ISBDAGNT"] = test.target
    if of == "LB":
        told["LBFAST"] = "" if one.is_fasting is None else "Y" if one.is_fasting else "N"
    return told


def _result(of: str, one: Result) -> Values:
    if one.is_not_done:
        return {f"{of}STAT": "NOT DONE", f"{of}REASND": one.reason}
    if one.value is None:
        said = CHOICES.get(one.choice, one.choice.upper().replace("_", " ")) or one.day
        return {f"{of}ORRES": said, f"{of}STRESC": said}
    return _number(of, one) if of not in ("QS", "RS") else _score(of, one)


def _score(of: str, one: Result) -> Values:
    """A score has no unit."""
    text = f"{one.sign}{plain(one.value or Decimal(0))}"
    return {f"{of}ORRES": text, f"{of}STRESC": text, f"{of}STRESN": None if one.sign else number(one.value)}


def _number(of: str, one: Result) -> Values:
    assert one.value is not None
    standard = one.value if one.standard is None else one.standard
    measure = MEASURES[one.code]
    values: Values = {
        f"{of}ORRES": f"{one.sign}{plain(one.value)}",
        f"{of}ORRESU": unit_of(one.code, one.unit),
        f"{of}STRESC": f"{one.sign}{plain(standard)}",
        f"{of}STRESN": None if one.sign else number(standard),
        f"{of}STRESU": unit_of(one.code, one.unit if one.standard is None else measure.unit),
    }
    if of in WITH_LIMITS and not one.sign:
        values |= _limits(of, one, standard)
    return values


def _limits(of: str, one: Result, standard: Decimal) -> Values:
    """Limits belong to numbers: the standard has none beside a bound."""
    return {
        f"{of}ORNRLO": "" if one.low is None else plain(one.low),
        f"{of}ORNRHI": "" if one.high is None else plain(one.high),
        f"{of}STNRLO": number(one.standard_low),
        f"{of}STNRHI": number(one.standard_high),
        f"{of}NRIND": _indicator(standard, one.standard_low, one.standard_high),
    }


def _indicator(value: Decimal, low: Decimal | None, high: Decimal | None) -> str:
    """Where it lies, as far as the limits that are there tell: below one that is not there nobody can say."""
    if low is not None and value < low:
        return "LOW"
    if high is not None and value > high:
        return "HIGH"
    return "" if low is None and high is None else "NORMAL"


def _supp(of: str, one: Result) -> tuple[Supp, ...]:
    """Limits that stood beside a bound."""
    if of not in WITH_LIMITS or not one.sign:
        return ()
    unit = unit_of(one.code, one.unit)
    limits = [plain(limit) if limit is not None else "" for limit in (one.low, one.high)]
    return supps(
        (
            "NRLOBND",
            "Lower Limit of Normal beside a Bound",
            f"{limits[0]} {unit}".strip() if limits[0] else "",
            "Collected",
        ),
        (
            "NRHIBND",
            "Upper Limit of Normal beside a Bound",
            f"{limits[1]} {unit}".strip() if limits[1] else "",
            "Collected",
        ),
    )


def _vital(subject: Subject, one: Vital) -> Row:
    test, unit = TESTS[one.code], unit_of(one.code, MEASURES[one.code].unit)
    text = plain(one.value)
    return Row(
        {
            "USUBJID": subject.usubjid,
            "VSTESTCD": test.code,
            "VSTEST": test.name,
            "VSORRES": text,
            "VSORRESU": unit,
            "VSSTRESC": text,
            "VSSTRESN": number(one.value),
            "VSSTRESU": unit,
            "VSDTC": one.at,
        },
        one.key,
    )


# --- ICE -----------------------------------------------------------------------------------------------


def _ice(subject: Subject, one: Ice) -> Iterator[Row]:
    """Ten items of one point each and their total; somebody who could not be tested scores 0, which is no item's."""
    common: Values = {"USUBJID": subject.usubjid, "QSCAT": ICE_CATEGORY, "QSDTC": one.at}
    code, name = ICE_TOTAL
    if one.performed == "yes":
        for item, answer in one.points:
            if answer is not None:
                point = str(int(answer))
                values = {"QSTESTCD": ICE_ITEMS[item][0], "QSTEST": ICE_ITEMS[item][1]}
                result: Values = {"QSORRES": point, "QSSTRESC": point, "QSSTRESN": int(answer)}
                yield Row({**common, **values, **result}, f"{one.key}:{item}")
    if one.total is not None:
        total = {"QSTESTCD": code, "QSTEST": name, "QSORRES": str(one.total), "QSSTRESC": str(one.total)}
        why = "" if one.performed == "yes" else one.performed.upper().replace("_", " ")
        yield Row(
            {**common, **total, "QSSTRESN": one.total},
            f"{one.key}:total",
            supps(("ICEUNABL", "Why ICE Could Not Be Performed", why, "Collected")),
        )
    elif one.performed == "not_done":
        not_done = {"QSTESTCD": code, "QSTEST": name, "QSSTAT": "NOT DONE", "QSREASND": one.reason}
        yield Row({**common, **not_done}, f"{one.key}:total")
