"""Signatures: bound to what was signed, verified wherever they are shown, and worth nothing once it was changed."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from dosing import actions as dosing
from dosing.actions.stops import keep_stop, stopped_infusion
from dosing.models import CellProduct, DosingHold, IdentityCheck, ReadinessRuling
from dosing.rules.readiness import Code, Outcome
from participants import actions, eligibility_pdf
from participants.models import EligibilityConfirmation, Participant
from safety import actions as safety
from safety.models import CrsAssessment, Scale
from safety.rules.crs import CrsFindings
from sponsor.models import Snapshot
from tests import factories
from tests.conftest import PASSWORD, person
from tests.forms import forms_of
from tests.safety.test_blood import measured
from trialsite import signing
from trialsite.models import AccessReview, Meaning, Record, Signature, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.signing import Verdict
from trialsite.voiding import void

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


# --- every kind of signature, through its real page ----------------------------------------------------


class House:
    """A site with two participants and the people who sign."""

    def __init__(self, site: Site, ivan: User, dana: User, login: Any) -> None:
        self.site, self.ivan, self.dana, self.login = site, ivan, dana, login
        self.paula = person("paula", Role.PRINCIPAL_INVESTIGATOR, site)
        self.now = timezone.now()

    def eligible(self, **results: Any) -> Participant:
        return factories.eligible(site=self.site, by=self.ivan, now=self.now, results=results)

    def enrolled(self) -> Participant:
        return factories.enrolled(site=self.site, by=self.ivan, now=self.now - 20 * DAY)

    def infused(self) -> Participant:
        return factories.infused(site=self.site, by=self.ivan, now=self.now, infused_at=self.now - 5 * DAY)

    def post(self, by: User, name: str, args: list[Any], **data: Any) -> None:
        address = reverse(f"admin:{name}", args=args) + data.pop("query", "")
        posted = self.login(by).post(address, data)
        assert posted.status_code == 302, posted.content.decode()


@pytest.fixture
def house(site: Site, ivan: User, dana: User, login: Any) -> House:
    return House(site, ivan, dana, login)


def confirms(house: House) -> tuple[Any, list[str]]:
    one = house.eligible()
    house.post(house.ivan, "participants_participant_confirm", [one.pk])
    return one.confirmations.get(), [reverse("admin:participants_participant_eligibility", args=[one.pk])]


def rules(house: House) -> tuple[Any, list[str]]:
    one = house.eligible(PLAT="66")
    said = {"is_met": "yes", "reason": "stable", "query": "?check=INCL08c:PLAT"}
    house.post(house.ivan, "participants_participant_rule", [one.pk], **said)
    return one.rulings.get(), [reverse("admin:participants_participant_eligibility", args=[one.pk])]


def judges(house: House) -> tuple[Any, list[str]]:
    one = house.enrolled()
    factories.ready(one, at=house.now - HOUR)
    factories.checked(one, before="infusion", at=house.now, spo2_percent=90)
    house.post(house.ivan, "dosing_judge", [one.pk, "fitness"], reason="chronic")
    return one.readiness_rulings.get(), [reverse("admin:dosing_readiness", args=[one.pk])]


def compares(house: House) -> tuple[Any, list[str]]:
    one = house.enrolled()
    factories.thawed(one, at=house.now - 2 * HOUR)
    bag = factories.thawed(one, at=house.now - HOUR)
    codes = {"participant_code": one.number, "product_code": bag.lot}
    house.post(house.ivan, "dosing_identity", [one.pk], username="ivan", **codes)
    return one.identity_checks.get(), [reverse("admin:dosing_identity", args=[one.pk])]


def reviews(house: House) -> tuple[Any, list[str]]:
    one = house.enrolled()
    stop = keep_stop(
        stopped_infusion(one, factories.thawed(one, at=house.now), "not this bag"), by=house.ivan, now=house.now
    )
    house.post(house.paula, "dosing_identitystop_review", [stop.pk], review="two beds in one room")
    return stop, []


def lifts(house: House) -> tuple[Any, list[str]]:
    hold = dosing.place_hold(
        hold=DosingHold(participant=house.enrolled(), reason="fever"), by=house.ivan, now=house.now
    )
    house.post(house.ivan, "dosing_dosinghold_lift", [hold.pk], reason="gone")
    return hold, []


def regrades(house: House) -> tuple[Any, list[str]]:
    row = CrsAssessment(participant=house.infused(), assessed_at=house.now - HOUR)
    found = CrsFindings(days_since_infusion=5, temperature_c=Decimal("38.6"))
    safety.assess(assessment=row, scale=Scale.CRS, findings=found, by=house.ivan, now=house.now)
    page = "safety_crsassessment_regrade"
    house.post(house.ivan, page, [row.pk], investigator_grade="2", reason="fluids were given")
    return CrsAssessment.objects.get(corrects=row), []


def grades_icaht(house: House) -> tuple[Any, list[str]]:
    one = house.infused()
    measured(one, house.now - 2 * HOUR, NEUT="0.4")
    page = reverse("admin:safety_blood", args=[one.pk])
    seen = house.login(house.ivan).get(page).content.decode().split('name="icaht-early-seen" value="')[1].split('"')[0]
    own = {"investigator_grade": "1", "investigator_reason": "known before", "seen": seen, "password": PASSWORD}
    house.post(house.ivan, "safety_blood", [one.pk], what="early", **{f"icaht-early-{k}": v for k, v in own.items()})
    return one.icaht_assessments.get(), [page]


def grades_iec_hs(house: House) -> tuple[Any, list[str]]:
    one = house.infused()
    page = reverse("admin:safety_blood", args=[one.pk])
    forms = forms_of(house.login(house.ivan).get(page))
    data = next(form.data for form in forms if form.data.get("what") == "iec_hs")
    data |= {"investigator_grade": "2", "investigator_reason": "biopsy", "password": PASSWORD}
    assert house.login(house.ivan).post(page, data).status_code == 302
    return one.iec_hs_assessments.get(), [page]


def signs_event(house: House) -> tuple[Any, list[str]]:
    event = factories.adverse_event(house.infused(), by=house.ivan, now=house.now)
    factories.adverse_event(event.participant, by=house.ivan, now=house.now, term="another")
    said = {f"relatedness_{row.agent}": "unrelated" for row in event.agents.all()}
    said |= {"outcome": "recovering", "is_serious_said": "no"}
    house.post(house.ivan, "safety_adverseevent_assess", [event.pk], **said)
    return event.reviews.get(), [reverse("admin:safety_adverseevent_story", args=[event.pk])]


def reviews_access(house: House) -> tuple[Any, list[str]]:
    Site.objects.get_or_create(code="OT", name_zh="别的医院", name_en="Another hospital")
    client, page = house.login(house.paula), reverse("admin:trialsite_accessreview_sign", args=[house.site.pk])
    data = next(form.data for form in forms_of(client.get(page)) if "shown" in form.data)
    kept = {f"choice_{one.pk}": "keep" for one in User.objects.all()}
    assert client.post(page, {**data, **kept, "password": PASSWORD}).status_code == 302
    return AccessReview.objects.get(), []


def releases_text(house: House) -> tuple[Any, list[str]]:
    client, add = house.login(house.dana), reverse("admin:sponsor_snapshot_add")
    said = {"dates": "as recorded", "free_text": "withheld", "password": ""}
    for free_text in ("withheld", "released"):
        assert client.post(add, {**said, "free_text": free_text, "password": PASSWORD}).status_code == 302
        row = Snapshot.objects.latest("pk")
        client.post(reverse("admin:sponsor_snapshot_cancel", args=[row.pk]))
    return row.release, [reverse("admin:sponsor_snapshot_change", args=[row.pk])]


def voids(house: House) -> tuple[Any, list[str]]:
    consent = house.eligible().consents.get()
    said = {"reason": "another person's form", "is_confirmed": "on"}
    house.post(house.dana, "participants_consent_void", [consent.pk], **said)
    return consent, []


KINDS: dict[Callable[[House], tuple[Any, list[str]]], Meaning] = {
    confirms: Meaning.ELIGIBILITY,
    rules: Meaning.CRITERION,
    judges: Meaning.READINESS,
    compares: Meaning.IDENTITY,
    reviews: Meaning.NEAR_MISS,
    lifts: Meaning.LIFT,
    regrades: Meaning.GRADE,
    grades_icaht: Meaning.GRADE,
    grades_iec_hs: Meaning.GRADE,
    signs_event: Meaning.EVENT,
    # Before the next, which makes another site: a snapshot is made by somebody of all of them.
    releases_text: Meaning.RELEASE,
    reviews_access: Meaning.ACCESS,
    voids: Meaning.VOID,
}


def test_every_kind_of_signature_is_walked(house: House) -> None:
    """The next one, too: a model that is signed has its page in the walk."""
    models = {model._meta.concrete_model for model in apps.get_models() if getattr(model, "signed_as", None)}
    walked = {kind(house)[0]._meta.concrete_model for kind in KINDS if kind is not voids}
    assert walked == models
    assert set(KINDS.values()) == set(Meaning)


# --- changed underneath --------------------------------------------------------------------------------

OTHER = {
    "bigint": "{0} + 1",
    "smallint": "COALESCE({0}, 0) + 1",
    "character varying": "CASE {0} WHEN 'x' THEN 'y' ELSE 'x' END",
    "text": "COALESCE({0}, '') || 'x'",
    "boolean": "NOT {0}",
    "timestamp with time zone": "{0} - interval '1 minute'",
    "date": "{0} - 1",
    "jsonb": """{0} || CASE jsonb_typeof({0}) WHEN 'array' THEN '["x"]'::JSONB ELSE '{{"x": 1}}' END""",
}


@contextmanager
def underneath(*tables: str) -> Iterator[Any]:
    """Whoever owns the database: no trigger of these tables stands in the way."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def change(row: Any, column: str) -> None:
    """Something else of the same kind in this column: another row, another time, another word."""
    field = next(one for one in row._meta.concrete_fields if one.column == column)
    with underneath(row._meta.db_table) as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [row._meta.db_table]
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {row._meta.db_table} DROP CONSTRAINT "{name}"')
        if field.is_relation:
            others = field.related_model._base_manager.exclude(pk=getattr(row, column))
            value, other = "%s", [others.order_by("-pk").first().pk]
        elif field.choices and not isinstance(getattr(row, column), bool):
            value, other = "%s", [next(one for one, _name in field.flatchoices if one != getattr(row, column))]
        else:
            cursor.execute(
                "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
                [row._meta.db_table, column],
            )
            value, other = OTHER[cursor.fetchone()[0]].format(f'"{column}"'), []
        cursor.execute(f'UPDATE {row._meta.db_table} SET "{column}" = {value} WHERE id = %s', [*other, row.pk])


