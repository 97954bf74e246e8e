"""EX and EC: the cells and the lymphodepletion. EX in the protocol's units, EC as it was collected.

The cells: 10^6 cells, and the volume that ran in. Lymphodepletion: mg/m2, and mg; a dose that was left out is told in
EC alone.
"""

from collections.abc import Iterator
from decimal import Decimal

from sponsor.datasets.sdtm.rows import Link, Row, Values, number, plain, supps
from sponsor.datasets.sdtm.subject import Cells, Dose, Subject
from sponsor.datasets.sdtm.trial import Trial

CELLS = "AUTOLOGOUS CD19 CAR-T CELLS"
CELLS_UNIT = "10^6 Therapeutic Cells"


def exposure(subject: Subject, trial: Trial) -> Iterator[Row]:
    for dose in subject.doses:
        if dose.is_given and dose.given_mg:
            per_m2 = (dose.given_mg / dose.bsa_m2).quantize(Decimal("0.01"))
            level = supps(("EXLEVEL", "Planned Dose Level (mg/m2)", plain(dose.mg_m2), "Protocol"))
            yield Row(_given("EX", subject, _drug(dose, trial), dose, number(per_m2), "mg/m2"), dose.key, level)
    for one in subject.infusions:
        yield Row(
            {**_infused("EX", subject, one, number((one.dose_e8 * 100).quantize(Decimal("0.000001"))), CELLS_UNIT)},
            one.key,
            supps(
                ("EXDOSBND", "Dose Band", one.band.upper().replace("_", " "), "Derived"),
                ("EXOCCAS", "Occasion of Infusion", one.occasion.upper(), "Collected"),
                ("EXINTRPT", "Number of Interruptions", one.interruptions or "", "Derived"),
            ),
        )


def collected(subject: Subject, trial: Trial) -> Iterator[Row]:
    for dose in subject.doses:
        name = _drug(dose, trial)
        if dose.is_given and dose.given_mg:
            values = _given("EC", subject, name, dose, number(dose.given_mg), "mg")
            planned = supps(("ECPLANMG", "Planned Dose (mg)", plain(dose.planned_mg), "Derived"))
            yield Row({**values, "ECPRESP": "Y", "ECOCCUR": "Y"}, dose.key, planned)
        else:
            yield Row(
                {
                    "USUBJID": subject.usubjid,
                    "ECTRT": name,
                    "ECCAT": "LYMPHODEPLETION",
                    "ECPRESP": "Y",
                    "ECOCCUR": "N",
                    "ECREASOC": dose.reason,
                    "ECSTDTC": dose.planned_on,
                },
                dose.key,
            )
    for one in subject.infusions:
        amount = (number(one.volume_ml), "mL") if one.volume_ml else (number(one.dose_e8 * 100), CELLS_UNIT)
        yield Row({**_infused("EC", subject, one, *amount), "ECPRESP": "Y", "ECOCCUR": "Y"}, one.key)


def links(subject: Subject) -> Iterator[Link]:
    """Each administration with the record that it was made of."""
    for key in (*(one.key for one in subject.doses), *(one.key for one in subject.infusions)):
        yield Link(("EX", key), ("EC", key))


def _drug(dose: Dose, trial: Trial) -> str:
    return trial.drugs.get(dose.drug, dose.drug).upper()


def _given(of: str, subject: Subject, name: str, dose: Dose, amount: int | float | None, unit: str) -> Values:
    return {
        "USUBJID": subject.usubjid,
        f"{of}TRT": name,
        f"{of}CAT": "LYMPHODEPLETION",
        f"{of}DOSE": amount,
        f"{of}DOSU": unit,
        f"{of}DOSFRM": "INJECTION, SOLUTION",
        f"{of}DOSFRQ": "ONCE",
        f"{of}ROUTE": "INTRAVENOUS",
        f"{of}STDTC": dose.at,
        f"{of}ENDTC": dose.at,
    }


def _infused(of: str, subject: Subject, one: Cells, amount: int | float | None, unit: str) -> Values:
    return {
        "USUBJID": subject.usubjid,
        f"{of}TRT": CELLS,
        f"{of}CAT": "CAR-T",
        f"{of}DOSE": amount,
        f"{of}DOSU": unit,
        f"{of}DOSFRM": "INJECTION, SUSPENSION",
        f"{of}DOSFRQ": "ONCE",
        f"{of}ROUTE": "INTRAVENOUS",
        f"{of}LOT": one.lot,
        f"{of}STDTC": one.start,
        f"{of}ENDTC": one.end or one.start,
    }
