"""The same person screened twice at a site: whom a new entry looks like, without saying anything of the identity."""

import re
from functools import lru_cache
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants.rules.identifying import Finding, find
from participants.rules.identity import Identity, Match, match
from participants.rules.status import Status
from trialsite.fieldkeys import Unreadable
from trialsite.models import Record
from trialsite.twins import Twin, braces, link

_HAN = re.compile(r"[\u3400-\u9fff]{2,4}")
IDENTITY = ("name", "birth_date", "hospital_number")
COMPARED = {
    Match.HOSPITAL_NUMBER: ("hospital_number",),
    Match.NAME_AND_BIRTH_DATE: ("name", "birth_date"),
}
BY_WHAT = {
    Match.HOSPITAL_NUMBER: gettext_lazy("has the same hospital number"),
    Match.NAME_AND_BIRTH_DATE: gettext_lazy("has the same name and birth date"),
}


def identity_of(row: Any) -> Identity:
    """What can be read of it: the rest is like nobody's."""
    name, number, phone = (
        "" if isinstance(one, Unreadable) else one for one in (row.name, row.hospital_number, row.phone)
    )
    return Identity(name, None if isinstance(row.birth_date, Unreadable) else row.birth_date, number, phone)


def identity_in(row: Any, text: str) -> list[Finding]:
    """Where a text names this participant, or gives away what is found by no number of the study."""
    return find(text, identity_of(row), _sounds(identity_of(row).name))


@lru_cache(maxsize=256)
def _sounds(name: str) -> tuple[tuple[str, ...], ...]:
    """How the letters of a Chinese name may be read, as pinyin without tones; nothing for any other name."""
    letters = "".join(letter for letter in name if letter.isalnum())
    if not _HAN.fullmatch(letters):
        return ()
    # Loaded when a text is first looked through: its dictionary takes a quarter of a second.
    from pypinyin import Style, pinyin

    return tuple(tuple(readings) for readings in pinyin(letters, style=Style.NORMAL, heteronym=True))


class SamePerson(Twin):
    """Compared in the program: what is encrypted can be searched only letter by letter, and a site has few hundred."""

    def find(self, row: Any) -> Record | None:
        """The newest of the site who looks like this person and is not void; a screening before is no twin."""
        rows = type(row)._default_manager.standing().filter(site=row.site_id).exclude(pk=row.pk)
        known = rows.exclude(pk=row.rescreening_of_id).exclude(rescreening_of=row.pk) if row.pk else rows
        return next((one for one in known.order_by("-pk") if match(identity_of(row), identity_of(one))), None)

    def ask(self, row: Any, found: Any, by: Any) -> Any:
        by_what = match(identity_of(row), identity_of(found))
        assert by_what is not None
        _note(found, by_what, by)
        text = _("%(row)s (%(status)s) %(same)s. Is this the same person? If not, say why it is another one.")
        if found.status == Status.SCREEN_FAILED:
            text += " " + _("If the person is screened once more, use “Screen again…” on the eligibility page there.")
        values = {"row": link(found, by), "status": found.get_status_display(), "same": BY_WHAT[by_what]}
        return format_html(braces(text), **values)


def _note(found: Any, by_what: Match, by: Any) -> None:
    """The question tells whose number belongs to what was typed: a search, kept like every other."""
    # The rows know of this module before the actions know of the rows.
    from participants.actions.reads import note_reading
    from participants.models.reads import ReadHow

    if by is not None:
        note_reading([found], fields=COMPARED[by_what], how=ReadHow.SEARCH, by=by)


SAME_PERSON = SamePerson(same=(*IDENTITY, "site"))
