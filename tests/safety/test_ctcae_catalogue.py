"""CTCAE 5.0 and 6.0: the facts of NCI's lists, our Chinese names, the search, and what became of each term."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.ctcae import catalogue
from safety.ctcae.catalogue import (
    V5,
    V6,
    VERSIONS,
    ChangeKind,
    Term,
    UnknownTerm,
    changed_terms,
    counterpart,
    search,
    side_by_side,
    term,
    terms,
    with_names,
)

ALL = [*terms(V5), *terms(V6)]
HAN = re.compile(r"[\u4e00-\u9fff]")
# Letters that Chinese clinicians write in Latin, too: names of viruses, waves, markers, vitamins.
LATIN_PARTS = {"EB", "CD", "I", "T", "QT", "QTc", "D"}
SMALL_CLASSES = {
    "Congenital, familial and genetic disorders",
    "Social circumstances",
    "Surgical and medical procedures",
}


def digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def names_of(found: Iterable[Term]) -> list[str]:
    return [one.name for one in found]


def by_name(version: str, name: str) -> Term:
    return next(found for found in terms(version) if found.name == name)


# --- The facts -----------------------------------------------------------------------------------


def test_the_facts_are_those_of_ncis_lists() -> None:
    """Compared once, row by row, with the sheets of NCI's workbook of version 6.0: no difference in either version."""
    facts = (f"{x.version}|{x.soc}|{x.code}|{x.name}|{''.join(map(str, x.grades))}" for x in ALL)
    assert digest(facts) == "ff73b4abf2a4769d0bcc6d47de90aaa220873aee111a9d76c6bcab27755c19c0"


def test_the_mapping_is_that_of_ncis_workbook() -> None:
    """Compared once, grade by grade, with the sheet that maps 5.0 to 6.0; the words for the kinds are ours."""
    rows = catalogue._changes()
    facts = (f"{c.v5.code if c.v5 else ''}|{c.v6.code}|{c.kind}|{''.join(map(str, c.v5_grades))}" for c in rows)
    assert digest(facts) == "20b5cc8e76f3b9c930cdd22a9cc03aabb264164a53e53d23ad062d5dabdfeee6"


@pytest.mark.parametrize(("version", "count"), [(V5, 837), (V6, 850)])
def test_number_of_terms(version: str, count: int) -> None:
    assert len(terms(version)) == len({found.code for found in terms(version)}) == count
    assert len({found.soc for found in terms(version)}) == 26
    assert {found.version for found in terms(version)} == {version}


@pytest.mark.parametrize(
    ("version", "code", "grades"),
    [
        pytest.param(V5, "10002272", (1, 2, 3, 4, 5), id="v5-anemia"),
        pytest.param(V5, "10029366", (1, 2, 3, 4), id="v5-neutrophil-count-decreased"),
        pytest.param(V5, "10016288", (3, 4, 5), id="v5-febrile-neutropenia"),
        pytest.param(V5, "10020772", (1, 2, 3, 4, 5), id="v5-hypertension"),
        pytest.param(V6, "10020772", (2, 3, 4, 5), id="v6-hypertension-without-grade-1"),
        pytest.param(V5, "10001760", (1, 2), id="v5-alopecia"),
        pytest.param(V6, "10025327", (1,), id="v6-lymphopenia"),
        pytest.param(V6, "10043554", (1, 2, 3, 4, 5), id="v6-thrombocytopenia"),
        pytest.param(V6, "10083347", (1, 2, 3, 4, 5), id="v6-icans"),
    ],
)
def test_grades_that_exist(version: str, code: str, grades: tuple[int, ...]) -> None:
    assert term(version, code).grades == grades


def test_every_term_has_grades_of_1_to_5_in_order() -> None:
    for found in ALL:
        assert found.grades, found
        assert set(found.grades) <= {1, 2, 3, 4, 5}
        assert all(low < high for low, high in pairwise(found.grades))


def test_every_class_has_its_term_for_what_no_other_says() -> None:
    for version in VERSIONS:
        others = Counter(found.soc for found in terms(version) if found.is_other)
        assert set(others.values()) == {1}
        assert set(others) == {found.soc for found in terms(version)}
        alone = {soc for soc, count in Counter(found.soc for found in terms(version)).items() if count == 1}
        assert alone == SMALL_CLASSES


