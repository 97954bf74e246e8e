"""Every column of every table of cases is declared: what it reads, what it refuses, and what people are told of it."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from participants.cases.eligibility import known_inputs
from participants.cases.inputs import EXAMPLES
from participants.criteria import items
from trialsite.casetables import CaseTable, Column, Kind, TableError, as_csv, key_of, run, spellings
from trialsite.management.commands.check_cases import KIND_TEXT, known_rules
from trialsite.study import get_study

RULES = known_rules()
LANGUAGES = ("zh-hans", "en")
NONSENSE = "xyzzy"
# Kinds that take any text: what it says is compared with something else of the row, or with nothing.
FREE = frozenset({Kind.TEXT})
Named = tuple[str, str, Column]


def columns() -> list[Named]:
    return [(rule, name, column) for rule, table in RULES.items() for name, column in table.columns().items()]


def inputs() -> Iterator[tuple[str, str, str, str, Column]]:
    """Rule, column, kind of case, name and declaration of each input within a cell."""
    for rule, name, column in columns():
        for kind, of_kind in column.inputs.items():
            for each, one in of_kind.columns.items():
                yield rule, name, kind, each, one


def everything() -> list[tuple[str, Column]]:
    within = [(f"{rule}-{kind}-{name}", one) for rule, _column, kind, name, one in inputs()]
    return [*((f"{rule}-{name}", column) for rule, name, column in columns()), *within]


ALL = [pytest.param(column, id=name) for name, column in everything()]


def listed(rule: str, language: str) -> str:
    out = io.StringIO()
    call_command("check_cases", rule, columns=True, language=language, stdout=out)
    return out.getvalue()


def table_of(tmp_path: Path, *rows: dict[str, str]) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text(as_csv(list(rows)), encoding="utf-8")
    return path


def cell_of(rule: str, kind: str, name: str, text: str) -> dict[str, str]:
    """The columns of a case that gives one named input, in the way in which its table writes it."""
    if rule == "eligibility":
        criterion = "I3" if kind == "*" else kind
        return {"criterion": criterion, "inputs_json": json.dumps({name: text})}
    return {"kind": kind, "inputs": f"{name}={text}"}


# --- What is declared is read ----------------------------------------------------------------------


@pytest.mark.parametrize("table", [pytest.param(table, id=rule) for rule, table in RULES.items()])
def test_every_column_is_declared(table: CaseTable) -> None:
    assert all(isinstance(column, Column) for column in table.columns().values())


@pytest.mark.parametrize("column", ALL)
def test_every_declared_word_is_read_as_what_it_stands_for(column: Column) -> None:
    for word in column.words:
        for text in word.spelt:
            found = column(text)
            several = found if isinstance(found, tuple | frozenset) else ()
            assert word.value == found or word.value in several, text


@pytest.mark.parametrize("column", ALL)
def test_no_spelling_stands_for_two_words(column: Column) -> None:
    assert len(spellings(column.words)) >= len({key_of(word.written) for word in column.words})


@pytest.mark.parametrize("column", ALL)
def test_an_example_is_read_and_a_cell_may_be_empty_where_it_says_so(column: Column) -> None:
    if column.example:
        column(column.example)
    if column.may_be_empty:
        assert column("") is None


# --- What is not declared is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "name"), [(rule, name) for rule, name, column in columns() if column.kind not in FREE]
)
def test_an_unknown_word_is_refused_with_its_place(tmp_path: Path, rule: str, name: str) -> None:
    row = {**RULES[rule].example_rows()[0], name: NONSENSE}
    with pytest.raises(TableError, match=rf"^row 2, column {name}: '{NONSENSE}' cannot be read \(.+\)"):
        run(RULES[rule], table_of(tmp_path, row))


@pytest.mark.parametrize(
    ("rule", "column", "kind", "name"),
    [(rule, column, kind, name) for rule, column, kind, name, one in inputs() if one.kind not in FREE],
)
def test_an_unknown_word_of_an_input_is_refused_with_its_place(
    tmp_path: Path, rule: str, column: str, kind: str, name: str
) -> None:
    row = {**RULES[rule].example_rows()[0], **cell_of(rule, kind, name, NONSENSE)}
    with pytest.raises(TableError, match=rf"^row 2, column {column}: {name}: '{NONSENSE}' cannot be read \(.+\)"):
        run(RULES[rule], table_of(tmp_path, row))


def changed(name: str) -> set[str]:
    """Names that are like a known one, and are none of it."""
    return {f"un{name}", f"{name}x", f"no_{name}", name[1:], name.upper()}


@pytest.mark.parametrize(("rule", "kind"), sorted({(rule, kind) for rule, _column, kind, *_rest in inputs()}))
def test_a_name_that_is_only_like_a_known_one_is_refused(tmp_path: Path, rule: str, kind: str) -> None:
    declared = {name: one for r, _column, k, name, one in inputs() if (r, k) == (rule, kind)}
    names = {name for main, one in declared.items() for name in (main, *one.also)}
    for like in {like for name in names for like in changed(name)} - names - every_name(rule):
        row = {**RULES[rule].example_rows()[0], **cell_of(rule, kind, like, "1")}
        with pytest.raises(TableError, match=r"row 2, column inputs(_json)?: (unknown input|.results)"):
            run(RULES[rule], table_of(tmp_path, row))


def every_name(rule: str) -> set[str]:
    return {name for r, _column, _kind, main, one in inputs() if r == rule for name in (main, *one.also)}


# --- What people are told ----------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", RULES)
def test_the_list_names_every_column_every_input_and_every_word(rule: str, language: str) -> None:
    told = listed(rule, language)
    for name, column in RULES[rule].columns().items():
        assert f"\n{name}: " in told
        assert all(f"    {word.written}" in told for word in column.words)
        for kind, of_kind in column.inputs.items():
            assert f"\n  {kind}: " in told
            assert all(f"\n    {each}: " in told for each in of_kind.columns)


CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[a-z]{4,}")
# What is written in a table whatever the language.
WRITTEN = re.compile(
    r"YYYY-MM-DD|(not )?detected(, below)?|ANC .*|relapse 2026-03-01.*|not censored|yes|no|true|false|none"
)


def _in(language: str, text: Any) -> str:
    with translation.override(language):
        return translation.gettext(str(text)) if str(text) else ""


@pytest.mark.parametrize("column", ALL)
def test_every_label_and_every_meaning_is_there_in_both_languages(column: Column) -> None:
    for text in (column.label, column.unit, KIND_TEXT[column.kind], *(word.meaning for word in column.words)):
        chinese, english = (_in(language, text) for language in LANGUAGES)
        assert not CHINESE.search(english), english
        # A plain string is a name that every language has: ALT, Mosteller.
        assert CHINESE.search(chinese) or not ENGLISH.search(chinese) or isinstance(text, str), chinese
        assert not re.search(r"[a-z]{3,} [a-z]{2,}", WRITTEN.sub("", chinese)), chinese
    assert str(column.label)


@pytest.mark.parametrize("rule", RULES)
def test_both_languages_say_other_things_of_the_same_columns(rule: str) -> None:
    chinese, english = (listed(rule, language) for language in LANGUAGES)
    assert not CHINESE.search(english)
    assert len(CHINESE.findall(chinese)) > len(RULES[rule].columns())
    assert chinese.partition("\nid,")[2] == english.partition("\nid,")[2] != ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", RULES)
def test_the_example_of_the_list_is_a_table_that_passes(tmp_path: Path, rule: str, language: str) -> None:
    lines = listed(rule, language).strip().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("id,"))
    path = tmp_path / "example.csv"
    path.write_text("\n".join(lines[first:]), encoding="utf-8")
    outcome = run(RULES[rule], path)
    assert outcome.last_line == f"{len(lines) - first - 1} passed, 0 failed", outcome.differences
    assert next(csv.reader([lines[first]])) == ["id", *RULES[rule].columns()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_error_is_said_in_the_language_that_is_asked_for(tmp_path: Path, language: str) -> None:
    path = table_of(tmp_path, {**RULES["crs"].example_rows()[0], "o2_device": "snorkel"})
    with pytest.raises(CommandError) as raised:
        call_command("check_cases", "crs", str(path), language=language)
    said = str(raised.value)
    assert "row 2, column o2_device" in said
    assert "nasal_cannula, blow_by" in said
    assert bool(CHINESE.search(said)) == (language == "zh-hans")


def test_a_file_or_the_list_has_to_be_asked_for() -> None:
    with pytest.raises(CommandError, match="--columns"):
        call_command("check_cases", "crs", language="en")


# --- Eligibility: nothing of the study without inputs --------------------------------------------------


def test_every_check_of_the_study_can_be_asked_about() -> None:
    for item in items(get_study().latest):
        own = set(known_inputs(item.code)) - set(known_inputs("none"))
        assert own or {check.rule for check in item.checks} == {"age"}, item.code


def test_every_criterion_has_an_example() -> None:
    asked = {label.split(".")[0] for label in EXAMPLES}
    assert asked == {f"{'I' if one.code[0] == 'I' else 'E'}{int(one.code[4:])}" for one in get_study().latest.criteria}
