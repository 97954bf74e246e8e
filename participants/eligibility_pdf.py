"""The eligibility page on paper, for the source file."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from participants.actions.days import long_date, long_moment
from participants.actions.eligibility import Evaluation
from participants.models import EligibilityConfirmation
from participants.wording import OVERALL_NAMES
from trialsite.printing import Band, Print, Section, Table, Words
from trialsite.signing import Checked


def eligibility_print(
    evaluation: Evaluation,
    blocks: Sequence[Any],
    confirmation: EligibilityConfirmation | None,
    signature: Checked | None,
    is_current: bool,
    *,
    now: dt.datetime,
) -> Print:
    """`blocks` are the page's criteria in words."""
    protocol, participant = evaluation.protocol, evaluation.participant
    decided = _("Protocol version %(version)s; decided %(at)s")
    said = (
        Words(f"{protocol.registry_id} · {protocol.title}"),
        Words(decided % {"version": protocol.version, "at": long_moment(now)}),
        Words(_("Planned infusion: %(day)s") % {"day": _day(evaluation.anchors.infusion_on)}),
        Words(str(OVERALL_NAMES[evaluation.overall]), 12),
        Words(signature_text(confirmation, signature, is_current)),
        Table(
            head=(_("Criterion"), _("Facts and their limit"), _("Result")),
            rows=tuple(row for block in blocks for row in _rows(block)),
            widths=(46, 96, 38),
        ),
        Words(_("Signature on paper, if the site asks for one: ______________________   Date: ______________")),
    )
    title = _("Eligibility of %(number)s") % {"number": participant.number}
    return Print(title, (Section("eligibility", "", said),), site=str(participant.site), number=participant.number)


def _day(day: dt.date | None) -> str:
    return long_date(day) if day else _("not yet planned")


def signature_text(confirmation: EligibilityConfirmation | None, signature: Checked | None, is_current: bool) -> str:
    """Who confirmed, when, and whether it still holds."""
    if confirmation is None:
        return _("Not confirmed by an investigator yet.")
    if signature is not None and signature.warning:
        return f"✗ {signature.warning}"
    values = {
        "who": confirmation.created_by,
        "day": long_moment(confirmation.created_at),
        "hash": confirmation.content_hash,
        "roles": signature.roles_in_words if signature else "",
    }
    if is_current and signature is not None and signature.is_valid:
        return (
            _(
                "Confirmed electronically by %(who)s (%(roles)s), %(day)s; signature verified. SHA-256 of what was "
                "signed: %(hash)s"
            )
            % values
        )
    if is_current:
        return _("Confirmed electronically by %(who)s, %(day)s. SHA-256 of what was signed: %(hash)s") % values
    return _("Confirmed by %(who)s, %(day)s; something changed since then, so it must be confirmed again.") % values


def _rows(block: Any) -> Iterator[Any]:
    parts = " ".join(f"({letter}) {text}" for letter, text in block.parts)
    yield Band(f"{block.code} {block.text} {parts}".strip(), f"{block.symbol} {block.state}")
    for check in block.checks:
        yield _named(check), _facts(check), f"{check.symbol} {check.state}"


def _named(check: Any) -> str:
    return f"{check.name}\n{check.limit}" if check.limit else str(check.name)


def _facts(check: Any) -> str:
    lines = [f"{fact.text}{f' · {fact.on:%Y-%m-%d}' if fact.on else ''}" for fact in check.facts]
    return "\n".join([*lines, *([check.reason] if check.reason else [])]) or "–"
