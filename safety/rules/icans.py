"""ICANS grade by the ASTCT consensus grading of 2019.

Source: Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, Tables 5 and 6, doi
10.1016/j.bbmt.2018.12.758 (read in the tables that quote it). The highest of five domains wins: ICE (or
CAPD), consciousness, seizure, motor, raised intracranial pressure. ICE from 12 years on, CAPD below (sources
differ at exactly 12: ICE is chosen) or with developmental delay. Tremor and myoclonus are graded by CTCAE.

Policy, where the text is silent [P]: CAPD 0 is no ICANS, 1 to 8 grade 1 (one source prints "below 9"); with
intracranial haemorrhage the oedema and pressure findings are left to CTCAE, flagged; when ICE or CAPD was not
done or only in part, another domain still gives the grade that it shows, flagged, and nothing else gives none;
somebody who cannot be aroused because of sedation has no ICE score, rather than one of 0; a seizure with a
recorded duration counts even where its kind says none; before the infusion there is no ICANS (the ICE score
of that day is the baseline); what nobody looked at (consciousness, seizure, weakness, signs of pressure) is no "no" and
goes like an ICE that was not done; imaging that was not made shows no oedema and no haemorrhage, and the signs decide.

Unverified [M], recalled and not read in the source: CAPD serves up to 21 years where development is delayed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from safety.rules.grading import Graded, Reason, check_range, mark

ICE_FROM_AGE_YEARS = 12
PROLONGED_MINUTES = Decimal(5)
CAPD_SEVERE = 9


class IcePerformed(StrEnum):
    YES = "yes"
    UNABLE_AROUSABLE = "unable_arousable"
    UNABLE_UNAROUSABLE = "unable_unarousable"
    NOT_DONE = "not_done"


class Consciousness(StrEnum):
    ALERT = "alert"
    DROWSY = "drowsy_awakens_spontaneously"
    AWAKENS_TO_VOICE = "awakens_to_voice"
    AWAKENS_ONLY_TO_TACTILE = "awakens_only_to_tactile"
    UNAROUSABLE = "unarousable_or_vigorous"


class Seizure(StrEnum):
    NONE = "none"
    CLINICAL_RESOLVES = "clinical_resolves_rapidly"
    NONCONVULSIVE_RESOLVES = "nonconvulsive_eeg_resolves"
    PROLONGED = "prolonged_life_threatening"
    REPETITIVE = "repetitive_no_return_to_baseline"


class Oedema(StrEnum):
    NONE = "none"
    FOCAL = "focal"
    DIFFUSE = "diffuse"


class PressureSign(StrEnum):
    NONE = "none"
    POSTURING = "decorticate_decerebrate"
    CN6_PALSY = "cn6_palsy"
    PAPILLOEDEMA = "papilloedema"
    CUSHING_TRIAD = "cushing_triad"


class IcansDeath(StrEnum):
    NONE = "none"
    ICANS = "icans"
    OTHER = "other"


CONSCIOUSNESS_GRADE = {
    Consciousness.ALERT: 0,
    Consciousness.DROWSY: 1,
    Consciousness.AWAKENS_TO_VOICE: 2,
    Consciousness.AWAKENS_ONLY_TO_TACTILE: 3,
    Consciousness.UNAROUSABLE: 4,
}
SEIZURE_GRADE = {
    Seizure.NONE: 0,
    Seizure.CLINICAL_RESOLVES: 3,
    Seizure.NONCONVULSIVE_RESOLVES: 3,
    Seizure.PROLONGED: 4,
    Seizure.REPETITIVE: 4,
}
# Any seizure is grade 3 at least.
SEIZURE_OF_UNKNOWN_KIND = 3
OEDEMA_GRADE = {Oedema.NONE: 0, Oedema.FOCAL: 3, Oedema.DIFFUSE: 4}

REASON_TEXT = {
    "before-infusion": mark("Day {day}: before the infusion there is no ICANS."),
    "other-cause": mark("The whole picture has another cause: it is not ICANS, grade 0."),
    "death": mark("Death due to ICANS: grade 5."),
    "ice": mark("ICE score {total} of 10: grade {grade}."),
    "ice-unable": mark("ICE cannot be performed but the participant can be aroused: scored 0, grade 3."),
    "ice-unarousable": mark("ICE score 0 and unarousable: grade 4."),
    "ice-not-done": mark("ICE was not done: this domain cannot be graded."),
    "ice-in-part": mark("ICE was recorded only in part: this domain cannot be graded."),
    "ice-sedated": mark(
        "ICE cannot be performed because the participant cannot be aroused, which has another cause: no score."
    ),
    "capd": mark("CAPD score {score}: grade {grade}."),
    "capd-unarousable": mark("CAPD cannot be assessed, unarousable: grade 4."),
    "capd-not-done": mark("CAPD was not done: this domain cannot be graded."),
    "consciousness-1": mark("Drowsy, awakens spontaneously: grade 1."),
    "consciousness-2": mark("Awakens to voice: grade 2."),
    "consciousness-3": mark("Awakens to touch only: grade 3."),
    "consciousness-4": mark("Unarousable, or only by vigorous or repetitive touch: grade 4."),
    "consciousness-excluded": mark(
        "The depressed consciousness has another cause, such as sedation: it does not count."
    ),
    "seizure-clinical_resolves_rapidly": mark("Clinical seizure that resolves rapidly: grade 3."),
    "seizure-nonconvulsive_eeg_resolves": mark(
        "Non-convulsive seizure on the EEG that resolves with intervention: grade 3."
    ),
    "seizure-prolonged_life_threatening": mark("Prolonged, life-threatening seizure: grade 4."),
    "seizure-repetitive_no_return_to_baseline": mark(
        "Repetitive seizures without return to baseline in between: grade 4."
    ),
    "seizure-none": mark("A seizure of {minutes} minutes is recorded, its kind is not: grade 3."),
    "seizure-long": mark("Seizure of {minutes} minutes (more than 5 minutes): grade 4."),
    "motor": mark("Deep focal motor weakness, such as hemiparesis or paraparesis: grade 4."),
    "oedema-focal": mark("Focal oedema on imaging: grade 3."),
    "oedema-diffuse": mark("Diffuse cerebral oedema on imaging: grade 4."),
    "pressure-decorticate_decerebrate": mark(
        "Decorticate or decerebrate posturing, a sign of raised intracranial pressure: grade 4."
    ),
    "pressure-cn6_palsy": mark("Palsy of the sixth cranial nerve, a sign of raised intracranial pressure: grade 4."),
    "pressure-papilloedema": mark("Papilloedema, a sign of raised intracranial pressure: grade 4."),
    "pressure-cushing_triad": mark("Cushing's triad, a sign of raised intracranial pressure: grade 4."),
    "haemorrhage": mark("Intracranial haemorrhage is graded by CTCAE: its oedema and pressure signs do not count."),
    "consciousness-not-looked-at": mark("Nobody has said yet how awake the participant is: this cannot be graded."),
    "seizure-not-looked-at": mark("Nobody has said yet whether there was a seizure: this cannot be graded."),
    "motor-not-looked-at": mark("Nobody has looked for deep focal weakness yet: this cannot be graded."),
    "icp-not-looked-at": mark("Nobody has looked for signs of raised intracranial pressure: this cannot be graded."),
    "nothing": mark("No finding of ICANS: grade 0."),
}
FLAG_TEXT = {
    "GRADED_ANEW": mark("Graded anew: an earlier assessment, or the infusion, was added, corrected or voided."),
    "LOC_EXCLUDED_OTHER_CAUSE": mark("Depressed consciousness was left out: assess again when its cause is gone."),
    "ICE_NOT_DONE": mark("ICE was not done: the grade may be higher than shown."),
    "NOT_LOOKED_AT": mark("Not everything was looked at: the grade may be higher than shown."),
    "CAPD_NOT_DONE": mark("CAPD was not done: the grade may be higher than shown."),
    "AGE_LT12_USE_CAPD": mark("Below 12 years CAPD is the tool, not ICE: assess again with CAPD."),
    "ICH_GRADE_BY_CTCAE": mark("Record the intracranial haemorrhage as an adverse event, graded by CTCAE."),
}


@dataclass(frozen=True)
class IcansPolicy:
    """What the study chose where sources are silent or differ [P]; the defaults are those of the first study."""

    ice_from_age_years: int = ICE_FROM_AGE_YEARS
    # CAPD 0: no ICANS, or grade 1 as everything below 9.
    capd_zero_grade: int = 0


FIRST_STUDY = IcansPolicy()


@dataclass(frozen=True)
class IcansFindings:
    """What was found at one moment; None means not recorded.

    ICE items as points, the longest seizure in minutes, days since Day 0.
    """

    age_years: int | None
    use_capd: bool | None = False
    ice_performed: IcePerformed | None = IcePerformed.YES
    orientation: int | None = None
    naming: int | None = None
    commands: int | None = None
    writing: int | None = None
    attention: int | None = None
    capd_score: int | None = None
    consciousness: Consciousness | None = Consciousness.ALERT
    consciousness_attributable: bool | None = True
    seizure: Seizure | None = Seizure.NONE
    seizure_minutes: Decimal | None = None
    deep_focal_weakness: bool | None = False
    cerebral_oedema: Oedema | None = Oedema.NONE
    pressure_sign: PressureSign | None = PressureSign.NONE
    intracranial_haemorrhage: bool | None = False
    attributable_to_other_cause: bool | None = False
    death: IcansDeath | None = IcansDeath.NONE
    days_since_infusion: int | None = None

    def __post_init__(self) -> None:
        for name, top in ICE_ITEMS.items():
            check_range(name, getattr(self, name), 0, top)
        check_range("capd_score", self.capd_score, 0, 32)
        check_range("seizure_minutes", self.seizure_minutes, 0, 10_000)
        check_range("age_years", self.age_years, 0, 120)

    @property
    def is_unarousable(self) -> bool:
        """Unarousable, and for no other cause such as sedation."""
        says_so = self.ice_performed is IcePerformed.UNABLE_UNAROUSABLE
        is_deep = says_so or self.consciousness is Consciousness.UNAROUSABLE
        return is_deep and self.consciousness_attributable is not False

    @property
    def is_sedated(self) -> bool:
        """ICE is impossible, because something other than ICANS keeps the participant from waking."""
        return self.ice_performed is IcePerformed.UNABLE_UNAROUSABLE and self.consciousness_attributable is False

    @property
    def is_before_infusion(self) -> bool:
        return self.days_since_infusion is not None and self.days_since_infusion < 0


# Points of the ICE score: orientation to year, month, city, hospital; three objects; a command; a sentence;
# counting back from 100 by ten.
ICE_ITEMS = {"orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}


@dataclass(frozen=True)
class Domain:
    name: str
    grade: int | None
    reasons: tuple[Reason, ...] = ()
    flags: tuple[str, ...] = ()


def ice_total(findings: IcansFindings) -> int | None:
    """The ICE score, 0 to 10; 0 when it cannot be performed, None when it was not done or CAPD is used."""
    if findings.use_capd or findings.is_sedated or findings.ice_performed in (None, IcePerformed.NOT_DONE):
        return None
    if findings.ice_performed is not IcePerformed.YES:
        return 0
    items = [getattr(findings, name) for name in ICE_ITEMS]
    return None if None in items else sum(items)


def grade(findings: IcansFindings, policy: IcansPolicy = FIRST_STUDY) -> Graded:
    """The ICANS grade of these findings, 0 to 5; None when they do not suffice.

    >>> grade(IcansFindings(34, orientation=4, naming=3, commands=0, writing=0, attention=0)).grade
    1
    """
    total = ice_total(findings)
    if findings.death is IcansDeath.ICANS:
        return Graded(5, ("death",), (), (Reason("death"),), ice_total=total)
    if findings.is_before_infusion:
        before = Reason("before-infusion", {"day": str(findings.days_since_infusion)})
        return Graded(0, (), (), (before,), ice_total=total)
    if findings.attributable_to_other_cause:
        return Graded(0, (), (), (Reason("other-cause"),), ice_total=total)
    domains = (
        capd_domain(findings, policy) if findings.use_capd else ice_domain(findings, total, policy),
        consciousness_domain(findings),
        seizure_domain(findings),
        motor_domain(findings),
        pressure_domain(findings),
    )
    return _highest(domains, total)


def ice_domain(findings: IcansFindings, total: int | None, policy: IcansPolicy = FIRST_STUDY) -> Domain:
    flags = (
        ("AGE_LT12_USE_CAPD",)
        if findings.age_years is not None and findings.age_years < policy.ice_from_age_years
        else ()
    )
    if total is None:
        return Domain("ice", None, (_why_no_score(findings),), ("ICE_NOT_DONE", *flags))
    if total == 0 and findings.is_unarousable:
        return Domain("ice", 4, (Reason("ice-unarousable"),), flags)
    if findings.ice_performed is IcePerformed.UNABLE_AROUSABLE:
        return Domain("ice", 3, (Reason("ice-unable"),), flags)
    level = ice_grade(total)
    return Domain("ice", level, (Reason("ice", {"total": str(total), "grade": str(level)}),), flags)


def _why_no_score(findings: IcansFindings) -> Reason:
    if findings.is_sedated:
        return Reason("ice-sedated")
    return Reason("ice-in-part" if findings.ice_performed is IcePerformed.YES else "ice-not-done")


def ice_grade(total: int) -> int:
    """Table 6: 10 none, 7-9 grade 1, 3-6 grade 2, 0-2 grade 3.

    >>> [ice_grade(total) for total in (10, 9, 7, 6, 3, 2, 0)]
    [0, 1, 1, 2, 2, 3, 3]
    """
    if total == 10:
        return 0
    if total >= 7:
        return 1
    return 2 if total >= 3 else 3


def capd_domain(findings: IcansFindings, policy: IcansPolicy = FIRST_STUDY) -> Domain:
    """Table 6, the child's scale: 1 to 8 grade 1, from 9 on grade 3, unarousable grade 4."""
    if findings.is_unarousable:
        return Domain("capd", 4, (Reason("capd-unarousable"),))
    score = findings.capd_score
    if score is None:
        return Domain("capd", None, (Reason("capd-not-done"),), ("CAPD_NOT_DONE",))
    below = 1 if score else policy.capd_zero_grade
    level = 3 if score >= CAPD_SEVERE else below
    return Domain("capd", level, (Reason("capd", {"score": str(score), "grade": str(level)}),))


