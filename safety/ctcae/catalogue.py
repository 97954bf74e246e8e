"""The terms of CTCAE 5.0 and 6.0, with Chinese names, and the search by which people find one.

Source: NCI, Common Terminology Criteria for Adverse Events, version 5.0 (27 Nov 2017, MedDRA 20.1, 837 terms) and
version 6.0 (10 Jul 2025, MedDRA 28.0, 850 terms), read in the sheets of NCI's workbook of version 6.0. The tables
hold facts only: code, term, system organ class, and which grades exist; NCI's grade texts are not here. Codes,
terms and classes are MedDRA's (a trademark of ICH); only those that CTCAE uses are here. The Chinese names are
this project's own translations, not MedDRA's Chinese release: a site that holds that release passes its names in.

Policy [P]: an "Other, specify" term comes last among equals, since it is for what no other term says; British
spellings and usual abbreviations find the American term, too; an uncommon reading of a character counts less than
the one that the word has. What people say every day (发烧, 拉肚子, low platelets) is this project's own list [P]: each
word with the terms that it may mean in each version, the commonest first. It needs no Chinese names.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import cache, cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

from trialsite.reading import word_key

HERE = Path(__file__).parent
V5, V6 = "5.0", "6.0"
VERSIONS = (V5, V6)
# The release of MedDRA whose codes each version uses, which a safety report names beside the code.
MEDDRA_VERSION = MappingProxyType({V5: "20.1", V6: "28.0"})
OTHER = "Other, specify"
HAN = re.compile(r"([\u3400-\u9fff]+)")
# Names that sites use for other names; more than the names that a site can have, and still small.
REMEMBERED = 8192
# After every word of every day.
LAST = (REMEMBERED, 0, 0)
# How Chinese says that a value is high or low, at the end of a word: 转氨酶升高 is 转氨酶高, and 血小板减少 血小板低.
HIGH, LOW = "高", "低"
IS_HIGH = re.compile("(升高|增高|偏高|过高|上升|增多|增加|变高)$")
IS_LOW = re.compile("(降低|减低|偏低|过低|下降|减少症?|减退|变低|少)$")
# The first character of such a word while somebody is still typing it.
UNFINISHED = re.compile("[升增偏过上降减下变]$")

# What people write for a term: abbreviations of the ward and of laboratory reports [P].
ABBREVIATIONS = MappingProxyType(
    {
        "Activated partial thromboplastin time prolonged": "APTT",
        "Acute kidney injury": "AKI",
        "Adult respiratory distress syndrome": "ARDS",
        "Alanine aminotransferase increased": "ALT GPT",
        "Alkaline phosphatase increased": "ALP",
        "Anemia": "Hb HGB",
        "Aspartate aminotransferase increased": "AST GOT",
        "Atrial fibrillation": "AF",
        "Blood bilirubin increased": "TBIL",
        "Blood lactate dehydrogenase increased": "LDH",
        "CPK increased": "CK",
        "Capillary leak syndrome": "CLS",
        "Carbon monoxide diffusing capacity decreased": "DLCO",
        "Chronic kidney disease": "CKD",
        "Creatinine clearance decreased": "CCR CrCl",
        "Creatinine increased": "SCr",
        "Cytokine release syndrome": "CRS",
        "Cytomegalovirus infection reactivation": "CMV",
        "Disseminated intravascular coagulation": "DIC",
        "Ejection fraction decreased": "EF LVEF",
        "Electrocardiogram QT corrected interval prolonged": "QTc",
        "Epstein-Barr virus infection reactivation": "EBV",
        "Febrile neutropenia": "FN",
        "Forced expiratory volume decreased": "FEV1",
        "Gastroesophageal reflux disease": "GERD",
        "Graft versus host disease": "GVHD",
        "Guillain-Barre syndrome": "GBS",
        "Hemolytic uremic syndrome": "HUS",
        "Hepatitis B reactivation": "HBV",
        "Herpes simplex reactivation": "HSV",
        "Immune effector cell-associated neurotoxicity syndrome": "ICANS",
        "Infusion related reaction": "IRR",
        "Left ventricular dysfunction": "LVEF",
        "Lymphocyte count decreased": "ALC",
        "Lymphopenia": "ALC",
        "Myelodysplastic syndrome": "MDS",
        "Myocardial infarction": "MI AMI",
        "Neutrophil count decreased": "ANC",
        "Palmar-plantar erythrodysesthesia syndrome": "PPE HFS",
        "Platelet count decreased": "PLT",
        "Reversible posterior leukoencephalopathy syndrome": "RPLS PRES",
        "Secondary hemophagocytic lymphohistiocytosis": "HLH sHLH",
        "Shingles": "VZV",
        "Sinusoidal obstruction syndrome": "SOS VOD",
        "Stevens-Johnson syndrome": "SJS",
        "Supraventricular tachycardia": "SVT",
        "Thrombocytopenia": "PLT",
        "Thromboembolic event": "VTE DVT PE",
        "Thrombotic microangiopathy": "TMA",
        "Thrombotic thrombocytopenic purpura": "TTP",
        "Thyroid stimulating hormone increased": "TSH",
        "Toxic epidermal necrolysis": "TEN",
        "Transient ischemic attacks": "TIA",
        "Tumor inflammation-associated neurotoxicity": "TIAN",
        "Tumor lysis syndrome": "TLS",
        "Upper respiratory infection": "URI URTI",
        "Urinary tract infection": "UTI",
        "Venous thromboembolism": "VTE DVT PE",
        "Ventricular fibrillation": "VF",
        "Ventricular tachycardia": "VT",
        "White blood cell decreased": "WBC",
    }
)


class UnknownTerm(ValueError):
    """No such version, or no such term in it."""


@dataclass(frozen=True)
class Term:
    """One term of one version: what happened, in CTCAE's words, and the grades that it can have."""

    version: str
    soc: str
    soc_zh: str
    code: str
    name: str
    name_zh: str
    grades: tuple[int, ...]

    @property
    def is_other(self) -> bool:
        """Whether it is the term of its class for what no other says, which needs words of one's own."""
        return self.name.endswith(OTHER)


