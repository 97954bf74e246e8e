"""What is missing before a site can work is said in order, each with the way out."""

from typing import Any

import pytest

from tests.conftest import person
from trialsite import ready
from trialsite.models import Site, User
from trialsite.roles import Role


def missing() -> dict[str, str]:
    return {look.name: " ".join(look.missing) for look in ready.looks() if look.missing}


@pytest.mark.django_db
def test_each_part_says_what_is_missing(site: Site, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.BACKUP_DIR = None
    found = missing()
    assert set(found) == {"rights", "people", "broker", "mail", "backup"}
    assert "logs in as the owner" in found["rights"]
    assert "createsuperuser" in found["people"]
    assert "Nobody with a role can log in at ZJ" in found["people"]
    assert "127.0.0.1:1 does not take us" in found["mail"]
    settings.FIELD_KEYS = ["AAAA"]
    assert "it holds 3 bytes" in missing()["keys"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_missing_for_the_application_s_own_login(as_app_role: None, site: Site, alice: User) -> None:
    root = person("root", Role.DATA_MANAGER, site)
    root.is_superuser = True
    root.save()
    assert missing() == {}
