"""Who may do what on a day, the trail of a person's rights in words, and the review that somebody signs."""

import csv
import datetime as dt
import io
from typing import Any

import pghistory
import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from tests.conftest import PASSWORD, person
from trialsite import actions, firstpage, notifications, reviews, rights, signing
from trialsite.actions import Decision
from trialsite.models import AccessReview, ListExport, Meaning, Notification, RoleGiven, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.rules.rights import Kind
from trialsite.signing import Verdict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
RIGHTS = "admin:trialsite_accessreview_rights"
DAY = dt.timedelta(days=1)


@pytest.fixture
def now() -> dt.datetime:
    """The database's clock gives events their time."""
    return timezone.now()


@pytest.fixture
def petra(site: Site) -> User:
    """Principal investigator of the first site."""
    return person("petra", Role.PRINCIPAL_INVESTIGATOR, site)


def _moved(model: Any, *, by: dt.timedelta, **which: Any) -> None:
    """As if those events had been written so much earlier; only the owner can do this."""
    events = rights.events_of(model)
    table = events.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        values: list[Any] = [by, list(events.filter(**which).values_list("pk", flat=True))]
        cursor.execute(f"UPDATE {table} SET pgh_created_at = pgh_created_at - %s WHERE pgh_id = ANY(%s)", values)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _of(day: dt.date, who: User, reader: User) -> rights.PersonOnDay:
    (found,) = [one for one in rights.on_day(day, reader=reader).people if one.person == who]
    return found


# --- on a day -------------------------------------------------------------------------------------


def test_today_shows_what_everybody_holds(alice: User, dana: User, site: Site) -> None:
    AuthToken.objects.create(user=alice)
    alice.user_permissions.add(Permission.objects.get(codename="view_audit_trail"))
    found = _of(timezone.localdate(), alice, dana)
    assert [held.text for held in found.roles] == ["Coordinator"]
    assert [held.text for held in found.sites] == [str(site)]
    assert [held.text for held in found.permissions] == ["trialsite.view_audit_trail"]
    assert len(found.active) == len(found.tokens) == 1
    assert found.superuser == ()
    assert found.password_set_at is not None


def test_a_past_day_shows_what_was_held_then(alice: User, dana: User, site: Site) -> None:
    alice.groups.set([Group.objects.get(name=Role.INVESTIGATOR)])
    today = timezone.localdate()
    for model in (User, RoleGiven):
        _moved(model, by=10 * DAY, pgh_label="insert")
    _moved(RoleGiven, by=5 * DAY, pgh_label="delete")
    _moved(RoleGiven, by=-5 * DAY, pgh_label="insert", group__name=Role.INVESTIGATOR)
    days = {ago: [one.text for one in _of(today - ago * DAY, alice, dana).roles] for ago in (10, 6, 5, 4, 0)}
    assert days[10] == days[6] == ["Coordinator"]
    assert sorted(days[5]) == ["Coordinator", "Investigator"]
    assert days[4] == days[0] == ["Investigator"]
    assert all(not one.roles for one in rights.on_day(today - 11 * DAY, reader=dana).people if one.person == alice)


def test_a_role_shows_what_it_allowed(dana: User) -> None:
    found = {
        one.name: [held.text for held in one.allowed] for one in rights.on_day(timezone.localdate(), reader=dana).roles
    }
    assert "participants.confirm_eligibility" in found["Investigator"]
    assert "participants.confirm_eligibility" not in found["Coordinator"]


def test_people_of_another_site_and_its_name_stay_there(
    dana: User, charlie: User, ivan: User, other_site: Site
) -> None:
    ivan.sites.add(other_site)
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    people = {one.person: one for one in rights.on_day(timezone.localdate(), reader=dana).people}
    assert charlie not in people
    assert root in people
    assert str(other_site) not in [held.text for held in people[ivan].sites]
    assert charlie in [one.person for one in rights.on_day(timezone.localdate(), reader=root).people]


def test_a_person_who_left_the_site_is_still_shown(dana: User, alice: User) -> None:
    alice.sites.clear()
    alice.is_active = False
    alice.save()
    assert alice in [one.person for one in rights.on_day(timezone.localdate(), reader=dana).people]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.DATA_MANAGER, 200),
        (Role.AUDITOR, 200),
        (Role.PRINCIPAL_INVESTIGATOR, 200),
        (Role.INVESTIGATOR, 403),
        (Role.COORDINATOR, 403),
        (Role.MONITOR, 403),
        (Role.PHARMACIST, 403),
    ],
)
def test_those_who_answer_for_access_see_the_page(role: Role, status: int, site: Site, login: Any) -> None:
    assert login(person("reader", role, site)).get(reverse(RIGHTS)).status_code == status