class ChangeKind(StrEnum):
    """What became of a term of version 5.0 in version 6.0.

    RENAMED: another term stands for it, and for it alone. MERGED: a term that stands for others, too.
    REMOVED: its class has only "Other, specify" for it. SPLIT: some of its grades went to another term.
    MOVED: the same term in another system organ class.
    """

    SAME = "same"
    MOVED = "moved"
    RENAMED = "renamed"
    MERGED = "merged"
    REMOVED = "removed"
    SPLIT = "split"
    ADDED = "added"


@dataclass(frozen=True)
class Change:
    """A term of version 5.0 beside the one of 6.0 that stands for it; `v5` is None for an added one.

    `v5_grades` names the grades that a SPLIT takes away; the other kinds are about the rest, and leave it empty.
    """

    kind: ChangeKind
    v5: Term | None
    v6: Term
    v5_grades: tuple[int, ...] = ()


# --- The tables ----------------------------------------------------------------------------------


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _grades(digits: str) -> tuple[int, ...]:
    return tuple(int(digit) for digit in digits)


@cache
def _catalogue() -> Mapping[str, Mapping[str, Term]]:
    """Version → code → term, in the order of the table: by class, then by name."""
    classes = {row["soc"]: row["name_zh"] for row in _rows("socs.csv")}
    found: dict[str, dict[str, Term]] = {version: {} for version in VERSIONS}
    for row in _rows("terms.csv"):
        version, soc, code = row["version"], row["soc"], row["meddra_code"]
        found[version][code] = Term(
            version, soc, classes[soc], code, row["term"], row["name_zh"], _grades(row["grades"])
        )
    return found


def _of(version: str) -> Mapping[str, Term]:
    if version not in VERSIONS:
        raise UnknownTerm(f"There is no CTCAE {version} here: choose one of {', '.join(VERSIONS)}.")
    return _catalogue()[version]


def terms(version: str) -> tuple[Term, ...]:
    """All terms of a version, by system organ class, then by name. Raises UnknownTerm for another version."""
    return tuple(_of(version).values())


def term(version: str, code: str) -> Term:
    """The term with this MedDRA code. Raises UnknownTerm, with the way out."""
    found = _of(version).get(code)
    if found is None:
        raise UnknownTerm(f"CTCAE {version} has no term with code {code}: search by name, or take “{OTHER}”.")
    return found


def with_names(found: Term, names: Mapping[str, str] | None) -> Term:
    """The term with the site's Chinese name, by code, in place of ours; an empty name replaces nothing."""
    name = (names or {}).get(found.code)
    return replace(found, name_zh=name) if name else found


# --- Version 5.0 beside 6.0 ----------------------------------------------------------------------


