"""The search of the site: participants by number, pages by name, and what is to be done for whom; and all records.

What is typed here goes by POST and stands in no address and no log: people type names into whatever looks like a
search. Nothing here compares it with a name, a birth date or another fact of identity; a person is found by these on
the page “Find a person”, which notes who has looked. Only what this person may open is found.

Each app has a module `finding` with `VERBS`, what can be done for a participant, and with `participants(user, numbers)`
where it knows them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from trialsite import navigation
from trialsite.models import Language
from trialsite.rules import finding as rules
from trialsite.rules.finding import Asked

APPS = ("participants", "dosing", "safety")
SHOWN = 12
LONGEST = 100
# For so many participants of a number the actions are offered, too.
FEW = 3


@dataclass(frozen=True)
class Found:
    """`kind` says what it is: a participant, something to do, a page."""

    title: str
    kind: str
    link: str


@dataclass(frozen=True)
class Verb:
    """Something to be done for a participant: the address of its form, who may, and other words for it.

    `is_of_participant`: the participant stands in the path of the address, and not behind the question mark.
    """

    title: Any
    name: str
    permission: str
    also: str = ""
    is_of_participant: bool = False
    query: tuple[tuple[str, str], ...] = ()

    def link(self, participant: int) -> str:
        if self.is_of_participant:
            return reverse(f"admin:{self.name}", args=[participant])
        known: dict[str, Any] = {"participant": participant, **dict(self.query)}
        return f"{reverse(f'admin:{self.name}')}?{urlencode(known)}"

    @property
    def alone(self) -> str:
        """Its form without a participant, empty where there is none."""
        return "" if self.is_of_participant else reverse(f"admin:{self.name}") + _query(self.query)


def _query(known: tuple[tuple[str, str], ...]) -> str:
    return f"?{urlencode(known)}" if known else ""


# Other words for a page than its name in the two languages.
ALSO = {
    "participants.participant": "subject patient 患者 病人 list",
    "participants.consent": "icf informed 同意书",
    "participants.examination": "laboratory lab blood cbc results 化验 血常规 检验 结果",
    "participants.visit": "schedule calendar follow-up 随访 日程",
    "participants.protocoldeviation": "pd violation 违背",
    "participants.diseaseassessment": "response remission mrd marrow relapse 缓解 疗效评估 骨髓 复发",
    "participants.diseaseassessment:efficacy": "kaplan-meier os rfs efs cir survival 生存 曲线",
    "participants.subsequenttherapy": "hsct transplant blinatumomab 移植 后续",
    "participants.survivalcontact": "alive dead lost follow-up phone 生存 失访 电话",
    "participants.participant:trail": "audit history 稽查 痕迹",
    "dosing.cellproduct": "car-t bag lot coa 批号 产品",
    "dosing.infusion": "car-t day 0 d0 输注",
    "dosing.lymphodepletiondose": "fludarabine cyclophosphamide flu cy 氟达拉滨 环磷酰胺",
    "dosing.medication": "conmed drug tocilizumab 合并用药 托珠单抗",
    "safety.bedsideassessment": "crs icans ice bedside grade 分级 评分",
    "safety.bedsideassessment:overview": "crs icans heat map 热图",
    "safety.crsassessment": "cytokine release 细胞因子",
    "safety.icansassessment": "neurotoxicity ice 神经毒性",
    "safety.toxicityepisode": "crs icans 病程",
    "safety.iechsassessment": "hlh mas ferritin 铁蛋白 噬血",
    "safety.icahtassessment": "neutropenia anc 中性粒细胞",
    "safety.adverseevent": "ae sae aesi ctcae",
    "safety.safetyalert:serious": "sae line listing 严重不良事件 列表",
    "safety.safetyalert:classes": "ae table soc pt 汇总 分类",
    "safety.safetyalert:interest": "aesi summary 特别关注",
    "safety.safetyalert:stopping": "bayes dsmb halt 暂停 停止",
    "safety.oncallshift": "duty roster 排班",
    "trialsite.user": "staff login account 账号 用户",
    "trialsite.accessreview:rights": "permission role 权限 角色",
}


# Whoever says that something is to be written down says no more of it.
DOING = "record enter log add new 记录 登记 录入 填写 新增"


def find(user: Any, text: str) -> list[Found]:
    """Participants first, then what can be done, then pages."""
    asked = rules.read(text[:LONGEST])
    people = [one for module in _modules() if hasattr(module, "participants") for one in _people(module, user, asked)]
    found = [*_people_found(people, asked), *_actions(user, asked, people), *_pages(user, asked)]
    return found[:SHOWN]


def _modules() -> list[Any]:
    return [
        import_module(f"{name}.finding") for name in APPS if apps.is_installed(name) and find_spec(f"{name}.finding")
    ]


def _people(module: Any, user: Any, asked: Asked) -> list[tuple[int, str, str]]:
    """Number of the row, number of the participant, and what else is said of them."""
    return list(module.participants(user, asked.numbers)[:SHOWN]) if asked.numbers else []


def _people_found(people: list[tuple[int, str, str]], asked: Asked) -> Iterator[Found]:
    if asked.words and people:
        people = people[:FEW]
    for pk, number, more in people:
        link = reverse("admin:participants_participant_page", args=[pk])
        yield Found(f"{number} · {more}", gettext("participant"), link)


def _actions(user: Any, asked: Asked, people: list[tuple[int, str, str]]) -> list[Found]:
    """With a number, what can be done for these; without one, the forms in which the participant is still chosen."""
    if (asked.numbers and (not people or len(people) > FEW)) or not (asked.numbers or asked.words):
        return []
    verbs = [one for module in _modules() for one in module.VERBS if user.has_perm(one.permission)]
    ranked = _ranked(asked, ((_names(one.name, one.title, f"{one.also} {DOING}"), one) for one in verbs))
    kind = gettext("action")
    if people:
        return [
            Found(f"{number} · {verb.title}", kind, verb.link(pk)) for verb in ranked for pk, number, _more in people
        ]
    return [Found(str(verb.title), kind, verb.alone) for verb in ranked if verb.alone]


def _pages(user: Any, asked: Asked) -> list[Found]:
    if not asked.words or asked.numbers:
        return []
    pages = [
        (_names(target, title, ALSO.get(target, "")), (title, navigation.link_of(target)))
        for title, target, _icon in navigation.entries()
        if navigation.may_open(user, target)
    ]
    own = [("my_logins", _("My logins")), ("participants_visit_my_reminders", _("My reminders"))]
    own += [("all_records", _("All records")), ("index", _("Today"))]
    pages += [(_names(name, title, ""), (title, reverse(f"admin:{name}"))) for name, title in own]
    return [Found(str(title), gettext("page"), link) for title, link in _ranked(asked, pages)]


def _ranked(asked: Asked, known: Iterable[tuple[str, Any]]) -> list[Any]:
    """What fits all the words; without words, everything, as it was declared."""
    if not asked.words:
        return [one for _names_of, one in known]
    found = [(rules.fit(asked.words, names), one) for names, one in known]
    return [one for fit, one in sorted(found, key=lambda pair: -pair[0]) if fit]


def _names(code: str, title: Any, also: str) -> str:
    return f"{_in_both_languages(code, title)} {also}"


@cache
def _in_both_languages(code: str, title: Any) -> str:
    """Whatever the reader's language is, the other one's word is understood."""
    found = []
    for language in Language.values:
        with override(language):
            found.append(str(title))
    return " ".join(found)


# --- The pages ---------------------------------------------------------------------------------------


def view(request: HttpRequest) -> HttpResponse:
    """The list for the script of the page, and a page of its own for whoever has none."""
    text = request.POST.get("text", "")
    found = find(request.user, text) if text.strip() else []
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"found": [one.__dict__ for one in found]})
    context = {**admin.site.each_context(request), "title": gettext("Search"), "text": text, "found": found}
    return TemplateResponse(request, "admin/trialsite/find.html", context)


def all_records(request: HttpRequest) -> HttpResponse:
    """Every list and page that this person may open."""
    context = {
        **admin.site.each_context(request),
        "title": gettext("All records"),
        "groups": navigation.groups_of(request.user),
    }
    return TemplateResponse(request, "admin/trialsite/all_records.html", context)
