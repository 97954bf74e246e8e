"""Signatures bound to what was signed: made here, and verified whenever they are shown.

The content is the database's own reading of the row. Its digest, with who, when and which meaning, is keyed with a key
made of the site's secret, which SQL does not have: whoever changes a row underneath cannot make its signature match.
Identity is never content: its columns are encrypted anew with each write, and a signature is no place to copy them to.
"""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql

from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.models import VOIDING_FIELDS, Meaning, Signature, User
from trialsite.refusal import Refused
from trialsite.roles import ROLE_NAMES, Role

BY_VOID = frozenset({"voided_at", "voided_by", "void_reason"})


class Verdict(StrEnum):
    VALID = "valid"
    # Row and signature differ, or the signature itself was changed.
    BROKEN = "broken"
    # It has to be signed, and nobody has.
    MISSING = "missing"
    # Made with a key that this machine does not have, such as before the site's secret was changed.
    OTHER_KEY = "other key"
    # Recorded before signatures were bound to their content.
    BEFORE = "before"


COUNTS = frozenset({Verdict.VALID, Verdict.BEFORE})
WORDS: dict[Verdict, Promise] = {
    Verdict.BROKEN: gettext_lazy(
        "Signature broken: the record was changed after it was signed (%(columns)s). It does not count. Tell the data "
        "manager; the audit trail shows who changed what, and when. Then it is voided and signed anew."
    ),
    Verdict.MISSING: gettext_lazy(
        "Nobody signed this: it was written past the pages that ask for a signature. It does not count. Tell the data "
        "manager; the audit trail shows who wrote it, and when."
    ),
    Verdict.OTHER_KEY: gettext_lazy(
        "This signature cannot be verified with the key of this machine; until it is, it does not count. Whoever looks "
        "after the machine adds the former SECRET_KEY to FORMER_SECRET_KEYS."
    ),
    Verdict.BEFORE: gettext_lazy("unsigned: recorded before signatures were bound to their content"),
}

SHORT: dict[Verdict, Promise] = {
    Verdict.VALID: gettext_lazy("✓ signed"),
    Verdict.BROKEN: gettext_lazy("✗ signature broken"),
    Verdict.MISSING: gettext_lazy("✗ not signed"),
    Verdict.OTHER_KEY: gettext_lazy("✗ signature not verifiable"),
    Verdict.BEFORE: gettext_lazy("unsigned (older record)"),
}
TONES = {Verdict.VALID: "good", Verdict.BEFORE: "plain"}


@dataclass(frozen=True)
class Checked:
    """What a signature says, and whether it still says it of this row."""

    meaning: Meaning
    verdict: Verdict
    # Names of the signed fields that hold something else now.
    columns: tuple[str, ...] = ()
    # As they were when it was signed; empty where nobody signed.
    name: str = ""
    roles: str = ""
    signed_at: dt.datetime | None = None
    is_own: bool = True
    sha256: str = ""

    @property
    def counts(self) -> bool:
        return self.verdict in COUNTS

    @property
    def is_valid(self) -> bool:
        return self.verdict is Verdict.VALID

    @property
    def tone(self) -> str:
        return TONES.get(self.verdict, "bad")

    @property
    def warning(self) -> str:
        """What is wrong and what to do about it; empty where it counts."""
        if self.counts:
            return ""
        return str(WORDS[self.verdict]) % {"columns": _(", ").join(self.columns) or _("the signature itself")}

    @property
    def short(self) -> str:
        """In few words, for a list."""
        return str(SHORT[self.verdict])

    @property
    def roles_in_words(self) -> str:
        names = {role.value: str(ROLE_NAMES[role]) for role in Role}
        return _(", ").join(names.get(role, role) for role in self.roles.split(",") if role)


# --- Keys --------------------------------------------------------------------------------------------


def key() -> bytes:
    """The key of new signatures, made of the site's secret and used for nothing else."""
    return _key_of(settings.SECRET_KEY)


def keys() -> dict[str, bytes]:
    """That, and those of former secrets, by their names."""
    known = [key(), *(_key_of(secret) for secret in settings.FORMER_SECRET_KEYS)]
    return {name_of(one): one for one in known}


def _key_of(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"signatures", hashlib.sha256).digest()


def name_of(one: bytes) -> str:
    return hashlib.sha256(b"name of the key " + one).hexdigest()[:16]


def _mac(made: Signature, with_key: bytes) -> str:
    parts = (made.row_table, made.row_id, made.meaning, made.person_id, made.name, made.roles)
    when = (made.signed_at.astimezone(dt.UTC).isoformat(), made.is_own, made.transaction)
    said = json.dumps([*parts, *when, made.content, made.sha256, made.key])
    return hmac.new(with_key, said.encode(), hashlib.sha256).hexdigest()