@cache
def _changes() -> tuple[Change, ...]:
    """Every row of NCI's mapping; a grade may go elsewhere than its term, and has a row of its own then."""
    return tuple(
        Change(
            ChangeKind(row["change"]),
            term(V5, row["v5_code"]) if row["v5_code"] else None,
            term(V6, row["v6_code"]),
            _grades(row["v5_grades"]),
        )
        for row in _rows("v5_to_v6.csv")
    )


def changed_terms() -> tuple[Change, ...]:
    """All that is not the same in both versions; a term of which grades were split off has a row for each part."""
    return tuple(change for change in _changes() if change.kind is not ChangeKind.SAME)


def side_by_side(code_or_term: str | Term) -> tuple[Change, ...]:
    """The rows about a term: given itself, its code or its English name. Raises UnknownTerm for anything else."""
    rows = tuple(change for change in _changes() if any(_is_meant(side, code_or_term) for side in _sides(change)))
    if not rows:
        raise UnknownTerm(f"Neither CTCAE {V5} nor {V6} has {code_or_term!r}: search for its name.")
    return rows


def _sides(change: Change) -> tuple[Term, ...]:
    return (change.v6,) if change.v5 is None else (change.v5, change.v6)


def _is_meant(side: Term, sought: str | Term) -> bool:
    if isinstance(sought, Term):
        return (side.version, side.code) == (sought.version, sought.code)
    return sought.strip().casefold() in (side.code, side.name.casefold())


def counterpart(found: Term, *, grade: int | None = None) -> Term | None:
    """The term of the other version that stands for this one, or for a grade of it; its grade is assessed anew.

    From 5.0, it is the term that NCI's mapping names, "Other, specify" for a removed one. From 6.0, it is None for
    an added term, and where several terms of 5.0 became one that 5.0 did not have: `side_by_side` lists them.
    """
    return _later(found, grade) if found.version == V5 else _earlier(found)


def _later(found: Term, grade: int | None) -> Term:
    rows = side_by_side(found)
    split = [change.v6 for change in rows if grade in change.v5_grades]
    return split[0] if split else next(change.v6 for change in rows if change.kind is not ChangeKind.SPLIT)


def _earlier(found: Term) -> Term | None:
    rows = [change for change in side_by_side(found) if change.kind is not ChangeKind.SPLIT]
    before = {change.v5.code: change.v5 for change in rows if change.v5 is not None}
    if found.code in before:
        return before[found.code]
    return next(iter(before.values())) if len(before) == 1 else None


# --- The search ----------------------------------------------------------------------------------

# What each character of a Chinese name can sound like, without tones: all readings that count.
Sounds = tuple[tuple[str, ...], ...]


class Rank(IntEnum):
    """How well a term answers, the best first."""

    CODE = 0
    NAME = 1
    SYNONYM = 2
    BEGINS = 3
    SYNONYM_BEGINS = 4
    WORD_BEGINS = 5
    CONTAINS = 6
    OTHER_READING = 7
    CLASS = 8


@dataclass(frozen=True)
class Synonym:
    """A word of every day for a term, `text` without spaces.

    `order` is smaller, the better it stands for the term: how many terms it means more often, its length, its row.
    """

    text: str
    words: tuple[str, ...]
    order: tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """A term as the search sees it: all in small letters."""

    code: str
    name: str
    words: tuple[str, ...]
    abbreviations: tuple[str, ...]
    name_zh: str
    sounds: Sounds
    readings: Sounds
    class_words: tuple[str, ...]
    class_zh: str
    name_levelled: str
    synonyms: tuple[Synonym, ...]

    @cached_property
    def letters(self) -> frozenset[str]:
        """Every letter by which a query that is no pinyin could find it."""
        said = (one.text for one in self.synonyms)
        return frozenset("".join((self.code, self.name, *self.abbreviations, self.name_zh, self.class_zh, *said)))


@dataclass(frozen=True)
class Query:
    """What was typed; `letters` are what may be pinyin: nothing but Latin letters and digits, or empty.

    `said` is it without spaces, `begun` that without the beginning of 升高 or 减少.
    """

    text: str
    words: tuple[str, ...]
    letters: str
    said: str
    begun: str