@pytest.mark.parametrize(
    ("version", "code", "way_out"),
    [
        pytest.param("4.03", "10002272", "choose one of 5.0, 6.0", id="another-version"),
        pytest.param(V5, "10083347", "search by name", id="icans-is-not-in-5.0"),
        pytest.param(V6, "", "search by name", id="no-code"),
    ],
)
def test_unknown_terms_are_refused_with_the_way_out(version: str, code: str, way_out: str) -> None:
    with pytest.raises(UnknownTerm, match=way_out):
        term(version, code)


# --- Our Chinese names ---------------------------------------------------------------------------


def test_every_name_and_class_is_translated() -> None:
    for found in ALL:
        assert HAN.search(found.name_zh), found
        assert HAN.search(found.soc_zh), found
        assert not re.search(r"^\s|\s$|\s\s|[(),;:?]", found.name_zh), found
        assert set(re.findall(r"[A-Za-z]+", found.name_zh)) <= LATIN_PARTS, found


def test_one_chinese_name_for_one_english_term_in_both_versions() -> None:
    english = {found.name_zh: found.name for found in ALL}
    assert [found.name for found in ALL if english[found.name_zh] != found.name] == []
    chinese = {found.name: found.name_zh for found in ALL}
    assert [found.name for found in ALL if chinese[found.name] != found.name_zh] == []


def test_one_chinese_name_for_one_class() -> None:
    pairs = {(found.soc, found.soc_zh) for found in ALL}
    assert len(pairs) == len({soc for soc, _zh in pairs}) == len({zh for _soc, zh in pairs}) == 26


def test_other_terms_name_their_class() -> None:
    for found in ALL:
        assert found.is_other == (found.name_zh == f"{found.soc_zh} - 其他（请注明）")


@pytest.mark.parametrize(
    ("name", "name_zh"),
    [
        ("Neutrophil count decreased", "中性粒细胞计数降低"),
        ("Febrile neutropenia", "发热性中性粒细胞减少"),
        ("Anemia", "贫血"),
        ("Cytokine release syndrome", "细胞因子释放综合征"),
        ("Fever", "发热"),
        ("Hypotension", "低血压"),
        ("Tumor lysis syndrome", "肿瘤溶解综合征"),
    ],
)
def test_names_of_every_day(name: str, name_zh: str) -> None:
    assert {found.name_zh for found in ALL if found.name == name} == {name_zh}


#: A word of an English name that has one Chinese counterpart, wherever it stands: slips of the pen stand out.
TELLTALE = [
    (r"hemorrhage$|bleeding$", "出血"),
    (r"fistula$", "瘘"),
    (r"perforation$", "穿孔"),
    (r"(stenosis|stricture)$", "狭窄"),
    (r"anastomotic leak$", "吻合口漏"),
    (r"ulcer$", "溃疡"),
    (r"^Intraoperative .* injury$", "^术中.*损伤$"),
    (r"infection$", "感染"),
    (r"\bincreased$", "升高|亢进"),
    (r"count decreased$", "降低$"),
    (r"\bleft\b", "左"),
    (r"\bright\b", "右"),
    (r"^Hyper.*emia$", "^高"),
    (r"^Hypo.*emia$", "^低"),
    (r"[Uu]pper limb", "上肢"),
    (r"[Ll]ower limb", "下肢"),
    (r"^Duodenal", "十二指肠"),
    (r"^Jejunal", "空肠"),
    (r"^Ileal", "回肠"),
    (r"^Cecal", "盲肠"),
    (r"^Colonic", "结肠"),
    (r"^Rectal", "直肠"),
    (r"^Gastric", "胃"),
    (r"^Esophageal", "食管"),
    (r"^Vaginal", "阴道"),
    (r"^Uterine", "子宫"),
    (r"^Ureteric", "输尿管"),
    (r"^Urethral", "尿道"),
    (r"^Laryngeal", "喉"),
    (r"^Pharyngeal", "咽"),
    (r"^Tracheal", "气管"),
    (r"^Bronchial", "支气管"),
]