@pytest.mark.parametrize("day", ["", "2026-02-30", "tomorrow", "9999-12-31", "0001-01-01"])
def test_whatever_day_is_asked_for_the_page_answers(day: str, dana: User, login: Any) -> None:
    assert login(dana).get(reverse(RIGHTS), {"day": day}).status_code == 200


def test_a_day_ahead_is_said_to_be_unknown(dana: User, login: Any) -> None:
    tomorrow = timezone.localdate() + DAY
    text = login(dana).get(reverse(RIGHTS), {"day": f"{tomorrow:%Y-%m-%d}"}).content.decode()
    assert "lies ahead" in text


def test_the_page_can_be_asked_for_one_person_and_one_site(dana: User, alice: User, login: Any, site: Site) -> None:
    def shown(**query: Any) -> list[User]:
        return [one.person for one in login(dana).get(reverse(RIGHTS), query).context["people"]]

    assert shown(person=alice.pk) == [alice]
    story = login(dana).get(reverse(RIGHTS), {"person": alice.pk}).content.decode()
    assert "Role Coordinator given by" in story
    assert set(shown(site=site.pk)) == {alice, dana}
    assert shown(site=0) == []


def test_the_export_is_recorded_and_holds_what_the_page_shows(dana: User, alice: User, login: Any) -> None:
    response = login(dana).post(f"{reverse(RIGHTS)}?person={alice.pk}", {"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig")))
    assert (row["username"], row["administrator"]) == ("alice", "no")
    assert row["roles"].startswith("Coordinator (from ")
    assert row["active"].startswith("yes (from ")
    record = ListExport.objects.get()
    assert (record.by, record.rows, record.filters) == (dana, 1, f"person={alice.pk}")


def _queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(url).status_code == 200
    return len(asked)


@pytest.mark.parametrize("name", ["rights", "sign", "list", "person"])
def test_the_pages_ask_as_much_for_thirty_people_as_for_three(
    name: str, petra: User, alice: User, site: Site, login: Any
) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    url, reader = {
        "rights": (reverse(RIGHTS), petra),
        "sign": (reviews.address(site), petra),
        "list": (reverse("admin:trialsite_accessreview_changelist"), petra),
        "person": (reverse("admin:trialsite_user_change", args=[alice.pk]), root),
    }[name]
    client = login(reader)
    _reviewed(site, petra)
    few = _queries(client, url)
    for number in range(30):
        AuthToken.objects.create(user=person(f"more{number}", Role.COORDINATOR, site))
        alice.groups.set([Group.objects.get(name=Role.INVESTIGATOR if number % 2 else Role.COORDINATOR)])
    _reviewed(site, petra)
    assert _queries(client, url) <= few


# --- the trail of one person ----------------------------------------------------------------------


def test_the_trail_says_who_gave_what_and_why(alice: User, dana: User) -> None:
    with pghistory.context(user=dana.pk, username="dana", reason="stands in for Ivan"):
        alice.groups.add(Group.objects.get(name=Role.INVESTIGATOR))
    with pghistory.context(user=dana.pk, username="dana"):
        alice.groups.remove(Group.objects.get(name=Role.COORDINATOR))
        alice.is_active = False
        alice.save()
    lines = {line.text: line.reason for line in rights.trail(alice, reader=dana)}
    assert lines["Role Investigator given by Dana (dana)"] == "stands in for Ivan"
    assert {"Role Coordinator taken away by Dana (dana)", "Made inactive by Dana (dana)"} <= lines.keys()
    assert any(text.startswith("Password set by") for text in lines)


def test_a_login_that_hashes_the_same_password_anew_says_so(alice: User, dana: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    assert alice.check_password(PASSWORD)
    newest, first = [line for line in rights.trail(alice, reader=dana) if line.text.startswith("Password set")]
    assert (newest.reason, first.reason) == ("the same password, hashed anew", "")


def test_a_right_given_by_raw_sql_stands_there_with_the_login(alice: User, dana: User) -> None:
    group = Group.objects.get(name=Role.PRINCIPAL_INVESTIGATOR)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO trialsite_user_groups (user_id, group_id) VALUES (%s, %s)", [alice.pk, group.pk])
    newest = rights.trail(alice, reader=dana)[0]
    assert newest.text.startswith("Role Principal investigator given by database login")


def test_a_row_that_is_turned_over_to_somebody_else_ends_there(alice: User, ivan: User, dana: User) -> None:
    number = RoleGiven.objects.get(user=alice).pk
    with connection.cursor() as cursor:
        cursor.execute("UPDATE trialsite_user_groups SET user_id = %s WHERE id = %s", [ivan.pk, number])
    assert rights.trail(alice, reader=dana)[0].text.startswith("Role Coordinator taken away by database login")
    assert "Role Coordinator given" in rights.trail(ivan, reader=dana)[0].text


def test_the_persons_page_shows_the_trail_to_those_who_answer_for_it(arthur: User, alice: User, login: Any) -> None:
    page = login(arthur).get(reverse("admin:trialsite_user_change", args=[alice.pk])).content.decode()
    assert "Role Coordinator given by" in page


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.ALLOWED])
def test_every_kind_of_right_has_its_words(kind: Kind) -> None:
    assert rights._given_text(kind)
    assert rights._found_text(kind)
    assert kind == Kind.PASSWORD or rights._taken_text(kind)


