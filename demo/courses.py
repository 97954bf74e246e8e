"""What is seen of a toxicity from day to day, by course, and which other adverse events there may be."""

from typing import Any, NamedTuple

# Highest bedside findings of each day, by course: day → CRS finding, ICANS finding.
CRS_COURSES: dict[str, dict[int, dict[str, Any]]] = {
    "none": {3: {}},
    "mild": {2: {}, 3: {"t": "38.6"}, 4: {"t": "38.2"}, 5: {}},
    "moderate": {
        2: {"t": "38.4"},
        3: {"t": "39.3", "hypotension": True},
        4: {"t": "38.8", "device": "nasal_cannula", "flow": "3", "drug": True},
        5: {"t": "37.2", "drug": True},
        6: {},
    },
    "severe": {
        1: {"t": "38.5"},
        2: {"t": "39.6", "hypotension": True},
        3: {"t": "39.4", "hypotension": True, "vasopressors": 1, "drug": True},
        4: {
            "t": "38.1",
            "hypotension": True,
            "vasopressors": 1,
            "device": "hfnc",
            "flow": "30",
            "drug": True,
        },
        5: {"t": "37.4", "device": "nasal_cannula", "flow": "4", "drug": True},
        6: {"t": "37.0", "drug": True},
        7: {},
    },
    "icans": {2: {"t": "38.9"}, 3: {"t": "38.7", "hypotension": True}, 4: {"t": "37.3", "drug": True}, 5: {}},
}
ICANS_COURSES: dict[str, dict[int, dict[str, Any]]] = {
    "severe": {4: {"writing": 0}, 5: {"naming": 2, "writing": 0, "attention": 0}, 7: {}},
    "icans": {
        4: {"attention": 0},
        5: {"orientation": 3, "writing": 0, "attention": 0},
        6: {"orientation": 1, "naming": 0, "writing": 0, "attention": 0, "awake": "awakens_only_to_tactile"},
        7: {"orientation": 2, "naming": 1, "writing": 0, "attention": 0, "awake": "awakens_to_voice"},
        8: {"writing": 0},
        10: {},
    },
}


class Other(NamedTuple):
    """An event that somebody may have: from `first` day on for so many days (None: it goes on), and what it may be due
    to. `is_admitted`: it brought the participant back to hospital."""

    term: str
    code: str
    first: int
    days: int | None
    grade: int
    cells: str
    lymphodepletion: str = "unrelated"
    is_admitted: bool = False


EVENTS = (
    Other("中性粒细胞减少", "10029366", 5, 16, 4, "probable", "definite"),
    Other("血小板减少", "10035528", 6, 20, 3, "probable", "probable"),
    Other("贫血", "10002272", 4, 24, 2, "possible", "probable"),
    Other("低丙种球蛋白血症", "10022891", 28, None, 2, "definite"),
    Other("恶心", "10028813", 1, 3, 1, "unlikely", "possible"),
    Other("头痛", "10019211", 3, 2, 1, "possible"),
    Other("丙氨酸氨基转移酶升高", "10001551", 8, 10, 2, "possible", "possible"),
    Other("肺部感染", "10061229", 15, 14, 3, "possible", "possible", is_admitted=True),
    Other("带状疱疹", "10040555", 60, 12, 2, "possible"),
)


class Death(NamedTuple):
    """What somebody died of; `due_to` is said of the cells, and an expected one needs no report to the authority."""

    term: str
    code: str
    due_to: str
    is_expected: bool


DIED_DAYS_AGO = 10
DEATHS = {
    "progression": Death("疾病进展", "10061818", "unrelated", is_expected=True),
    "sepsis": Death("败血症", "10040047", "possible", is_expected=False),
}
# What the investigator's brochure lists: against it the sponsor says whether an event is expected.
EXPECTED = """细胞因子释放综合征 1–4 级
免疫效应细胞相关神经毒性综合征 1–4 级
中性粒细胞减少、血小板减少、贫血 1–4 级
低丙种球蛋白血症 1–3 级
感染 1–4 级"""