@pytest.mark.parametrize(("english", "chinese"), TELLTALE, ids=[english for english, _chinese in TELLTALE])
def test_words_that_recur_are_translated_alike(english: str, chinese: str) -> None:
    met = [found for found in ALL if re.search(english, found.name)]
    assert met
    assert [found.name for found in met if not re.search(chinese, found.name_zh)] == []


# --- The search ----------------------------------------------------------------------------------

FIRST = [
    pytest.param(V5, "10052015", "Cytokine release syndrome", id="code"),
    pytest.param(V5, "1005201", "Cytokine release syndrome", id="code-begun"),
    pytest.param(V5, "Fever", "Fever", id="english-exact"),
    pytest.param(V5, "FEVER", "Fever", id="english-capitals"),
    pytest.param(V5, "neut", "Neutrophil count decreased", id="english-begun"),
    pytest.param(V5, "count neut", "Neutrophil count decreased", id="english-words-in-any-order"),
    pytest.param(V5, "rel cyt", "Cytokine release syndrome", id="english-word-beginnings"),
    pytest.param(V5, "barre", "Guillain-Barre syndrome", id="english-after-a-hyphen"),
    pytest.param(V6, "cytopenic", "Thrombotic thrombocytopenic purpura", id="english-within-a-word"),
    pytest.param(V5, "tumour lysis", "Tumor lysis syndrome", id="british-our"),
    pytest.param(V5, "haemorrhage gastric", "Gastric hemorrhage", id="british-ae"),
    pytest.param(V5, "diarrhoea", "Diarrhea", id="british-oe"),
    pytest.param(V5, "gastroe", "Gastroesophageal reflux disease", id="american-oe-stays"),
    pytest.param(V5, "CRS", "Cytokine release syndrome", id="abbreviation-crs"),
    pytest.param(V6, "icans", "Immune effector cell-associated neurotoxicity syndrome", id="abbreviation-icans"),
    pytest.param(V5, "alt", "Alanine aminotransferase increased", id="abbreviation-alt"),
    pytest.param(V5, "发热", "Fever", id="chinese-exact"),
    pytest.param(V5, "细胞因子", "Cytokine release syndrome", id="chinese-begun"),
    pytest.param(V5, "释放", "Cytokine release syndrome", id="chinese-within"),
    pytest.param(V5, "中性粒 降低", "Neutrophil count decreased", id="chinese-parts"),
    pytest.param(V5, "ＱＴｃ间期", "Electrocardiogram QT corrected interval prolonged", id="chinese-full-width"),
    pytest.param(V5, "莫氏II型", "Mobitz (type) II atrioventricular block", id="chinese-roman-numeral"),
    pytest.param(V5, "xbyz", "Cytokine release syndrome", id="initials"),
    pytest.param(V5, "XBYZ", "Cytokine release syndrome", id="initials-capitals"),
    pytest.param(V5, "xbyzsfzhz", "Cytokine release syndrome", id="initials-all"),
    pytest.param(V5, "zhxlxb", "Neutrophil count decreased", id="initials-with-zh"),
    pytest.param(V5, "sfzhz", "Cytokine release syndrome", id="initials-within"),
    pytest.param(V5, "fr", "Fever", id="initials-of-a-whole-name-first"),
    pytest.param(V5, "cd4lb", "CD4 lymphocytes decreased", id="initials-after-latin"),
    pytest.param(V5, "guanxian", "GGT increased", id="pinyin-after-a-greek-letter"),
    pytest.param(V5, "pinxue", "Anemia", id="pinyin"),
    pytest.param(V5, "xi bao yin zi", "Cytokine release syndrome", id="pinyin-with-spaces"),
    pytest.param(V5, "xibaoyinz", "Cytokine release syndrome", id="pinyin-unfinished"),
    pytest.param(V5, "zhongxlxb", "Neutrophil count decreased", id="pinyin-and-initials"),
    pytest.param(V5, "nüxingduomao", "Hirsutism", id="pinyin-u-umlaut"),
    pytest.param(V5, "nvxing", "Hirsutism", id="pinyin-v"),
    pytest.param(V5, "shuansai", "Arterial thromboembolism", id="polyphonic-shuansai"),
    pytest.param(V5, "shuanse", "Arterial thromboembolism", id="polyphonic-shuanse"),
    pytest.param(V5, "naocuzhong", "Stroke", id="polyphonic-cuzhong"),
    pytest.param(V5, "ncz", "Stroke", id="polyphonic-initials-cz"),
    pytest.param(V5, "nzz", "Stroke", id="polyphonic-initials-zz"),
    pytest.param(V5, "infestations lung", "Lung infection", id="class-and-term"),
    pytest.param(V5, "social circ", "Social circumstances - Other, specify", id="class-english"),
    pytest.param(V5, "社会环境", "Social circumstances - Other, specify", id="class-chinese"),
]


