"""MedDRA by the site's own licence: loading a release, finding a term, keeping it with an event. None is shipped."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Case, IntegerField, Q, Value, When
from django.utils.translation import gettext as _

from safety.imports.meddra_release import Release
from safety.models import AdverseEvent, MeddraTerm
from trialsite.refusal import Refused

BATCH = 5_000


@transaction.atomic
def load_release(version: str, release: Release) -> int:
    """Put a release beside those that are there; the same version again replaces itself. How many terms it has."""
    MeddraTerm.objects.filter(version=version).delete()
    rows = [
        MeddraTerm(
            version=version,
            llt_code=one.code,
            llt=one.name,
            is_current=one.is_current,
            pt_code=one.pt_code,
            pt=one.pt,
            **vars(one.above),
        )
        for one in release.terms
    ]
    MeddraTerm.objects.bulk_create(rows, batch_size=BATCH)
    return len(rows)


def has_meddra() -> bool:
    """Whether the site has loaded a release."""
    return MeddraTerm.objects.exists()


def newest_version() -> str:
    """Of those that are loaded, the newest by its number; empty where none is."""
    versions = MeddraTerm.objects.order_by().values_list("version", flat=True).distinct()
    return max(versions, key=_as_numbers, default="")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def find_meddra(query: str, *, limit: int = 20) -> Sequence[MeddraTerm]:
    """Current terms of the newest release: the same words first, then beginnings, then those that hold every word.

    Every lowest level term is a synonym of its preferred term, which is looked through, too.
    """
    words = query.split()[:10]
    if not words:
        return []
    rows = MeddraTerm.objects.filter(version=newest_version(), is_current=True)
    for word in words:
        rows = rows.filter(Q(llt__icontains=word) | Q(pt__icontains=word) | Q(llt_code=word))
    order = Case(
        When(llt__iexact=query.strip(), then=Value(0)),
        When(llt__istartswith=query.strip(), then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return list(rows.order_by(order, "llt")[:limit])


def freeze_meddra(event: AdverseEvent) -> None:
    """Keep the names of the chosen term and of what stands above it, in the version they were chosen from.

    Raises Refused for a code that no loaded release has.
    """
    if not event.meddra_llt_code:
        event.meddra_version = event.meddra_llt = event.meddra_pt_code = event.meddra_pt = event.meddra_soc = ""
        return
    rows = MeddraTerm.objects.filter(llt_code=event.meddra_llt_code)
    # A newer release changes no old event.
    found = rows.filter(version=event.meddra_version or newest_version()).first()
    if found is None and event.meddra_llt and event.meddra_version:
        return
    if found is None:
        raise Refused(
            _("%(code)s is no lowest level term of the MedDRA release that is loaded here. Choose one from the list.")
            % {"code": event.meddra_llt_code}
        )
    event.meddra_version, event.meddra_llt = found.version, found.llt
    event.meddra_pt_code, event.meddra_pt, event.meddra_soc = found.pt_code, found.pt, found.soc
