"""The people of the demo study: those who log in, and the names participants may have. All are invented."""

import pghistory
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group
from django.utils import timezone

from trialsite.models import Site, User
from trialsite.roles import Role
from trialsite.study import get_study

# username, role, family name, given name; the password is "demo-" and the username.
PEOPLE = (
    ("coordinator", Role.COORDINATOR, "陈", "静"),
    ("investigator", Role.INVESTIGATOR, "黄", "志强"),
    ("pi", Role.PRINCIPAL_INVESTIGATOR, "林", "慧"),
    ("pharmacist", Role.PHARMACIST, "何", "敏"),
    ("datamanager", Role.DATA_MANAGER, "郑", "宇"),
    ("monitor", Role.MONITOR, "周", "岚"),
    ("medicalmonitor", Role.MEDICAL_MONITOR, "许", "文"),
    ("auditor", Role.AUDITOR, "吴", "桐"),
)
FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
GIVEN = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "霞",
    "平",
    "刚",
)


def make_people() -> None:
    site = Site.objects.get(code=get_study().latest.sites[0].code)
    for username, role, family, given in PEOPLE:
        user = User.objects.create(
            username=username,
            email=f"{username}@demo.invalid",
            password=_printed_anyway(username),
            password_chosen_at=timezone.now(),
            last_name=family,
            first_name=given,
            is_staff=True,
        )
        user.groups.add(Group.objects.get(name=role))
        user.sites.add(site)
    User.objects.create(
        username="admin",
        email="admin@demo.invalid",
        password=_printed_anyway("admin"),
        password_chosen_at=timezone.now(),
        is_staff=True,
        is_superuser=True,
    )


def keep_printed_passwords() -> None:
    """Demo people of an earlier version: their passwords are printed at each start, and stay so."""
    names = [*(name for name, *_more in PEOPLE), "admin"]
    old = User.objects.filter(username__in=names, email__endswith="@demo.invalid", password_chosen_at=None)
    with pghistory.context(username="demo"):
        old.update(password_chosen_at=timezone.now())


def _printed_anyway(username: str) -> str:
    """The password's hash in one round, for a start that does not wait; the first login makes a proper one of it."""
    hasher = PBKDF2PasswordHasher()
    return hasher.encode(password_of(username), hasher.salt(), iterations=1)


def password_of(username: str) -> str:
    return f"demo-{username}"
