"""What the heading of a column says: which of our columns it is, which measure, and in which unit."""

import re
from functools import cache

from django.utils.translation import gettext_lazy

from participants.imports.words import in_languages, key, measure_words, unit_key, unit_words
from participants.rules.measures import MEASURES

# What a column of a laboratory's file can be. "measure:ALT" is a column of one test in a wide table.
IGNORE, HOSPITAL_NUMBER, RANGE, DAY, TIME = "ignore", "hospital_number", "range", "day", "time"
TEST = "measure:"

HEADINGS: dict[str, tuple[str, ...]] = {
    "participant": (
        *("participant", "screening number", "participant number", "subject", "subject id", "subjid", "usubjid"),
        *("筛选号", "受试者编号", "受试者号", "受试者", "参与者编号", "入组号", "筛选编号", "试验编号"),
    ),
    HOSPITAL_NUMBER: (
        *("hospital number", "patient id", "mrn", "medical record number", "admission number"),
        *("住院号", "病历号", "病案号", "门诊号", "登记号", "患者id", "病人id", "住院/门诊号", "就诊号"),
    ),
    "measure": (
        *("measure", "test", "test name", "analyte", "parameter", "item", "lbtest", "lbtestcd"),
        *("项目", "检验项目", "项目名称", "检验项目名称", "检查项目", "指标", "检测项目", "子项名称", "英文缩写"),
    ),
    "value": (
        *("value", "result", "test result", "lborres"),
        *("结果", "检验结果", "检测结果", "测定结果", "测定值", "数值", "结果值", "项目结果"),
    ),
    "unit": ("unit", "units", "lborresu", "单位", "结果单位", "计量单位"),
    "low": ("low", "lower limit", "lln", "lbornrlo", "参考下限", "下限", "参考值下限", "正常低值"),
    "high": ("high", "upper limit", "uln", "lbornrhi", "参考上限", "上限", "参考值上限", "正常高值"),
    RANGE: (
        "reference range",
        "normal range",
        "reference",
        "range",
        "参考范围",
        "参考值",
        "参考区间",
        "正常范围",
        "正常值",
    ),
    "lloq": ("lloq", "limit of quantification", "detection limit", "定量下限", "检测下限", "最低检出限"),
    "taken_at": (
        *("taken at", "taken_at", "collected at", "sample time", "collection time", "specimen time", "lbdtc"),
        *("采样时间", "采集时间", "采血时间", "标本采集时间", "采样日期时间", "送检时间", "标本时间"),
    ),
    DAY: (
        "date",
        "sample date",
        "collection date",
        "day",
        "采样日期",
        "采集日期",
        "采血日期",
        "检验日期",
        "日期",
        "送检日期",
    ),
    TIME: ("time", "clock time", "采样钟点", "时间", "时刻"),
    "fasting": ("fasting", "空腹", "是否空腹"),
    "laboratory": ("laboratory", "lab", "device", "检验科室", "实验室", "检验单位", "仪器", "检验仪器"),
    "study_procedure": (
        "study procedure",
        "study_procedure",
        "研究程序",
        "是否为研究程序",
        "研究操作",
        "是否为研究操作",
    ),
    "not_done": ("not done", "not_done", "未做原因", "未检原因"),
    "time_assumed": ("time assumed", "time_assumed"),
    IGNORE: (
        # Who it is: these columns never enter the study's database.
        *("name", "patient name", "sex", "gender", "age", "birth date", "date of birth", "phone", "bed", "id number"),
        *(
            "姓名",
            "患者姓名",
            "病人姓名",
            "受检者",
            "性别",
            "年龄",
            "出生日期",
            "出生年月",
            "身份证号",
            "身份证",
            "电话",
        ),
        *("联系电话", "手机号", "床号", "地址", "费别", "病人类型"),
        # What stands on a report beside the results, and what we write into a file that we hand back.
        *("no", "number", "flag", "flags", "abnormal", "specimen", "department", "doctor", "reported at", "remark"),
        *(
            "序号",
            "提示",
            "标志",
            "异常标志",
            "异常提示",
            "箭头",
            "样本类型",
            "标本类型",
            "标本",
            "样本号",
            "标本号",
            "条码号",
        ),
        *("条形码", "科室", "申请科室", "送检科室", "送检医生", "申请医生", "检验者", "审核者", "检验医生", "审核时间"),
        *(
            "报告时间",
            "报告日期",
            "接收时间",
            "临床诊断",
            "诊断",
            "备注",
            "检验方法",
            "方法",
            "编码",
            "项目编码",
            "组套名称",
        ),
        *("line", "fate", "message", "source", "problem", "what is wrong", "行", "问题"),
    ),
}


# Of the column that we add to rows handed back to be mended; when they come back, its cells are not read.
WRONG = gettext_lazy("What is wrong, and how to mend it")


@cache
def _roles() -> dict[str, str]:
    ours = dict.fromkeys(map(heading_key, in_languages(lambda: WRONG)), IGNORE)
    return ours | {heading_key(word): role for role, words in HEADINGS.items() for word in words}


def heading_key(text: str) -> str:
    """One spelling of a heading: without line breaks, signs and width."""
    return re.sub(r"[\s_：:*.]+", "", key(text))


def role_of(heading: str) -> str:
    """Which of our columns this is by its heading, a test of its own (`measure:ALT`), or "" if we do not know."""
    if role := _roles().get(heading_key(heading)):
        return role
    name, _unit = split_heading(heading)
    if role := _roles().get(heading_key(name)):
        return role
    code = measure_words().get(key(heading)) or measure_words().get(key(name))
    return f"{TEST}{code}" if code else ""


_WITH_UNIT = re.compile(r"(.+?)\s*[(\[（【](.+)[)\]）】]")


def split_heading(heading: str) -> tuple[str, str]:
    """The name and the unit behind it: "白细胞(10^9/L)", "ALT（U/L）", "Hb g/L"; "D-二聚体" has none."""
    text = " ".join(heading.split())
    if found := _WITH_UNIT.fullmatch(text):
        return found[1].strip(), found[2].strip()
    name, _space, last = text.rpartition(" ")
    if name and is_unit(last):
        return name, last
    return text, ""


@cache
def _all_units() -> frozenset[str]:
    return frozenset(unit for code in MEASURES for unit in unit_words(code) if unit)


def is_unit(text: str) -> bool:
    """Whether a cell holds a unit of any measure: so is a second row of headings known."""
    return unit_key(text.strip("()（）[] ")) in _all_units()
