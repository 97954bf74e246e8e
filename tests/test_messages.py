"""Every string has its translation, and the tool that says so notices what is missing."""

import re
from pathlib import Path

import polib
import pytest

from scripts import messages
from scripts.messages import Message


def test_the_catalogue_is_complete() -> None:
    assert messages.problems() == []


# One word for one thing: pattern of the word that is not used → the one that is.
ONE_WORD = {
    "患者|病人|被试": "受试者",
    "预警|警告": "警报",
    "申办方": "申办者",
    "检验科": "实验室",
    "类固醇|(?<!皮质)激素": "糖皮质激素",
    "研究操作": "研究程序",
    "消息(?!中间件)": "通知",
    "活 CAR-T": "CAR-T 活细胞",
    "Day 0": "第 0 天",
    "无法唤醒": "不可唤醒",
    "颅内压升高": "颅内压增高",
    "非重复呼吸|喷射式": "储氧（非再呼吸）面罩、吹气式给氧",
    "状况复核": "状况评估",
    "确立": "诊断",
    "答案": "回答",
    "妨碍": "未满足",
    "输入一个|确保该值": "请填……",
    "0 天后": "今天",
}


@pytest.mark.parametrize("pattern", ONE_WORD)
def test_one_thing_has_one_word(pattern: str) -> None:
    """What site staff read: two words for one thing make them look for a difference that is not there."""
    entries = polib.pofile(str(messages.ROOT / messages.CATALOGUE))
    used = [text for entry in entries for text in (entry.msgstr, *entry.msgstr_plural.values())]
    assert [text for text in used if re.search(pattern, text)] == [], f"say {ONE_WORD[pattern]}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "trialsite" / "templates").mkdir(parents=True)
    code = (
        'a = _("One %(n)s")\nb = mark("Two " "words")\nc = pgettext("ctx", "Three")\nd = ngettext("day", "days", 2)\n'
    )
    (tmp_path / "trialsite" / "code.py").write_text(code, encoding="utf-8")
    template = """{% load i18n %}{% translate "Four" %}
{% blocktranslate trimmed count n=x %}{{ n }} bag
{% plural %}{{ n }} bags{% endblocktranslate %}"""
    (tmp_path / "trialsite" / "templates" / "page.html").write_text(template, encoding="utf-8")
    return tmp_path


def test_strings_of_code_and_templates_are_found(tree: Path) -> None:
    assert set(messages.extract(tree)) == {
        Message("One %(n)s"),
        Message("Two words"),
        Message("Three", context="ctx"),
        Message("day", "days"),
        Message("Four"),
        Message("%(n)s bag", "%(n)s bags"),
    }


@pytest.fixture
def complete(tree: Path) -> Path:
    messages.update(tree)
    texts = {key: f"译 {key}".replace("ctx\u0004", "") for key in messages.untranslated(tree)}
    messages.fill(texts, tree)
    assert messages.problems(tree) == []
    return tree


def test_a_new_string_is_noticed(complete: Path) -> None:
    with (complete / "trialsite" / "code.py").open("a", encoding="utf-8") as file:
        file.write('e = _("New")\n')
    assert any("untranslated: 'New'" in problem for problem in messages.problems(complete))


def test_a_fuzzy_entry_is_noticed(complete: Path) -> None:
    path = complete / messages.CATALOGUE
    path.write_text(
        path.read_text(encoding="utf-8").replace('msgid "Four"', '#, fuzzy\nmsgid "Four"'), encoding="utf-8"
    )
    assert any("fuzzy: 'Four'" in problem for problem in messages.problems(complete))


def test_another_placeholder_is_noticed(complete: Path) -> None:
    path = complete / messages.CATALOGUE
    path.write_text(path.read_text(encoding="utf-8").replace("译 One %(n)s", "译 One %(m)s"), encoding="utf-8")
    assert any("placeholders differ: 'One" in problem for problem in messages.problems(complete))


def test_a_stale_compiled_catalogue_is_noticed(complete: Path) -> None:
    (complete / messages.CATALOGUE).with_suffix(".mo").write_bytes(b"old")
    assert any("compiled" in problem for problem in messages.problems(complete))


def test_a_string_that_is_gone_is_noticed(complete: Path) -> None:
    (complete / "trialsite" / "code.py").write_text("", encoding="utf-8")
    assert any("does not match the code" in problem for problem in messages.problems(complete))