# --- Signing -----------------------------------------------------------------------------------------

# The signed columns of a row, as the database reads them.
CONTENT = """
    (SELECT jsonb_object_agg(c.key, c.value) FROM jsonb_each(to_jsonb(t)) c WHERE c.key = ANY(%(columns)s))::TEXT
"""
SIGN = """
    SELECT t.id, {content}, clock_timestamp(), pg_current_xact_id()::TEXT::BIGINT, (
        SELECT string_agg(g.name, ',' ORDER BY g.name) FROM auth_group g
        JOIN trialsite_user_groups m ON m.group_id = g.id WHERE m.user_id = %(person)s
    ) FROM {table} t WHERE t.id = ANY(%(rows)s) ORDER BY t.id
"""


def sign(*rows: Model, meaning: Meaning, by: User, is_own: bool = True) -> None:
    """Bind what these rows of one model say now to the person; call it once they are saved, in their transaction.

    Two queries, however many rows. `is_own=False`: it follows by rule from what this person signs in the same
    transaction. The password is asked for by the page. Raises Refused for the administrator of the computer.
    """
    if not rows:
        return
    if is_own and by.is_superuser:
        raise Refused(
            _(
                "%(name)s is the administrator of the computer and signs nothing; nothing was changed. Somebody of the "
                "site who may do this signs with their own name and password."
            )
            % {"name": by}
        )
    model = type(rows[0])
    found = _run(
        _written(SIGN, model),
        model,
        columns=signed_columns(model, meaning),
        rows=[row.pk for row in rows],
        person=by.pk,
    )
    Signature.objects.bulk_create(
        _bound(
            Signature(
                row_table=_table(model),
                row_id=pk,
                meaning=meaning,
                person=by,
                name=str(by),
                roles=roles or "",
                signed_at=at,
                is_own=is_own,
                transaction=transaction,
                content=content,
            )
        )
        for pk, content, at, transaction, roles in found
    )


def _bound(made: Signature) -> Signature:
    with_key = key()
    made.sha256 = hashlib.sha256(made.content.encode()).hexdigest()
    made.key = name_of(with_key)
    made.mac = _mac(made, with_key)
    return made


@cache
def signed_columns(model: type[Model], meaning: Meaning) -> list[str]:
    """A void signs what the void says; everything else the whole row, but for a later void and identity."""
    fields = model._meta.concrete_fields
    if meaning is Meaning.VOID:
        kept = [one for one in fields if one.primary_key or one.name in BY_VOID]
    else:
        kept = [one for one in fields if one.name not in VOIDING_FIELDS]
    return [str(one.column) for one in kept if not isinstance(one, EncryptedTextField | EncryptedDateField)]


def _table(model: type[Model]) -> str:
    return model._meta.db_table


# --- Verifying ---------------------------------------------------------------------------------------

STORED = (
    "id",
    "row_table",
    "row_id",
    "meaning",
    "person_id",
    "name",
    "roles",
    "signed_at",
    "is_own",
    "transaction",
    "content",
    "sha256",
    "key",
    "mac",
)
IN_TRAIL = """
    {name}, (SELECT min(e.pgh_created_at) < guard.signing_since() FROM {events} e
        WHERE e.pgh_obj_id = t.id AND {column} IS NOT NULL)
"""
VERIFY = """
    SELECT t.id, {content}, {before}, {stored} FROM {table} t
    LEFT JOIN trialsite_signature s ON s.row_table = %(table)s AND s.row_id = t.id
    WHERE t.id = ANY(%(rows)s)
"""


def meanings_of(row: Any) -> dict[Meaning, str]:
    """What has to be signed of this row as it stands, by the field that says so."""
    wanted = {**getattr(row, "signed_as", {}), Meaning.VOID: "voided_at"}
    return {meaning: name for meaning, name in wanted.items() if getattr(row, name, None) is not None}


def verify(rows: Iterable[Any]) -> dict[int, tuple[Checked, ...]]:
    """By their keys, what was signed of these rows of one model, each verified now: one query, none where nothing is
    to be signed.

    Of rows that can be signed also what they no longer say is found: a signature stays when a field is emptied.
    """
    rows = list(rows)
    if not any(meanings_of(row) or getattr(row, "signed_as", None) for row in rows):
        return {}
    return _compare(rows)


def of(row: Any) -> tuple[Checked, ...]:
    """The same of one row, also of one that nobody has to sign as it stands: one query."""
    return _compare([row]).get(row.pk, ())


def counts(row: Any) -> bool:
    """Whether what has to be signed of this row is signed, and the row says it still."""
    return bool(counting([row]))