@pytest.mark.parametrize(("version", "query", "name"), FIRST)
def test_search_finds_first(version: str, query: str, name: str) -> None:
    assert names_of(search(version, query, limit=1)) == [name]


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        pytest.param("pain", "Pain", "Pain in extremity", id="exact-name-before-begins"),
        pytest.param("pain", "Pain in extremity", "Abdominal pain", id="begins-before-word"),
        pytest.param("card", "Cardiac arrest", "Chest pain - cardiac", id="begins-before-word-cardiac"),
        pytest.param("card", "Chest pain - cardiac", "Myocarditis", id="word-before-contains"),
        pytest.param("card", "Myocarditis", "Cyanosis", id="contains-before-class"),
        pytest.param("肺", "Lung infection", "Pneumonitis", id="chinese-begins-before-contains"),
        pytest.param("fr", "Fever", "Febrile neutropenia", id="whole-initials-before-begins"),
        pytest.param("cz", "Intestinal stoma leak", "Myasthenia gravis", id="usual-reading-before-another"),
        pytest.param("cardiac", "Non-cardiac chest pain", "Asystole", id="word-before-class"),
        pytest.param("cardiac", "Cardiac troponin T increased", "Cardiac disorders - Other, specify", id="other-last"),
        pytest.param("精神", "Lethargy", "Psychiatric disorders - Other, specify", id="other-last-chinese"),
    ],
)
def test_search_ranks(query: str, better: str, worse: str) -> None:
    order = names_of(search(V5, query, limit=900))
    assert order.index(better) < order.index(worse)


def test_an_exact_code_stands_alone_and_its_beginning_finds_its_like() -> None:
    assert names_of(search(V5, "10013442")) == ["Disseminated intravascular coagulation"]
    assert {found.code[:5] for found in search(V5, "10013", limit=900)} == {"10013"}


def test_another_reading_of_a_character_finds_it_too() -> None:
    """重 is zhong in 重症 (severe), and chong in other words: who types chong finds it after those."""
    assert names_of(search(V5, "zhongzheng")) == ["Myasthenia gravis"]
    assert names_of(search(V5, "chongzheng")) == ["Myasthenia gravis"]


@pytest.mark.parametrize("query", ["", "  ", "-", "（", "qqqqqq", "发热寒战", "fever chills"])
def test_what_finds_nothing(query: str) -> None:
    assert search(V5, query) == ()


def test_a_version_finds_only_its_own_terms() -> None:
    assert search(V5, "10083347") == ()
    assert names_of(search(V6, "icans")) == ["Immune effector cell-associated neurotoxicity syndrome"]
    assert names_of(search(V6, "CPK")) == []
    with pytest.raises(UnknownTerm, match="choose one of"):
        search("3.0", "")


def test_a_class_finds_all_its_terms() -> None:
    expected = {found.code for found in terms(V5) if found.soc == "Psychiatric disorders"}
    assert expected <= {found.code for found in search(V5, "psychiatric disorders", limit=900)}
    assert expected <= {found.code for found in search(V5, "精神疾病", limit=900)}


def test_the_limit_keeps_the_best() -> None:
    everything = search(V5, "pain", limit=900)
    assert len(search(V5, "pain")) == 20
    assert search(V5, "pain", limit=3) == everything[:3]


