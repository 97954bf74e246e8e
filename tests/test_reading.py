"""Everybody's typing is understood, in every field, search box and check; what is not is asked about with the way on.

The walk goes over all forms: those the admin makes of models, those written by hand, and those made for one row.
"""

import ast
import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone, translation

from dosing.actions import product_of_lot
from dosing.admin.product import step_form
from participants.admin.panels import AnswerForm
from participants.admin.people import status_form
from participants.models import Examination, Participant, Visit
from participants.rules.measures import MEASURES
from safety.admin.ctcae import CtcaeField
from safety.admin.eventform import MeddraField
from tests import factories
from tests.conftest import PASSWORD
from tests.test_admin import OURS, fields_of, infusion_form, page_of
from trialsite import formfields
from trialsite.local.services import BASE_DIR
from trialsite.models import Record, Site, User

DAY = dt.timedelta(days=1)
ROOMS = ("trialsite", "participants", "dosing", "safety", "sponsor", "demo")
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
# One line of words that people read, and nothing compares: kept exactly as it was written.
FREE_TEXT = {
    "cause_of_death",
    "other_named",
    "name_zh",
    "name_en",
    "first_name",
    "last_name",
    "laboratory",
    "venous_access",
    "storage",
    "reason",
    "name",
    "dose_unit",
    "indication",
    "term",
    "source",
    "version",
    "not_done",
    "temperature_not_done",
    "ice_not_done",
    "sentence",
    # Shown on a page that has no form to change them.
    "code",
    "file_name",
    "sha256",
}
NOT_TYPED = (
    forms.ChoiceField,
    forms.BooleanField,
    forms.FileField,
    forms.ModelChoiceField,
    forms.models.InlineForeignKeyField,
    forms.JSONField,
)


# --- the walk ----------------------------------------------------------------------------------


def form_classes() -> Iterator[type[forms.BaseForm]]:
    request = RequestFactory().get("/")
    request.user = User(pk=1, is_superuser=True, is_active=True)
    for page in OURS:
        if not page.has_add_permission(request) and not page.has_change_permission(request):
            continue
        yield page.get_form(request)
        for inline in page.get_inline_instances(request, page.model()):
            yield inline.get_formset(request).form
    yield step_form(None)
    yield status_form(Participant(pk=0, status="screening"))
    yield from written_by_hand(forms.BaseForm)


def written_by_hand(base: type[Any]) -> Iterator[type[forms.BaseForm]]:
    for one in base.__subclasses__():
        yield from written_by_hand(one)
        if one.__module__.split(".")[0] in ROOMS and hasattr(one, "base_fields"):
            yield one


def typed_fields() -> dict[str, forms.Field]:
    """Every field that somebody types into, by its form and name."""
    found: dict[str, forms.Field] = {}
    for one in form_classes():
        for name, field in one.base_fields.items():
            found.setdefault(f"{one.__module__}.{one.__name__}.{name}", field)
    for code, measure in MEASURES.items():
        for name, field in AnswerForm(measure=measure).fields.items():
            found[f"examination.{code}.{name}"] = field
    return {
        name: field
        for name, field in found.items()
        if not isinstance(field, NOT_TYPED)
        and not field.widget.is_hidden
        and not isinstance(field.widget, forms.Textarea | forms.PasswordInput)
    }


@pytest.fixture(scope="module")
def fields(django_db_setup: Any, django_db_blocker: Any) -> dict[str, forms.Field]:
    with django_db_blocker.unblock():
        return typed_fields()


def cleaned(field: forms.Field, *typed: str) -> Any:
    """As a browser would send it."""
    data = QueryDict(mutable=True)
    if isinstance(field, forms.MultiValueField):
        data["it_0"], data["it_1"] = typed
    else:
        data["it"] = typed[0]
    return field.clean(field.widget.value_from_datadict(data, {}, "it"))


