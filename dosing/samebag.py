"""Two bags whose codes only width, case or spaces tell apart: whoever reads one of them at the bed means either."""

from typing import Any

from trialsite.models import Record
from trialsite.reading import code_key
from trialsite.twins import Twin


def _codes(product: Any) -> set[str]:
    return {code_key(code) for code in (product.lot, product.chain_of_identity)} - {""}


class SameBag(Twin):
    """Compared in the program, as the bag is when it is looked up; the same spelling twice is refused before."""

    def find(self, row: Any) -> Record | None:
        """The newest of the site that is not void and has a code alike."""
        rows = type(row)._default_manager.standing().select_related("participant", "created_by").exclude(pk=row.pk)
        known = rows.filter(participant__site=row.participant.site_id).order_by("-pk")
        return next((one for one in known if _codes(row) & _codes(one)), None)


SAME_BAG = SameBag(same=("lot", "chain_of_identity"))