def consciousness_domain(findings: IcansFindings) -> Domain:
    """Table 6, row consciousness: only what nothing else explains, such as sedation."""
    if findings.consciousness is None:
        return _not_looked_at("consciousness")
    level = CONSCIOUSNESS_GRADE[findings.consciousness]
    if level == 0:
        return Domain("consciousness", 0)
    if findings.consciousness_attributable is False:
        return Domain("consciousness", 0, (Reason("consciousness-excluded"),), ("LOC_EXCLUDED_OTHER_CAUSE",))
    return Domain("consciousness", level, (Reason(f"consciousness-{level}"),))


def _not_looked_at(name: str) -> Domain:
    return Domain(name, None, (Reason(f"{name}-not-looked-at"),), ("NOT_LOOKED_AT",))


def seizure_domain(findings: IcansFindings) -> Domain:
    """Table 6, row seizure: more than 5 minutes is grade 4, whatever its kind."""
    minutes = findings.seizure_minutes or Decimal(0)
    if minutes > PROLONGED_MINUTES:
        return Domain("seizure", 4, (Reason("seizure-long", {"minutes": str(minutes)}),))
    if findings.seizure is None and not minutes:
        return _not_looked_at("seizure")
    kind = findings.seizure or Seizure.NONE
    level = SEIZURE_GRADE[kind] or (SEIZURE_OF_UNKNOWN_KIND if minutes else 0)
    if level == 0:
        return Domain("seizure", 0)
    return Domain("seizure", level, (Reason(f"seizure-{kind}", {"minutes": str(minutes)}),))