def spellings(field: forms.Field) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What a keyboard in English writes into this field, and what others write who mean the same."""
    match field:
        case formfields.MomentField():
            day, clock = "2026-03-05", "08:05"
            return (day, clock), [
                ("2026年3月5日", "8时5分"),
                ("2026/3/5", "8：05"),
                ("２０２６－０３－０５", "０８：０５"),
                (" 20260305 ", " 0805 "),
                ("2026.3.5", "上午8点5分"),
                ("2026-03-05 08:05", ""),
            ]
        case formfields.TimeField():
            return ("08:05",), [("8时5分",), ("8：05",), ("０８：０５",), (" 0805 ",), ("上午8点5分",)]
        case formfields.DateField():
            return ("2026-03-05",), [
                ("2026年3月5日",),
                ("2026/3/5",),
                ("２０２６－０３－０５",),
                (" 20260305 ",),
                ("2026.3.5",),
            ]
        case formfields.PartialDateField():
            return ("2026-03",), [("2026年3月",), ("2026/3",), ("２０２６－０３",), (" 2026.03 ",)]
        case formfields.DecimalField() | formfields.IntegerField():
            number = formfields.example_of(field)
            return (number,), [(number.translate(WIDE),), (f"　{number} ",), (number.replace(".", "。"),)]
        case formfields.BoundField():
            return ("≤0.5",), [("＜＝０．５",), (" ≤ 0.5 ",), ("≦0。5",), ("<=0.5",), ("=<0.5",)]
        case formfields.EmailField():
            return ("name@hospital.cn",), [("name@hospital.cn".translate(WIDE),), (" name@hospital.cn ",)]
        case formfields.SlugField():
            return ("ZJ-2",), [("ＺＪ－２",), (" ZJ – 2 ",)]
        case CtcaeField() | MeddraField():
            return ("10051792",), [("１００５１７９２",), (" 10051792 ",)]
        case formfields.CodeField() | formfields.WholeCodeField():
            return ("ZJ-022",), [("ＺＪ－０２２",), (" ZJ－ 022　",), ("ZJ–022",)]
        case formfields.LineField():
            return ("alice 1",), [("ａｌｉｃｅ　１",), (" alice  1 ",)]
    return ("x",), []


@pytest.mark.django_db
def test_every_field_understands_every_keyboard(fields: dict[str, forms.Field]) -> None:
    assert len(fields) > 150
    misread = []
    for name, field in fields.items():
        plain, others = spellings(field)
        wanted = cleaned(field, *plain) if others else None
        misread += [(name, other) for other in others if _or_error(field, other) != wanted]
    assert not misread


def _or_error(field: forms.Field, typed: tuple[str, ...]) -> Any:
    try:
        return cleaned(field, *typed)
    except ValidationError as error:
        return error


def test_a_line_of_text_is_either_read_or_free(fields: dict[str, forms.Field]) -> None:
    """Who adds a line decides: compared with something (then it has a field of ours), or words for people."""
    undecided = {
        name
        for name, field in fields.items()
        if not spellings(field)[1] and name.rpartition(".")[2] not in FREE_TEXT and type(field) is forms.CharField
    }
    unknown = {name for name, field in fields.items() if not spellings(field)[1] and type(field) is not forms.CharField}
    assert undecided == set()
    # Names of accounts: what they may hold is checked letter by letter.
    assert {name.rpartition(".")[2] for name in unknown} <= {"username", "program"}


def test_free_text_is_kept_as_it_was_written() -> None:
    assert forms.CharField().clean("发热３９℃，予物理降温。") == "发热３９℃，予物理降温。"


STOCK = re.compile(r"^(Date|DateTime|SplitDateTime|Time|Decimal|Integer|Float)Field$")


def test_no_form_takes_a_field_of_django_that_reads_one_keyboard() -> None:
    found = []
    for room in ROOMS:
        for path in (BASE_DIR / room).rglob("*.py"):
            if path.name != "formfields.py" and "migrations" not in path.parts:
                found += [f"{path}: {name}" for name in stock_fields(path)]
    assert not found


def stock_fields(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "forms"
        and STOCK.match(node.attr)
    ]


def test_a_browser_leaves_numbers_to_us(fields: dict[str, forms.Field]) -> None:
    """Its own number box would throw wide digits away before anybody could read them."""
    boxes = {name for name, field in fields.items() if getattr(field.widget, "input_type", "") == "number"}
    assert not boxes


# --- the keyboard of a phone -------------------------------------------------------------------


def keyboard(field: forms.Field) -> str:
    """What a phone should offer to type this with; nothing where it is its usual keyboard."""
    match field:
        case formfields.DecimalField() | formfields.PartialDateField():
            return "decimal"
        case formfields.IntegerField() | formfields.MomentField() | formfields.DateField() | formfields.TimeField():
            return "numeric"
        case formfields.PhoneField():
            return "tel"
        case formfields.EmailField():
            return "email"
    return ""


def test_a_phone_offers_the_keyboard_that_a_field_needs(fields: dict[str, forms.Field]) -> None:
    offered: dict[str, set[str]] = {}
    wrong = {}
    for name, field in fields.items():
        for box in getattr(field.widget, "widgets", [field.widget]):
            offered.setdefault(keyboard(field), set()).add(name)
            if keyboard(field) and box.attrs.get("inputmode") != keyboard(field):
                wrong[name] = box.attrs.get("inputmode")
    assert wrong == {}
    assert {one: len(names) > 0 for one, names in offered.items()} == dict.fromkeys(
        ("", "decimal", "numeric", "tel", "email"), True
    )


def test_no_keyboard_makes_a_word_of_a_code(fields: dict[str, forms.Field]) -> None:
    codes = formfields.CodeField | formfields.WholeCodeField | formfields.EmailField | formfields.SlugField
    found = {name: field.widget.attrs for name, field in fields.items() if isinstance(field, codes)}
    assert len(found) > 10
    assert {name for name, attrs in found.items() if not formfields.CODE.items() <= attrs.items()} == set()


def test_a_time_shows_seconds_only_where_somebody_has_given_them() -> None:
    field = formfields.MomentField(widget=forms.SplitDateTimeWidget())
    box = field.widget.widgets[1]
    assert box.format_value(dt.time(8, 5)) == "08:05"
    assert box.format_value(dt.time(8, 5, 33)) == "08:05:33"
    assert box.format_value(dt.time(0, 0)) == "00:00"
    assert box.format_value(None) is None


def test_the_boxes_of_a_moment_have_a_name_each(fields: dict[str, forms.Field]) -> None:
    moments = {name: field for name, field in fields.items() if isinstance(field, formfields.MomentField)}
    said = {name: {str(box.attrs["aria-label"]) for box in field.widget.widgets} for name, field in moments.items()}
    assert len(said) > 10
    assert {name: words for name, words in said.items() if len(words) != 2} == {}


# --- messages ----------------------------------------------------------------------------------

UNREADABLE = "§x"
# The beginnings of Django's own sentences, which name no way on.
BARE = ("Enter a", "Ensure", "输入一个", "请确保", "确保", "确认")


def message(field: forms.Field, *typed: str) -> str:
    with pytest.raises(ValidationError) as error:
        cleaned(field, *typed)
    return " ".join(error.value.messages)


def example(field: forms.Field) -> str:
    match field:
        case formfields.MomentField() | formfields.DateField():
            return formfields.EXAMPLE_DATE
        case formfields.PartialDateField():
            return "2026-11"
        case formfields.DecimalField() | formfields.IntegerField():
            return formfields.example_of(field)
        case formfields.BoundField():
            return "<0.5"
        case formfields.EmailField():
            return "name@hospital.cn"
        case formfields.SlugField():
            return "ZJ"
    return ""


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_cannot_be_read_is_named_with_one_that_can(language: str, fields: dict[str, forms.Field]) -> None:
    unhelpful = {}
    with translation.override(language):
        for name, field in fields.items():
            if not (wanted := example(field)):
                continue
            text = (
                message(field, UNREADABLE, "08:05")
                if isinstance(field, forms.MultiValueField)
                else message(field, UNREADABLE)
            )
            if wanted not in text or UNREADABLE not in text or text.startswith(BARE):
                unhelpful[name] = text
    assert not unhelpful


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_is_out_of_range_is_named_with_the_range_and_its_unit(
    language: str, fields: dict[str, forms.Field]
) -> None:
    unhelpful, seen = {}, 0
    with translation.override(language):
        for name, field in fields.items():
            if not isinstance(field, formfields.DecimalField | formfields.IntegerField):
                continue
            _name, unit = formfields.label_and_unit(field.label)
            low: Any = field.min_value
            high: Any = field.max_value
            limits = [one for one in (low, high) if one is not None]
            beyond = [*([low - 1] if low is not None else []), *([high + 1] if high is not None else [])]
            for value in beyond:
                text = message(field, str(value))
                seen += 1
                named = [f"{Decimal(str(limit)).normalize():f}" in text for limit in limits]
                if not all(named) or unit not in text or text.startswith(BARE):
                    unhelpful[name] = text
    assert not unhelpful
    assert seen > 40


def test_a_temperature_says_its_range_as_a_nurse_would(fields: dict[str, forms.Field]) -> None:
    field = fields["safety.admin.bedsideform.BedsideForm.temperature_c"]
    with translation.override("zh-hans"):
        assert "体温应为 25–45 ℃" in message(field, "391")
        assert message(field, "37,5") == "“37,5”：是 37.5 吗？请用小数点填写。"
        assert "请填数字，如 39.1" in message(field, "高")


def test_a_comma_is_asked_about_and_never_taken(fields: dict[str, forms.Field]) -> None:
    numbers = {n: f for n, f in fields.items() if isinstance(f, formfields.DecimalField | formfields.IntegerField)}
    for field in numbers.values():
        assert "0.5" in message(field, "0,5")
        assert "12000" in message(field, "12,000")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("", "08:05"), "2026-11-24"),
        (("2026-03-05", ""), "08:05"),
        (("2026-03-05", "25:00"), "00:00"),
        (("2026-03-05 08:05", "09:00"), "2026-03-05 08:05"),
    ],
)
def test_half_a_moment_asks_for_the_other_half(typed: tuple[str, str], words: str, english: None) -> None:
    field = formfields.MomentField(widget=forms.SplitDateTimeWidget())
    assert words in message(field, *typed)


def test_too_many_digits_say_how_many_are_kept(english: None) -> None:
    field = formfields.DecimalField(max_digits=4, decimal_places=1)
    assert "at most 3 digits" not in message(field, "36.55")  # the sentence of Django
    assert "at most 3 before the point and 1 behind it, such as 39.1" in message(field, "36.55")
    assert "at most 3 before the point" in message(field, "1000")
    assert field.clean("999.9") == Decimal("999.9")


# --- pages -------------------------------------------------------------------------------------


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)


def wide(text: str) -> str:
    return text.translate(WIDE)


@pytest.mark.django_db
def test_every_search_box_finds_what_was_typed_wide(participant: Participant, site: Site, login: Any) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client, differ, seen = login(root), {}, 0
    for page in OURS:
        if not any("number" in name for name in page.search_fields):
            continue
        path = reverse(f"admin:{page.model._meta.app_label}_{page.model._meta.model_name}_changelist")
        asked = (participant.number, f" {wide(participant.number)}", "Ｘ")
        every = {"void": "all"} if issubclass(page.model, Record) else {}
        plain, other, none = (found(client, path, {"q": q, **every}) for q in asked)
        seen += len(plain)
        if plain != other or none:
            differ[path] = (plain, other, none)
    assert not differ
    assert seen > 20


def found(client: Client, path: str, query: dict[str, str]) -> list[Any]:
    return [row.pk for row in client.get(path, query).context["cl"].result_list]


@pytest.mark.django_db
def test_choosing_a_participant_understands_wide_letters(participant: Participant, alice: User, login: Any) -> None:
    query = {"app_label": "dosing", "model_name": "infusion", "field_name": "participant"}
    for term in (participant.number, wide(participant.number), participant.number.lower()):
        answer = login(alice).post(reverse("admin:autocomplete"), {**query, "term": term}).json()
        assert [row["id"] for row in answer["results"]] == [str(participant.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["13800000000", "１３８００００００００", "138 0000 0000", " h-００１ ", "Ｈ－001"])
def test_a_person_is_found_by_number_in_every_spelling(site: Site, alice: User, login: Any, typed: str) -> None:
    data = {
        "name": "王　小明",
        "sex": "M",
        "birth_date": "1990年5月17日",
        "phone": "１３８　００００　００００",
        "hospital_number": " H－００１",
        "site": site.pk,
        "screened_on": "２０２６／３／４",
    }
    client = login(alice)
    assert client.post(reverse("admin:participants_participant_add"), data).status_code == 302
    participant = Participant.objects.get()
    assert (participant.phone, participant.hospital_number) == ("13800000000", "H-001")
    assert (participant.name, participant.birth_date) == ("王 小明", dt.date(1990, 5, 17))
    answer = client.post(reverse("admin:participants_participant_find"), {"value": typed})
    assert answer.headers["Location"] == reverse("admin:participants_participant_page", args=[participant.pk])


@pytest.mark.django_db
@pytest.mark.parametrize("spell", [str, wide, str.lower, lambda code: f" {code[:3]} {code[3:]}"])
def test_the_wristband_is_that_of_the_participant_in_every_spelling(
    spell: Any, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    product = factories.thawed(participant, at=now)
    data = {
        "participant_code": spell(participant.number),
        "product_code": spell(product.lot),
        "username": "alice",
        "password": PASSWORD,
    }
    answer = login(alice).post(reverse("admin:dosing_identity", args=[participant.pk]), data, follow=True)
    assert "has signed" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("band", "bag"), [("ＺＪ－００２", None), (None, "LOT-X"), ("ZJ-0012", None), (None, "")], ids=str
)
def test_another_wristband_or_bag_stays_another(
    band: str | None, bag: str | None, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    product = factories.thawed(participant, at=now)
    data = {
        "participant_code": participant.number if band is None else band,
        "product_code": product.lot if bag is None else bag,
        "username": "alice",
        "password": PASSWORD,
    }
    answer = login(alice).post(reverse("admin:dosing_identity", args=[participant.pk]), data, follow=True)
    assert "has signed" not in answer.content.decode()
    assert not product.identity_checks.exists()


@pytest.mark.django_db
def test_two_lots_that_differ_in_case_only_are_told_apart_by_it_alone(
    site: Site, alice: User, now: dt.datetime
) -> None:

    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    small, large = (factories.thawed(participant, at=now, lot=lot) for lot in ("lot-7a", "LOT-7A"))
    assert product_of_lot("lot-7a") == small
    assert product_of_lot("LOT-7A") == large
    assert product_of_lot("Lot-7A") is None


@pytest.mark.django_db
def test_an_infusion_is_logged_with_a_chinese_keyboard(site: Site, alice: User, now: dt.datetime, login: Any) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    at = now - dt.timedelta(hours=1)
    data = infusion_form(participant, at)
    local = timezone.localtime(at)
    for name in ("infused_at", "ended_at"):
        data[f"{name}_0"] = f"{local.year}年{local.month}月{local.day}日"
        data[f"{name}_1"] = f"{local.hour}时{local.minute}分{local.second}秒"
    data |= {"product_lot": wide(data["product_lot"]).lower(), "volume_given_ml": "１０"}
    assert login(alice).post(reverse("admin:dosing_infusion_add"), data).status_code == 302
    infusion = participant.infusions.get()
    assert infusion.product_lot == infusion.product.lot
    assert infusion.infused_at == at.replace(microsecond=0)


@pytest.mark.django_db
def test_a_visit_takes_a_chinese_date(participant: Participant, alice: User, login: Any) -> None:
    visit: Visit = participant.visits.get(code="D28")
    client = login(alice)
    data = fields_of(client.get(page_of(visit)))
    day = visit.target_date
    data |= {"state": "done", "occurred_on": f"{day.year}年{day.month}月{day.day}日", "reason_for_change": "做了"}
    assert client.post(page_of(visit), data).status_code == 302
    visit.refresh_from_db()
    assert visit.occurred_on == day


@pytest.mark.django_db
def test_a_laboratory_report_takes_wide_digits_and_asks_about_a_comma(
    participant: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    local = timezone.localtime(now - DAY)
    data = {
        "number": wide(participant.number.lower()),
        "taken_at_0": f"{local:%Y/%m/%d}",
        "taken_at_1": "8：05",
        "HGB-value": "８５，５",
        "HGB-unit": "g/L",
        "HGB-low": "１１５",
    }
    client, path = login(alice), reverse("admin:participants_examination_add") + "?panel=CBC"
    assert "did you mean 85.5?" in client.post(path, data).content.decode()
    assert not Examination.objects.filter(panel="CBC", taken_at__gte=now - 2 * DAY).exists()
    assert client.post(path, {**data, "HGB-value": "８５．５↓"}).status_code == 302
    row = Examination.objects.get(panel="CBC", taken_at__gte=now - 2 * DAY).measurements.get()
    assert (row.value, row.reference_low) == (Decimal("85.5"), Decimal(115))


@pytest.mark.django_db
def test_lymphodepletion_is_planned_for_a_number_typed_wide(
    site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    data = {"number": wide(participant.number), "first_on": f"{timezone.localtime(now + DAY):%Y%m%d}"}
    answer = login(alice).post(reverse("admin:dosing_lymphodepletiondose_plan"), data, follow=True)
    assert "No participant of your sites" not in answer.content.decode()
    assert "cannot be read" not in answer.content.decode()