def own_pages(row: Any) -> list[str]:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
    every = "?void=all" if isinstance(row, Record) else ""
    return [reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_changelist") + every]


# The row is no longer found from the participant, the bag or the grade that it was about.
MOVED = {"participant_id", "product_id", "phase", "event_id", "snapshot_id"}
# No page shows it any more: neither another scale or site, nor what no rule can have said.
NOWHERE = {"toxicity", "flags", "reasons", "laboratory", "site_id"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_row_that_was_changed_underneath_is_shown_as_broken(kind: Any, house: House) -> None:
    another = house.infused()
    factories.eligible(site=house.site, by=house.ivan, now=house.now)
    assert another.infusions.exists()
    row, pages = kind(house)
    meaning, client = KINDS[kind], house.login(house.paula)
    row = type(row).objects.get(pk=row.pk)
    made = Signature.objects.get(row_table=row._meta.db_table, row_id=row.pk, meaning=meaning)
    for page in [*pages, *own_pages(row)]:
        text = client.get(page).content.decode()
        assert "ignature broken" not in text, page
    assert f"{made.name} (" in client.get(own_pages(row)[0]).content.decode()
    for column in signing.signed_columns(type(row), meaning):
        if column == "id" or (getattr(row, column) is None and column not in {"investigator_grade"}):
            continue
        with transaction.atomic():
            change(row, column)
            changed = type(row).objects.get(pk=row.pk)
            assert verdict_of(changed, meaning) is Verdict.BROKEN, column
            shown = [*([] if column in MOVED else pages), *own_pages(row)]
            for page in [] if column in NOWHERE else shown:
                text = client.get(page).content.decode()
                assert "ignature broken" in text, (column, page)
                assert "signature verified" not in text, (column, page)
            transaction.set_rollback(True)


def verdict_of(row: Any, meaning: Meaning) -> Verdict:
    return next(one.verdict for one in signing.of(row) if one.meaning is meaning)


@pytest.mark.parametrize("column", ["meaning", "name", "roles", "signed_at", "is_own", "content", "sha256", "mac"])
def test_a_signature_that_was_changed_itself_is_broken(house: House, column: str) -> None:
    row, _pages = compares(house)
    change(Signature.objects.get(row_id=row.pk, meaning=Meaning.IDENTITY), column)
    (found, *_more) = signing.of(row)
    assert not found.counts


def test_another_rows_signature_is_none(house: House) -> None:
    row, _pages = confirms(house)
    with underneath("trialsite_signature", row._meta.db_table) as cursor:
        cursor.execute("UPDATE trialsite_signature SET row_id = row_id + 1")
        cursor.execute("UPDATE participants_eligibilityconfirmation SET id = id + 1")
    assert verdict_of(EligibilityConfirmation.objects.get(), Meaning.ELIGIBILITY) is Verdict.BROKEN
    assert row.pk != EligibilityConfirmation.objects.get().pk


@pytest.mark.parametrize(
    ("kind", "cleared"),
    [
        pytest.param(voids, "voided_at = NULL, voided_by_id = NULL, void_reason = NULL", id="void"),
        pytest.param(regrades, "investigator_grade = NULL, investigator_reason = ''", id="grade"),
        pytest.param(lifts, "lifted_at = NULL, lifted_by_id = NULL, lift_reason = ''", id="lift"),
    ],
)
def test_what_was_signed_and_is_gone_from_the_row_is_broken(kind: Any, cleared: str, house: House) -> None:
    row, _pages = kind(house)
    with underneath(row._meta.db_table) as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {cleared} WHERE id = %s", [row.pk])
    row = type(row).objects.get(pk=row.pk)
    assert verdict_of(row, KINDS[kind]) is Verdict.BROKEN
    assert "Signature broken" in house.login(house.paula).get(own_pages(row)[0]).content.decode()


# --- what does not count -------------------------------------------------------------------------------


def line(participant: Participant, code: Code) -> tuple[Outcome, str]:
    now = timezone.now()
    found = next(one for one in dosing.readiness_of(participant, at=now, now=now).lines if one.line.code is code)
    return found.outcome, found.line.why


def test_a_broken_confirmation_neither_enrols_nor_lets_infuse(house: House) -> None:
    row, _pages = confirms(house)
    one = row.participant
    change(row, "snapshot")
    with pytest.raises(Refused, match="Signature broken: the record was changed after it was signed \\(what was conf"):
        actions.enrol(participant=one, by=house.ivan, now=timezone.now())
    assert line(one, Code.ELIGIBILITY)[0] is Outcome.BLOCKS
    assert (
        "was changed after it was signed"
        in house.login(house.ivan).get(reverse("admin:dosing_readiness", args=[one.pk])).content.decode()
    )
    confirmation = actions.newest_confirmation(one)
    signature = actions.signature_of(confirmation)
    assert "broken" in eligibility_pdf.signature_text(confirmation, signature, is_current=False)
    assert (
        house.login(house.ivan)
        .get(reverse("admin:participants_participant_eligibility_pdf", args=[one.pk]))
        .content.startswith(b"%PDF")
    )


def test_the_enrolment_log_tells_a_broken_confirmation(house: House) -> None:
    one = house.enrolled()
    client, log = house.login(house.ivan), reverse("admin:participants_enrolmentlogentry_changelist")
    assert "signature broken" not in client.get(log).content.decode()
    change(one.confirmations.get(), "snapshot")
    assert "✗ signature broken" in client.get(log).content.decode()


def test_a_broken_ruling_leaves_the_criterion_open_again(house: House) -> None:
    row, _pages = rules(house)
    now = timezone.now()
    assert actions.evaluate(row.participant, now=now).overall == "ELIGIBLE"
    change(row, "reason")
    assert actions.evaluate(row.participant, now=now).open_codes == ("INCL08",)


def test_a_broken_identity_check_does_not_count(house: House) -> None:
    row, _pages = compares(house)
    other = person("olga", Role.COORDINATOR, house.site)
    with transaction.atomic():
        factories.signed_by(other, row.participant, row.product, at=timezone.now())
        assert line(row.participant, Code.IDENTITY) == (Outcome.FINE, "identity-checked")
        change(row, "entered_by_id")
        assert line(row.participant, Code.IDENTITY) == (Outcome.BLOCKS, "identity-broken")
        assert dosing.checkers(row.participant, row.product, at=timezone.now()) == {other.pk}


def test_a_broken_judgement_settles_nothing(house: House) -> None:
    row, _pages = judges(house)
    assert line(row.participant, Code.FITNESS)[0] is Outcome.FINE
    change(row, "reason")
    assert line(row.participant, Code.FITNESS)[0] is Outcome.JUDGE


def test_a_hold_whose_lift_is_broken_holds(house: House) -> None:
    row, _pages = lifts(house)
    assert line(row.participant, Code.HOLDS)[0] is Outcome.FINE
    change(row, "lift_reason")
    assert line(row.participant, Code.HOLDS) == (Outcome.BLOCKS, "held")
    shown = house.login(house.ivan).get(reverse("admin:dosing_dosinghold_changelist")).content.decode()
    assert "nothing may be given" in shown
    void(type(row).objects.get(pk=row.pk), reason="changed underneath", by=house.dana, now=timezone.now())
    assert line(row.participant, Code.HOLDS)[0] is Outcome.FINE, "the way out"


# --- the application's own login -----------------------------------------------------------------------

FORGED = {
    "an identity check": """
        INSERT INTO dosing_identitycheck (created_at, created_by_id, participant_id, product_id, entered_by_id)
        VALUES ('2020-01-01', %(by)s, %(participant)s, %(product)s, %(by)s)""",
    "a judgement": """
        INSERT INTO dosing_readinessruling (created_at, created_by_id, participant_id, line, basis, reason)
        VALUES ('2020-01-01', %(by)s, %(participant)s, 'fitness', 'x', 'seen')""",
    "a lift": "UPDATE dosing_dosinghold SET lifted_at = now(), lifted_by_id = %(by)s, lift_reason = 'gone'",
    "a void": "UPDATE dosing_dosinghold SET voided_at = now(), voided_by_id = %(by)s, void_reason = 'none'",
}


@pytest.fixture
def held(house: House) -> CellProduct:
    one = house.enrolled()
    dosing.place_hold(hold=DosingHold(participant=one, reason="fever"), by=house.ivan, now=house.now)
    return factories.thawed(one, at=house.now - HOUR)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("with_signature", [False, True], ids=["unsigned", "with-a-made-up-signature"])
def test_sql_with_the_login_of_the_application_signs_nothing(
    as_app_role: Any, held: CellProduct, house: House, forged: str, with_signature: bool
) -> None:
    one = held.participant
    with connection.cursor() as cursor:
        values = {"by": house.ivan.pk, "participant": one.pk, "product": held.pk}
        cursor.execute(FORGED[forged], values)
        for model in (IdentityCheck, ReadinessRuling, DosingHold) if with_signature else ():
            for row in model.objects.all():
                for meaning in signing.meanings_of(row):
                    forge(cursor, row, meaning, house.ivan)
    assert line(one, Code.HOLDS) == (Outcome.BLOCKS, "held")
    assert dosing.checkers(one, held, at=timezone.now()) == set()
    for row in (*IdentityCheck.objects.all(), *ReadinessRuling.objects.all(), *DosingHold.objects.all()):
        found = signing.of(row)
        assert not any(checked.counts for checked in found), row
        assert all(checked.verdict is (Verdict.BROKEN if with_signature else Verdict.MISSING) for checked in found), row


def forge(cursor: Any, row: Any, meaning: Meaning, by: User) -> None:
    """All of a signature that SQL can make: everything but its key."""
    cursor.execute(
        f"""
        INSERT INTO trialsite_signature (row_table, row_id, meaning, person_id, name, roles, signed_at, is_own,
            transaction, content, sha256, key, mac)
        SELECT %s, t.id, %s, %s, 'Ivan', 'investigator', now(), TRUE, 1, c.content,
            encode(sha256(convert_to(c.content, 'UTF8')), 'hex'), %s, repeat('0', 64)
        FROM {row._meta.db_table} t, LATERAL (
            SELECT jsonb_object_agg(key, value)::TEXT AS content FROM jsonb_each(to_jsonb(t)) WHERE key = ANY(%s)
        ) c WHERE t.id = %s
        """,
        [
            row._meta.db_table,
            meaning,
            by.pk,
            signing.name_of(signing.key()),
            signing.signed_columns(type(row), meaning),
            row.pk,
        ],
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement", ["UPDATE trialsite_signature SET name = 'Eve'", "DELETE FROM trialsite_signature"]
)
def test_a_signature_is_neither_changed_nor_removed(as_app_role: Any, house: House, statement: str) -> None:
    lifts(house)
    with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_signature_that_the_owner_removed_is_missed(house: House) -> None:
    row, _pages = judges(house)
    with underneath("trialsite_signature") as cursor:
        cursor.execute("DELETE FROM trialsite_signature")
    assert verdict_of(row, Meaning.READINESS) is Verdict.MISSING
    assert line(row.participant, Code.FITNESS)[0] is Outcome.JUDGE


# --- older records, other keys -------------------------------------------------------------------------


def test_what_was_recorded_before_signatures_were_bound_is_told_and_counts(house: House) -> None:
    row, pages = judges(house)
    with underneath("trialsite_signature") as cursor:
        cursor.execute("DELETE FROM trialsite_signature")
        cursor.execute("UPDATE guard.signing SET since = clock_timestamp()")
    assert verdict_of(row, Meaning.READINESS) is Verdict.BEFORE
    assert line(row.participant, Code.FITNESS)[0] is Outcome.FINE
    for page in [*pages, *own_pages(row)]:
        text = house.login(house.ivan).get(page).content.decode()
        assert "ignature broken" not in text
        assert "signature verified" not in text
    assert "recorded before signatures were bound" in house.login(house.ivan).get(own_pages(row)[0]).content.decode()


def test_a_former_key_still_verifies_and_one_that_is_lost_is_said(house: House, settings: Any) -> None:
    row, _pages = judges(house)
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another secret"
    assert verdict_of(row, Meaning.READINESS) is Verdict.OTHER_KEY
    assert "FORMER_SECRET_KEYS" in house.login(house.ivan).get(own_pages(row)[0]).content.decode()
    assert line(row.participant, Code.FITNESS)[0] is Outcome.JUDGE
    settings.FORMER_SECRET_KEYS = [before]
    assert verdict_of(row, Meaning.READINESS) is Verdict.VALID
    factories.signed_by(house.ivan, row.participant, factories.thawed(row.participant, at=house.now), at=house.now)
    assert Signature.objects.first().key == signing.name_of(signing.key())


# --- who, and how --------------------------------------------------------------------------------------


def test_a_signature_shows_the_person_as_they_were(house: House) -> None:
    row, _pages = judges(house)
    house.ivan.first_name = "Renamed"
    house.ivan.save()
    house.ivan.groups.clear()
    (found,) = signing.of(row)
    assert (found.name, found.roles_in_words, found.verdict) == ("Ivan", "Investigator", Verdict.VALID)
    assert (
        "✓ Ivan (Investigator) judges that it does not stand"
        in house.login(house.paula).get(own_pages(row)[0]).content.decode()
    )


def test_what_goes_with_a_void_follows_from_it_and_is_bound_too(house: House) -> None:
    one = house.infused()
    infusion = one.infusions.get()
    dosing.void_infusion(infusion=infusion, reason="another person", by=house.dana, now=timezone.now())
    made = {(row.row_table, row.is_own) for row in Signature.objects.filter(meaning=Meaning.VOID)}
    assert ("dosing_infusion", True) in made
    assert {is_own for table, is_own in made if table != "dosing_infusion"} == {False}
    gone = [row for model in records() for row in model.objects.all() if row.is_void]
    assert len(gone) > 5
    assert all(verdict_of(row, Meaning.VOID) is Verdict.VALID for row in gone)
    status = one.statuses.filter(voided_at__isnull=False).first()
    text = house.login(house.dana).get(own_pages(status)[0]).content.decode()
    assert "follows by rule from what Dana did" in text


def records() -> list[type[Record]]:
    return [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]


@pytest.mark.parametrize("model", records(), ids=lambda model: model._meta.label)
def test_identity_is_no_content_of_a_signature(model: type[Record]) -> None:
    for meaning in Meaning:
        columns = set(signing.signed_columns(model, meaning))
        assert columns
        assert not columns & {"birth_date", "phone", "hospital_number"}
        assert "name" not in columns or model is not Participant
        assert "modified_at" not in columns


ASKED = {
    "rule": (rules, "participants_participant_rule", "?check=INCL08c:PLAT", {"is_met": "yes", "reason": "TYPED"}),
    "judge": (judges, "dosing_judge", "", {"reason": "TYPED"}),
    "review": (reviews, "dosing_identitystop_review", "", {"review": "TYPED"}),
    "lift": (lifts, "dosing_dosinghold_lift", "", {"reason": "TYPED"}),
    "grade": (regrades, "safety_crsassessment_regrade", "", {"investigator_grade": "3", "reason": "TYPED"}),
    "void": (voids, "participants_consent_void", "", {"reason": "TYPED", "is_confirmed": "on"}),
}


@pytest.mark.parametrize("typed", ["", "not my password"], ids=["none", "wrong"])
@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_signed_without_the_password_and_nothing_typed_is_lost(house: House, asked: str, typed: str) -> None:
    kind, name, query, said = ASKED[asked]
    page = page_before(house, kind, name) + query
    before = Signature.objects.count()
    client = house.login(house.dana if kind is voids else house.paula)
    assert 'type="password"' in client.get(page).content.decode()
    answer = client.post(page, {**said, "password": typed})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert ("not your password" if typed else "required") in text
    assert "TYPED" in text
    assert typed not in text or not typed
    assert Signature.objects.count() == before
    assert client.post(page, {**said, "password": PASSWORD}).status_code == 302
    assert Signature.objects.count() > before


def page_before(house: House, kind: Any, name: str) -> str:
    """The page on which this kind is signed, of a row that nobody has signed yet."""
    if kind is rules:
        return reverse(f"admin:{name}", args=[house.eligible(PLAT="66").pk])
    if kind is voids:
        return reverse(f"admin:{name}", args=[house.eligible().consents.get().pk])
    if kind is judges:
        one = house.enrolled()
        factories.ready(one, at=house.now - HOUR)
        factories.checked(one, before="infusion", at=house.now, spo2_percent=90)
        return reverse(f"admin:{name}", args=[one.pk, "fitness"])
    if kind is reviews:
        one = house.enrolled()
        stopped = stopped_infusion(one, factories.thawed(one, at=house.now), "not this bag")
        return reverse(f"admin:{name}", args=[keep_stop(stopped, by=house.ivan, now=house.now).pk])
    if kind is lifts:
        hold = DosingHold(participant=house.enrolled(), reason="fever")
        return reverse(f"admin:{name}", args=[dosing.place_hold(hold=hold, by=house.ivan, now=house.now).pk])
    return reverse(f"admin:{name}", args=[regrades(house)[0].pk])


def test_who_is_no_investigator_sets_no_other_grade(house: House, alice: User) -> None:
    row = CrsAssessment(
        participant=house.infused(), assessed_at=house.now, investigator_grade=0, investigator_reason="flu"
    )
    found = CrsFindings(days_since_infusion=5, temperature_c=Decimal("38.6"))
    with pytest.raises(Refused, match="Only an investigator"):
        safety.assess(assessment=row, scale=Scale.CRS, findings=found, by=alice, now=timezone.now())
    assert not CrsAssessment.objects.exists()


def test_the_administrator_of_the_computer_signs_nothing(house: House) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    root.sites.add(house.site)
    consent = house.eligible().consents.get()
    with pytest.raises(Refused, match="signs nothing"):
        actions.void_consent(consent=consent, reason="x", by=root, now=timezone.now())
    assert house.login(root).get(reverse("admin:participants_consent_void", args=[consent.pk])).status_code == 403


def test_signing_and_verifying_cost_few_queries(house: House, django_assert_num_queries: Any) -> None:
    rows = [house.eligible().consents.get() for _number in range(3)]
    with django_assert_num_queries(2):
        signing.sign(*rows, meaning=Meaning.VOID, by=house.dana)
    with django_assert_num_queries(0):
        assert signing.verify(rows) == {}, "nothing is void, and nothing else is signed"
    judged = [judges(house)[0] for _number in range(2)]
    with django_assert_num_queries(1):
        assert len(signing.verify(judged)) == 2