def search(version: str, query: str, *, limit: int = 20, names: Mapping[str, str] | None = None) -> tuple[Term, ...]:
    """Terms that answer the query, the best first, at most `limit`; an empty query finds nothing.

    The query may be a MedDRA code or its beginning; words of the English term, each from its beginning, in any
    order; a part of the Chinese name; its pinyin, in full, by initials (xbyz) or mixed (xibyz); a word of every
    day or a part of it; a system organ class in English or Chinese. Among equals those come first that the word
    means more often. `names` (code → Chinese name) replace ours in search and result. Raises UnknownTerm for an
    unknown version.
    """
    asked = _queries(query)
    named = (with_names(found, names) for found in terms(version))
    ranked = [(rank, found) for found in named if (rank := _best(_entry(found), asked)) is not None]
    ranked.sort(key=lambda pair: (*pair[0], pair[1].is_other, pair[1].name.casefold()))
    return tuple(found for _rank, found in ranked[:limit])


def _queries(query: str) -> tuple[Query, ...]:
    """The query as it was typed, and with American spelling where that differs; none of an empty one."""
    text = _plain(query)
    return tuple(_query(spelling) for spelling in dict.fromkeys((text, _american(text))) if _words(spelling))


def _query(text: str) -> Query:
    words = _words(text)
    joined = "".join(words)
    said = _levelled(joined)
    return Query(text, words, joined if joined.isascii() else "", said, UNFINISHED.sub("", said) or said)


def _levelled(text: str) -> str:
    """One word for high and one for low, where the text ends with such a word.

    >>> _levelled("转氨酶升高"), _levelled("血小板减少"), _levelled("发烧")
    ('转氨酶高', '血小板低', '发烧')
    """
    return IS_LOW.sub(LOW, IS_HIGH.sub(HIGH, text))


def _plain(text: str) -> str:
    """Small letters, one width (Ⅱ is ii, （ is (), ü as people type it."""
    return word_key(text).replace("ü", "v")


def _american(text: str) -> str:
    """CTCAE spells anemia, edema, tumor: haemorrhage, oedema and tumour are to find them."""
    return text.replace("ae", "e").replace("oe", "e").replace("our", "or")


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text))


@lru_cache(maxsize=REMEMBERED)
def _entry(found: Term) -> Entry:
    name, name_zh = _plain(found.name), _plain(found.name_zh)
    return Entry(
        code=found.code,
        name=name,
        words=_words(name),
        abbreviations=_words(_plain(ABBREVIATIONS.get(found.name, ""))),
        name_zh=name_zh,
        sounds=_sounds(name_zh),
        readings=_sounds(name_zh, every=True),
        class_words=_words(_plain(found.soc)),
        class_zh=_plain(found.soc_zh),
        name_levelled=_levelled(name_zh),
        synonyms=synonyms(found.version).get(found.name, ()),
    )


@cache
def synonyms(version: str) -> Mapping[str, tuple[Synonym, ...]]:
    """English name of a term → the words of every day for it. Raises UnknownTerm for an unknown version."""
    known, found = {one.name for one in terms(version)}, dict[str, tuple[Synonym, ...]]()
    for number, row in enumerate(_rows("synonyms.csv")):
        for place, name in enumerate(filter(None, row[f"terms_v{version[0]}"].split("|"))):
            if name not in known:
                raise UnknownTerm(f"synonyms.csv: CTCAE {version} has no term {name!r}, which “{row['word']}” names.")
            found[name] = (*found.get(name, ()), _synonym(row["word"], place, number))
    return found


def _synonym(word: str, place: int, number: int) -> Synonym:
    words = _words(_plain(word))
    text = _levelled("".join(words))
    return Synonym(text, words, (place, len(text), number))


def _sounds(name_zh: str, *, every: bool = False) -> Sounds:
    """How the name is read, character by character: as its words are read, or in every reading that one can have.

    Latin letters and digits sound like themselves; others (γ) are passed over, as no keyboard of pinyin has them.
    """
    found: list[tuple[str, ...]] = []
    for part in HAN.split(name_zh):
        if HAN.fullmatch(part):
            found += _every_reading(part) if every else _as_read(part)
        else:
            found += [(letter,) for letter in part if letter.isascii() and letter.isalnum()]
    return tuple(found)


def _every_reading(text: str) -> list[tuple[str, ...]]:
    alone = (_as_read(character, every=True)[0] for character in text)
    return [(*usual, *others) for usual, others in zip(_as_read(text), alone, strict=True)]


def _as_read(text: str, *, every: bool = False) -> list[tuple[str, ...]]:
    """Readings of each character; one that has none stands for itself."""
    # Loaded at the first search, not at the start of every process: its dictionary takes a quarter of a second.
    from pypinyin import Style, pinyin

    found = pinyin(text, style=Style.NORMAL, heteronym=every)
    return [tuple(readings) for readings in found]