# --- the review -----------------------------------------------------------------------------------


def _kept(site: Site, by: User, **others: Decision) -> dict[int, Decision]:
    """Everybody keeps what they have, but those who are named."""
    return {entry.person.pk: others.get(entry.person.username, Decision()) for entry in reviews.entries(site, by=by)}


def _reviewed(site: Site, by: User, *, now: dt.datetime | None = None, **others: Decision) -> AccessReview:
    return actions.review_access(
        site=site,
        decisions=_kept(site, by, **others),
        shown=reviews.state_of(reviews.entries(site, by=by)),
        by=by,
        now=now or timezone.now(),
    )


def test_a_review_freezes_what_was_seen(petra: User, alice: User, ivan: User, site: Site) -> None:
    row = _reviewed(site, petra)
    assert {one["username"] for one in row.seen["people"]} == {"petra", "alice", "ivan"}
    row.refresh_from_db()
    (signed,) = signing.of(row)
    assert (signed.meaning, signed.verdict, signed.name) == (Meaning.ACCESS, Verdict.VALID, str(petra))


def test_what_is_taken_away_is_gone_with_its_reason_in_the_trail(
    petra: User, alice: User, ivan: User, site: Site
) -> None:
    role = Group.objects.get(name=Role.COORDINATOR)
    row = _reviewed(
        site,
        petra,
        alice=Decision(frozenset({f"role:{role.pk}", f"site:{site.pk}"}), "works on another ward"),
        ivan=Decision(frozenset({"active"}), "left the hospital"),
    )
    assert not alice.groups.exists()
    assert not alice.sites.exists()
    ivan.refresh_from_db()
    assert not ivan.is_active
    seen = {one["username"]: one for one in row.seen["people"]}
    assert seen["alice"]["taken"] == ["role:coordinator", f"site:{site.code}"]
    lines = {line.text.partition(" by ")[0]: line.reason for line in rights.trail(alice, reader=petra)}
    assert lines["Role Coordinator taken away"] == "works on another ward"
    assert {line.reason for line in rights.trail(ivan, reader=petra)} == {"", "left the hospital"}


def test_without_a_reason_nothing_is_taken_and_nothing_signed(petra: User, alice: User, site: Site) -> None:
    with pytest.raises(Refused, match="reason"):
        _reviewed(site, petra, alice=Decision(frozenset({"active"}), "  "))
    assert not AccessReview.objects.exists()
    alice.refresh_from_db()
    assert alice.is_active


def test_nobody_is_left_out(petra: User, alice: User, site: Site) -> None:
    shown = reviews.state_of(reviews.entries(site, by=petra))
    decisions = _kept(site, petra)
    decisions.pop(alice.pk)
    with pytest.raises(Refused, match="Alice"):
        actions.review_access(site=site, decisions=decisions, shown=shown, by=petra, now=timezone.now())


def test_rights_that_changed_meanwhile_are_read_again_first(petra: User, alice: User, site: Site) -> None:
    shown, decisions = reviews.state_of(reviews.entries(site, by=petra)), _kept(site, petra)
    alice.groups.add(Group.objects.get(name=Role.DATA_MANAGER))
    with pytest.raises(Refused, match="Look again"):
        actions.review_access(site=site, decisions=decisions, shown=shown, by=petra, now=timezone.now())


@pytest.mark.parametrize("who", ["ivan", "dana", "root", "charlie"])
def test_only_a_principal_investigator_of_the_site_signs(
    who: str, ivan: User, dana: User, charlie: User, petra: User, site: Site, other_site: Site, login: Any
) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    charlie.groups.set([Group.objects.get(name=Role.PRINCIPAL_INVESTIGATOR)])
    signer = {"ivan": ivan, "dana": dana, "root": root, "charlie": charlie}[who]
    with pytest.raises(Refused, match="nothing was signed"):
        _reviewed(site, signer)
    assert login(signer).get(reviews.address(site)).status_code in {403, 404}