def test_abbreviations_belong_to_terms() -> None:
    assert set(catalogue.ABBREVIATIONS) <= {found.name for found in ALL}
    for name, short in catalogue.ABBREVIATIONS.items():
        version = V5 if name in names_of(terms(V5)) else V6
        for word in short.split():
            assert name in names_of(search(version, word, limit=3)), word


# --- What people say every day -----------------------------------------------------------------------


def said() -> list[dict[str, str]]:
    return list(catalogue._rows("synonyms.csv"))


#: What a clinician typed → the terms that come first, in this order, in 5.0 and in 6.0.
EVERY_DAY = [
    ("发烧", ["Fever"], ["Fever"]),
    ("拉肚子", ["Diarrhea"], ["Diarrhea"]),
    (
        "转氨酶升高",
        ["Alanine aminotransferase increased", "Aspartate aminotransferase increased"],
        ["Alanine aminotransferase increased", "Aspartate aminotransferase increased"],
    ),
    ("谷丙升高", ["Alanine aminotransferase increased"], ["Alanine aminotransferase increased"]),
    ("白细胞低", ["White blood cell decreased"], ["White blood cell decreased"]),
    ("肺炎", ["Lung infection", "Pneumonitis"], ["Pneumonia", "Pneumonitis"]),
    ("血小板减少", ["Platelet count decreased"], ["Thrombocytopenia"]),
    ("皮疹", ["Rash maculo-papular"], ["Rash maculo-papular"]),
    ("neutropenia", ["Neutrophil count decreased", "Febrile neutropenia"], ["Neutrophil count decreased"]),
    ("pneumonia", ["Lung infection", "Pneumonitis"], ["Pneumonia", "Pneumonitis"]),
    ("神经毒性", ["Encephalopathy"], ["Immune effector cell-associated neurotoxicity syndrome"]),
    (
        "噬血",
        ["Blood and lymphatic system disorders - Other, specify"],
        ["Secondary hemophagocytic lymphohistiocytosis"],
    ),
    ("粒缺", ["Neutrophil count decreased", "Febrile neutropenia"], ["Neutrophil count decreased"]),
    ("粒缺发热", ["Febrile neutropenia"], ["Febrile neutropenia"]),
]


@pytest.mark.parametrize(("query", "v5", "v6"), EVERY_DAY, ids=[row[0] for row in EVERY_DAY])
def test_what_clinicians_type_finds_the_common_term_first(query: str, v5: list[str], v6: list[str]) -> None:
    assert names_of(search(V5, query))[: len(v5)] == v5
    assert names_of(search(V6, query))[: len(v6)] == v6


@pytest.mark.parametrize(
    ("query", "name"),
    [
        pytest.param("拉肚", "Diarrhea", id="unfinished"),
        pytest.param("谷丙", "Alanine aminotransferase increased", id="part-of-a-word"),
        pytest.param("转氨酶升", "Alanine aminotransferase increased", id="unfinished-rise"),
        pytest.param("谷丙 升高", "Alanine aminotransferase increased", id="with-a-space"),
        pytest.param("谷丙偏高", "Alanine aminotransferase increased", id="another-word-for-high"),
        pytest.param("ＡＬＴ升高", "Alanine aminotransferase increased", id="full-width"),
        pytest.param("alt 高", "Alanine aminotransferase increased", id="small-letters"),
        pytest.param("白细胞下降", "White blood cell decreased", id="another-word-for-low"),
        pytest.param("白细胞减少症", "White blood cell decreased", id="as-a-disease"),
        pytest.param("中性粒细胞计数减少", "Neutrophil count decreased", id="another-word-in-the-name"),
        pytest.param("肚子 疼", "Abdominal pain", id="parts-with-a-space"),
        pytest.param("  Low   PLATELETS ", "Platelet count decreased", id="case-and-spaces"),
        pytest.param("platelets low", "Platelet count decreased", id="words-in-any-order"),
        pytest.param("neutropen", "Neutrophil count decreased", id="english-unfinished"),
        pytest.param("neutropaenia", "Neutrophil count decreased", id="british"),
        pytest.param("bloodstreaminfection", "Bacteremia", id="without-spaces"),
        pytest.param("bleed", "Upper gastrointestinal hemorrhage", id="english-part"),
    ],
)
def test_a_word_of_every_day_need_not_be_written_as_it_stands(query: str, name: str) -> None:
    assert names_of(search(V5, query, limit=1)) == [name]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_word_of_every_day_finds_its_terms_first_and_in_order(version: str) -> None:
    for row in said():
        meant = [name for name in row[f"terms_v{version[0]}"].split("|") if name]
        assert names_of(search(version, row["word"], limit=len(meant))) == meant, row["word"]