def _best(entry: Entry, asked: tuple[Query, ...]) -> tuple[Rank, tuple[int, int, int]] | None:
    """The best rank, and how well a word of every day stands for the term."""
    ranked = [(rank, _order(entry, query)) for query in asked if (rank := _rank(entry, query)) is not None]
    return min(ranked, default=None)


def _order(entry: Entry, query: Query) -> tuple[int, int, int]:
    """Of the word that was typed, else of those that begin with it, else of those that contain it; else the last."""
    return min(
        [one.order for one in entry.synonyms if one.text == query.said]
        or [one.order for one in entry.synonyms if _begins(query, one)]
        or [one.order for one in entry.synonyms if query.begun in one.text],
        default=LAST,
    )


def _rank(entry: Entry, query: Query) -> Rank | None:
    # What is no pinyin answers by its letters only: most terms share none with a Chinese word, and need no closer look.
    if not query.letters and entry.letters.isdisjoint(query.text + query.said):
        return None
    return next((rank for rank, answers in TESTS if answers(entry, query)), None)


def _is_code(entry: Entry, query: Query) -> bool:
    return query.text == entry.code


def _is_name(entry: Entry, query: Query) -> bool:
    known = (entry.name, entry.name_zh, *entry.abbreviations)
    return query.text in known or (bool(query.letters) and _spells(query.letters, entry.sounds, whole=True))


def _name_begins(entry: Entry, query: Query) -> bool:
    known = (entry.code, entry.name, entry.name_zh)
    return any(text.startswith(query.text) for text in known) or _spelled(query, entry.sounds, at=(0,))


def _is_said(entry: Entry, query: Query) -> bool:
    return query.said == entry.name_levelled or any(query.said == one.text for one in entry.synonyms)


def _said_begins(entry: Entry, query: Query) -> bool:
    return any(_begins(query, one) for one in entry.synonyms)


def _begins(query: Query, synonym: Synonym) -> bool:
    """Its beginning, or beginnings of its words in any order: "platelets low"."""
    return synonym.text.startswith(query.begun) or all(_begins_one(word, synonym.words) for word in query.words)


def _words_begin(entry: Entry, query: Query) -> bool:
    return all(_begins_one(word, (*entry.words, *entry.abbreviations)) for word in query.words)


def _begins_one(beginning: str, words: tuple[str, ...]) -> bool:
    return any(word.startswith(beginning) for word in words)


def _contains(entry: Entry, query: Query) -> bool:
    said = [one.text for one in entry.synonyms]
    known = (entry.name, entry.name_zh, *said)
    if any(query.said in text for text in said) or all(any(word in text for text in known) for word in query.words):
        return True
    return _spelled(query, entry.sounds, at=range(1, len(entry.sounds)))


def _read_otherwise(entry: Entry, query: Query) -> bool:
    return _spelled(query, entry.readings, at=range(len(entry.readings)))


def _in_class(entry: Entry, query: Query) -> bool:
    """Every word is of the class or of the term: "infections lung"."""
    words = (*entry.words, *entry.class_words)
    return all(_begins_one(word, words) or word in entry.class_zh or word in entry.name_zh for word in query.words)


Answers = Callable[[Entry, Query], bool]
TESTS: tuple[tuple[Rank, Answers], ...] = (
    (Rank.CODE, _is_code),
    (Rank.NAME, _is_name),
    (Rank.SYNONYM, _is_said),
    (Rank.BEGINS, _name_begins),
    (Rank.SYNONYM_BEGINS, _said_begins),
    (Rank.WORD_BEGINS, _words_begin),
    (Rank.CONTAINS, _contains),
    (Rank.OTHER_READING, _read_otherwise),
    (Rank.CLASS, _in_class),
)


def _spelled(query: Query, sounds: Sounds, *, at: Iterable[int]) -> bool:
    return bool(query.letters) and any(_spells(query.letters, sounds[start:]) for start in at)


def _spells(letters: str, sounds: Sounds, *, whole: bool = False) -> bool:
    """Whether the letters are the beginnings of these sounds, one after the other; `whole`: of all of them.

    >>> _spells("zxlx", (("zhong",), ("xing",), ("li",), ("xi",), ("bao",)))
    True
    """
    if not letters or not sounds:
        return not letters and not (whole and sounds)
    return any(
        _spells(letters[length:], sounds[1:], whole=whole)
        for sound in sounds[0]
        for length in range(1, len(sound) + 1)
        if letters.startswith(sound[:length])
    )