def test_somebody_of_two_sites_loses_this_one_only(petra: User, ivan: User, site: Site, other_site: Site) -> None:
    ivan.sites.add(other_site)
    (entry,) = [one for one in reviews.entries(site, by=petra) if one.person == ivan]
    assert [name for name, _label in entry.may_take] == [f"site:{site.pk}"]
    with pytest.raises(Refused, match="cannot be taken away here"):
        _reviewed(site, petra, ivan=Decision(frozenset({"active"}), "left"))


def test_nobody_judges_themselves_and_one_administrator_stays(petra: User, site: Site) -> None:
    User.objects.create_superuser("root", "root@example.org", PASSWORD)
    found = {one.person.username: dict(one.may_take) for one in reviews.entries(site, by=petra)}
    assert found == {"petra": {}, "root": {}}
    User.objects.create_superuser("second", "second@example.org", PASSWORD)
    found = {one.person.username: dict(one.may_take) for one in reviews.entries(site, by=petra)}
    assert found["root"].keys() == {"active"}


def _form(client: Client, site: Site, **said: str) -> dict[str, Any]:
    context = client.get(reviews.address(site)).context
    keep = {f"choice_{line['entry'].person.pk}": "keep" for line in context["lines"]}
    return {"shown": context["shown"], "password": PASSWORD, **keep, **said}


def test_the_page_presets_no_decision_and_takes_a_signature(petra: User, alice: User, site: Site, login: Any) -> None:
    client = login(petra)
    page = client.get(reviews.address(site))
    assert "checked" not in page.content.decode().partition("<form")[2].partition("</form>")[0].replace(":checked", "")
    number = alice.pk
    said = _form(client, site)
    assert client.post(reviews.address(site), {**said, f"choice_{number}": ""}).status_code == 200
    assert client.post(reviews.address(site), {**said, "password": "wrong"}).status_code == 200
    take = {**said, f"choice_{number}": "take", f"take_{number}": "active"}
    assert "Give a reason" in client.post(reviews.address(site), take).content.decode()
    assert not AccessReview.objects.exists()
    response = client.post(reviews.address(site), {**take, f"reason_{number}": "left the hospital"}, follow=True)
    text = response.content.decode()
    assert response.redirect_chain, response.context["form"].errors
    assert "signature verified" in text
    assert "left the hospital" in text
    assert User.objects.get(pk=number).is_active is False
    event = rights.events_of(User).filter(pgh_obj_id=number).last()
    assert (event.pgh_context["username"], event.pgh_context["reason"]) == ("petra", "left the hospital")


def test_a_review_that_was_changed_underneath_shows_broken(petra: User, alice: User, site: Site, login: Any) -> None:
    row = _reviewed(site, petra)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE trialsite_accessreview DISABLE TRIGGER USER")
        cursor.execute("""UPDATE trialsite_accessreview SET seen = jsonb_set(seen, '{people,0,reason}', '"other"')""")
        cursor.execute("ALTER TABLE trialsite_accessreview ENABLE TRIGGER USER")
    assert (
        "Signature broken"
        in login(petra).get(reverse("admin:trialsite_accessreview_change", args=[row.pk])).content.decode()
    )


def test_even_the_owner_cannot_change_a_review(petra: User, site: Site) -> None:
    row = _reviewed(site, petra)
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
        AccessReview.objects.filter(pk=row.pk).update(reviewed_at=timezone.now())


# --- when it is due -------------------------------------------------------------------------------


def _titles(user: User, now: dt.datetime) -> list[str]:
    return [section.title for section in firstpage.read_page(user, now=now).sections]


def test_the_first_page_asks_whoever_signs_from_the_day_on_which_it_is_due(
    petra: User, ivan: User, site: Site, now: dt.datetime
) -> None:
    assert "Access to be reviewed" in _titles(petra, now)
    assert "Access to be reviewed" not in _titles(ivan, now)
    _reviewed(site, petra, now=now)
    assert "Access to be reviewed" not in _titles(petra, now + 364 * DAY)
    assert "Access to be reviewed" in _titles(petra, now + 365 * DAY)


def test_one_mail_when_it_is_due_and_one_more_each_month(petra: User, site: Site, now: dt.datetime) -> None:
    def told(at: dt.datetime) -> int:
        reviews.tell_due(now=at)
        return reviews.tell_due(now=at)["told"] + Notification.objects.count()

    assert (told(now), told(now + 100 * DAY)) == (1, 1)
    _reviewed(site, petra, now=now)
    assert Notification.objects.get().state == "cancelled"
    later = [told(now + days * DAY) for days in (364, 365, 366, 394, 395, 800)]
    assert later == [1, 2, 2, 2, 3, 4]


def test_the_mail_leads_to_the_page(petra: User, site: Site, now: dt.datetime) -> None:
    reviews.tell_due(now=now)
    notifications.deliver_due()
    (sent,) = mail.outbox
    assert sent.to == [petra.email]
    assert reviews.address(site) in str(sent.body)