def test_the_words_of_every_day_are_whole() -> None:
    """Each stands once, in its language, for terms that are there; an empty cell says that a version has none."""
    rows = said()
    by_language = Counter(row["language"] for row in rows)
    assert set(by_language) == {"zh", "en"}
    assert min(by_language.values()) >= 150
    written = Counter(catalogue._levelled("".join(catalogue._words(catalogue._plain(row["word"])))) for row in rows)
    assert [word for word, times in written.items() if times > 1] == []
    for row in rows:
        assert row["word"] == row["word"].strip()
        assert bool(HAN.search(row["word"])) == (row["language"] == "zh"), row
        assert row["terms_v6"], row
        for version in VERSIONS:
            meant = [name for name in row[f"terms_v{version[0]}"].split("|") if name]
            assert set(meant) <= set(names_of(terms(version))), row
            assert len(set(meant)) == len(meant), row
    assert {row["word"] for row in rows if not row["terms_v5"]} == {"血小板高", "high platelets"}


def test_words_of_every_day_need_no_chinese_names() -> None:
    """A site's own release may call a term otherwise, and no name of ours be left."""
    bare = {found.code: "甲乙丙" for found in ALL}
    for query, v5, v6 in EVERY_DAY:
        assert names_of(search(V5, query, limit=1, names=bare)) == v5[:1]
        assert names_of(search(V6, query, limit=1, names=bare)) == v6[:1]


def test_a_word_for_a_term_that_is_not_there_stops_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"word": "发烧", "language": "zh", "terms_v5": "Feever", "terms_v6": "Fever"}
    monkeypatch.setattr(catalogue, "_rows", lambda name: iter([row]))
    with pytest.raises(UnknownTerm, match="Feever"):
        catalogue.synonyms.__wrapped__(V5)
    assert list(catalogue.synonyms.__wrapped__(V6)) == ["Fever"]


# --- Names that a site brings --------------------------------------------------------------------

SITE = {"10016558": "热病", "10002272": ""}


@pytest.mark.parametrize(
    ("query", "first"),
    [
        pytest.param("热病", "Fever", id="chinese"),
        pytest.param("rebing", "Fever", id="pinyin"),
        pytest.param("rb", "Fever", id="initials"),
        pytest.param("fever", "Fever", id="english"),
        pytest.param("10016558", "Fever", id="code"),
        pytest.param("贫血", "Anemia", id="an-empty-name-replaces-nothing"),
    ],
)
def test_the_sites_names_replace_ours(query: str, first: str) -> None:
    assert names_of(search(V5, query, limit=1, names=SITE)) == [first]


def test_our_name_finds_nothing_where_the_site_has_another() -> None:
    assert names_of(search(V5, "发热")) == ["Fever", "Febrile neutropenia"]
    assert names_of(search(V5, "发热", names=SITE)) == ["Febrile neutropenia"]


def test_the_sites_names_are_shown() -> None:
    assert [found.name_zh for found in search(V5, "fever", limit=1, names=SITE)] == ["热病"]
    assert with_names(term(V5, "10016558"), SITE).name_zh == "热病"
    assert with_names(term(V5, "10002272"), SITE).name_zh == "贫血"
    assert search(V5, "fever")[0].name_zh == "发热"


def test_a_character_without_a_reading_does_not_stop_the_search() -> None:
    assert names_of(search(V5, "热㐂病", names={"10016558": "热㐂病"})) == ["Fever"]


# --- Version 5.0 beside 6.0 ----------------------------------------------------------------------