def counting(rows: Iterable[Any]) -> list[Any]:
    """The rows of which that is true, of one model."""
    rows = list(rows)
    found = verify(rows)
    return [row for row in rows if all(one.counts for one in found.get(row.pk, ()))]


def marks(found: Iterable[Checked]) -> str:
    """For a cell of a list; a broken one says on the spot what to do."""
    parts = ((one.tone, one.warning, one.short) for one in found)
    return format_html_join(" ", '<span class="ts-state ts-tone-{}" title="{}">{}</span>', parts)


def _compare(rows: list[Any]) -> dict[int, tuple[Checked, ...]]:
    model, due = type(rows[0]), {row.pk: meanings_of(row) for row in rows}
    now: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    # By what the row says of its meaning, which may be anything where SQL wrote it.
    made: dict[int, dict[str, Signature]] = {pk: {} for pk in due}
    for pk, content, before, *values in _stored(model, due):
        now[pk] = _read(content), json.loads(before)
        if values[0] is not None:
            one = Signature(**dict(zip(STORED, values, strict=True)))
            made[pk][one.meaning] = one
    return {
        pk: tuple(
            _checked(
                model, meaning, made[pk].get(meaning), content, is_before=bool(before.get(due[pk].get(meaning, "")))
            )
            for meaning in Meaning
            if meaning in due[pk] or meaning in made[pk]
        )
        for pk, (content, before) in now.items()
    }


def _stored(model: type[Model], due: dict[int, dict[Meaning, str]]) -> list[Any]:
    fields = {name for meanings in due.values() for name in meanings.values()}
    columns = sorted({one for meaning in Meaning for one in signed_columns(model, meaning)})
    return _run(_to_verify(model, frozenset(fields)), model, columns=columns, rows=list(due))


@cache
def _to_verify(model: type[Model], fields: frozenset[str]) -> str:
    """Written once in a process: it takes longer to write than to answer."""
    stored = sql.SQL(", ").join(sql.Identifier("s", name) for name in STORED)
    return _written(VERIFY, model, before=_before(model, fields), stored=stored)


def _before(model: type[Model], fields: Iterable[str]) -> sql.Composable:
    """By field, whether the trail had something in it before signatures were bound; its time is the database's.

    Of a row without a trail its own time is asked.
    """
    events = getattr(model._meta.concrete_model, "events", None)
    once = sql.SQL(IN_TRAIL if events else "{name}, {time} < guard.signing_since()")
    table = sql.Identifier(events.rel.related_model._meta.db_table if events else "")
    pairs = [
        once.format(name=sql.Literal(one), events=table, column=sql.Identifier("e", one), time=sql.Identifier("t", one))
        for one in sorted(fields)
    ]
    return sql.SQL("jsonb_build_object({})::TEXT").format(sql.SQL(", ").join(pairs))


def _checked(
    model: type[Model], meaning: Meaning, made: Signature | None, now: dict[str, Any], *, is_before: bool
) -> Checked:
    if made is None:
        return Checked(meaning, Verdict.BEFORE if is_before else Verdict.MISSING)
    verdict, columns = _verdict(model, made, now)
    return Checked(
        meaning, verdict, columns, made.name, made.roles, made.signed_at, is_own=made.is_own, sha256=made.sha256
    )


def _verdict(model: type[Model], made: Signature, now: dict[str, Any]) -> tuple[Verdict, tuple[str, ...]]:
    with_key = keys().get(made.key)
    if with_key is None:
        return Verdict.OTHER_KEY, ()
    is_whole = hashlib.sha256(made.content.encode()).hexdigest() == made.sha256
    if not (is_whole and hmac.compare_digest(_mac(made, with_key), made.mac)):
        return Verdict.BROKEN, ()
    columns = tuple(_differing(model, _read(made.content), now))
    return (Verdict.BROKEN, columns) if columns else (Verdict.VALID, ())


def _differing(model: type[Model], then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Only what was signed is compared: a column that is added later says nothing about a signature of before."""
    names = {one.column: str(one.verbose_name) for one in model._meta.concrete_fields}
    for column, value in then.items():
        if column not in now or now[column] != value:
            yield names.get(column, column)


def _read(content: str) -> dict[str, Any]:
    """Numbers as they are written: 1.0 is another content than 1.00."""
    read: dict[str, Any] = json.loads(content, parse_float=str, parse_int=str)
    return read


def _written(statement: str, model: type[Model], **parts: Any) -> str:
    """As text: what stands around a request looks at the statement."""
    query = sql.SQL(statement).format(content=sql.SQL(CONTENT), table=sql.Identifier(_table(model)), **parts)
    return query.as_string()


def _run(
    statement: str, model: type[Model], *, rows: list[int], columns: list[str], person: int | None = None
) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"rows": rows, "columns": columns, "person": person, "table": _table(model)})
        return list(cursor.fetchall())