def motor_domain(findings: IcansFindings) -> Domain:
    """Table 6, row motor: deep focal weakness only; tremor and myoclonus are graded by CTCAE."""
    if findings.deep_focal_weakness is None:
        return _not_looked_at("motor")
    return Domain("motor", 4, (Reason("motor"),)) if findings.deep_focal_weakness else Domain("motor", 0)


def pressure_domain(findings: IcansFindings) -> Domain:
    """Table 6, row raised pressure and oedema; a haemorrhage, with or without oedema, is graded by CTCAE."""
    if findings.intracranial_haemorrhage:
        return Domain("icp", 0, (Reason("haemorrhage"),), ("ICH_GRADE_BY_CTCAE",))
    level = OEDEMA_GRADE[findings.cerebral_oedema or Oedema.NONE]
    reasons = (Reason(f"oedema-{findings.cerebral_oedema}"),) if level else ()
    if findings.pressure_sign is None:
        unknown = _not_looked_at("icp")
        return Domain("icp", level, reasons, unknown.flags) if level else unknown
    if findings.pressure_sign is not PressureSign.NONE:
        return Domain("icp", 4, (*reasons, Reason(f"pressure-{findings.pressure_sign}")))
    return Domain("icp", level, reasons)


def _highest(domains: Iterable[Domain], total: int | None) -> Graded:
    """The worst domain wins, and every domain that reaches it determined the grade."""
    domains = tuple(domains)
    # Each flag once: several domains may raise the same.
    flags = tuple(dict.fromkeys(flag for domain in domains for flag in domain.flags))
    reasons = tuple(reason for domain in domains for reason in domain.reasons)
    top = max(domain.grade or 0 for domain in domains)
    if top == 0 and any(domain.grade is None for domain in domains):
        return Graded(None, (), flags, reasons, ice_total=total)
    names = tuple(domain.name for domain in domains if top and domain.grade == top)
    return Graded(top, names, flags, reasons or (Reason("nothing"),), ice_total=total)