def test_kinds_of_change() -> None:
    kinds = Counter(change.kind for change in catalogue._changes())
    assert kinds == {"same": 786, "moved": 4, "renamed": 16, "merged": 22, "removed": 9, "split": 9, "added": 42}
    assert len(changed_terms()) == sum(kinds.values()) - 786


@pytest.mark.parametrize(
    ("name", "kind", "later"),
    [
        pytest.param("Fever", "same", "Fever", id="same"),
        pytest.param("Cyanosis", "moved", "Cyanosis", id="moved-to-vascular"),
        pytest.param("Platelet count decreased", "renamed", "Thrombocytopenia", id="renamed-platelets"),
        pytest.param("Lymphocyte count decreased", "renamed", "Lymphopenia", id="renamed-lymphocytes"),
        pytest.param("Lung infection", "renamed", "Pneumonia", id="renamed-lung-infection"),
        pytest.param("Ejection fraction decreased", "renamed", "Left ventricular dysfunction", id="renamed-ef"),
        pytest.param("Hip fracture", "merged", "Fracture", id="merged-into-a-term-of-both"),
        pytest.param("Anal hemorrhage", "merged", "Hematochezia", id="merged-into-a-new-term"),
        pytest.param("CPK increased", "removed", "Investigations - Other, specify", id="removed-cpk"),
    ],
)
def test_what_stands_for_a_term_of_version_5(name: str, kind: str, later: str) -> None:
    before = by_name(V5, name)
    assert counterpart(before) == by_name(V6, later)
    assert [(change.kind, change.v5, change.v6) for change in side_by_side(before)] == [
        (kind, before, by_name(V6, later))
    ]


@pytest.mark.parametrize(
    ("name", "grade", "later"),
    [
        pytest.param("Asystole", 1, "Sinus bradycardia", id="asystole-1"),
        pytest.param("Asystole", 4, "Asystole", id="asystole-4"),
        pytest.param("Restrictive cardiomyopathy", 2, "Cardiac disorders - Other, specify", id="cardiomyopathy-2"),
        pytest.param("Restrictive cardiomyopathy", 3, "Heart failure", id="cardiomyopathy-3"),
        pytest.param("Neck edema", 3, "Edema face", id="neck-3"),
        pytest.param(
            "Neck edema", 4, "General disorders and administration site conditions - Other, specify", id="neck-4"
        ),
        pytest.param("Cardiac troponin I increased", 1, "Investigations - Other, specify", id="troponin-i-1"),
        pytest.param("Cardiac troponin I increased", 3, "Myocardial infarction", id="troponin-i-3"),
        pytest.param("Cardiac troponin T increased", 3, "Myocardial infarction", id="troponin-t-3"),
        pytest.param("Forced expiratory volume decreased", 3, "Forced expiratory volume decreased", id="fev-3"),
        pytest.param("Forced expiratory volume decreased", 4, "Dyspnea", id="fev-4"),
        pytest.param("Glucose intolerance", 4, "Hyperglycemia", id="glucose-4"),
        pytest.param("Glucose intolerance", 5, "Metabolism and nutrition disorders - Other, specify", id="glucose-5"),
        pytest.param("Hyperglycemia", 5, "Metabolism and nutrition disorders - Other, specify", id="hyperglycemia-5"),
        pytest.param("Hypertension", 1, "Vascular disorders - Other, specify", id="hypertension-1"),
        pytest.param("Hypertension", 2, "Hypertension", id="hypertension-2"),
        pytest.param("Fever", 3, "Fever", id="a-term-that-was-not-split"),
    ],
)
def test_a_grade_may_go_elsewhere_than_its_term(name: str, grade: int, later: str) -> None:
    assert counterpart(by_name(V5, name), grade=grade) == by_name(V6, later)


@pytest.mark.parametrize(
    ("name", "earlier"),
    [
        pytest.param("Fever", "Fever", id="same"),
        pytest.param("Thrombocytopenia", "Platelet count decreased", id="renamed"),
        pytest.param("Fracture", "Fracture", id="merged-with-itself"),
        pytest.param("Investigations - Other, specify", "Investigations - Other, specify", id="other"),
        pytest.param("Sinus bradycardia", "Sinus bradycardia", id="a-grade-of-another-does-not-count"),
        pytest.param("Hematochezia", None, id="several-became-a-new-one"),
        pytest.param("Immune effector cell-associated neurotoxicity syndrome", None, id="added"),
    ],
)
def test_what_a_term_of_version_6_was(name: str, earlier: str | None) -> None:
    assert counterpart(by_name(V6, name)) == (earlier and by_name(V5, earlier))


@pytest.mark.parametrize("sought", ["Hematochezia", " hematochezia ", "10060544", by_name(V6, "Hematochezia")])
def test_side_by_side_takes_a_name_a_code_or_a_term(sought: str | Term) -> None:
    assert {change.v5.name for change in side_by_side(sought) if change.v5} == {
        "Anal hemorrhage",
        "Colonic hemorrhage",
        "Lower gastrointestinal hemorrhage",
        "Rectal hemorrhage",
    }


def test_side_by_side_of_an_added_term_has_nothing_before_it() -> None:
    (change,) = side_by_side("Secondary hemophagocytic lymphohistiocytosis")
    assert (change.kind, change.v5, change.v6.version) == (ChangeKind.ADDED, None, V6)


def test_side_by_side_refuses_what_is_no_term() -> None:
    with pytest.raises(UnknownTerm, match="search for its name"):
        side_by_side("Feverish")


def test_every_term_stands_in_the_mapping_as_its_kind_says() -> None:
    rows = catalogue._changes()
    whole = [change for change in rows if change.kind is not ChangeKind.SPLIT]
    assert Counter(change.v5 for change in whole if change.v5) == Counter(terms(V5))
    assert {change.v6 for change in rows} == set(terms(V6))
    for change in rows:
        assert bool(change.v5_grades) == (change.kind is ChangeKind.SPLIT)
        assert (change.v5 is None) == (change.kind is ChangeKind.ADDED)
        if change.v5 is not None:
            assert (change.v5.code == change.v6.code) == (change.kind in {ChangeKind.SAME, ChangeKind.MOVED})
            assert set(change.v5_grades) <= set(change.v5.grades)
        if change.kind is ChangeKind.REMOVED:
            assert change.v6.is_other


# --- What must always hold -----------------------------------------------------------------------

TERMS = st.sampled_from(ALL)


# A search reads the whole catalogue: some tens of milliseconds.
@settings(max_examples=40, deadline=None)
@given(TERMS)
def test_every_term_is_found_by_its_code_its_names_and_its_pinyin(found: Term) -> None:
    sounds = catalogue._sounds(catalogue._plain(found.name_zh))
    whole, initials = ("".join(form) for form in ([s[0] for s in sounds], [s[0][0] for s in sounds]))
    for query in (found.code, found.name, found.name.upper(), found.name_zh):
        assert search(found.version, query, limit=1) == (found,)
    for query in (whole, initials):
        assert found in search(found.version, query, limit=5)


@settings(deadline=None)
@given(TERMS, st.data())
def test_words_of_a_term_find_it_in_any_order_and_unfinished(found: Term, data: st.DataObject) -> None:
    words = data.draw(st.permutations(re.findall(r"\w+", found.name)))
    cut = [word[: data.draw(st.integers(1, len(word)))] for word in words]
    assert found in search(found.version, " ".join(cut), limit=900)


@settings(deadline=None)
@given(TERMS, st.data())
def test_any_part_of_a_chinese_name_finds_it(found: Term, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(found.name_zh) - 1))
    part = found.name_zh[start : data.draw(st.integers(start + 1, len(found.name_zh)))]
    if re.search(r"\w", part):
        assert found in search(found.version, part, limit=900)


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from(VERSIONS), st.integers(0, 30))
def test_any_text_can_be_searched_for(query: str, version: str, limit: int) -> None:
    found = search(version, query, limit=limit)
    assert len(found) == len(set(found)) <= limit


@given(TERMS)
def test_a_counterpart_is_of_the_other_version(found: Term) -> None:
    other = counterpart(found)
    assert other is None or other.version != found.version
