"""Who was shown what names a participant: the list of all, and the part of one on their audit trail."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from participants.models import IdentityRead, Participant
from trialsite import audit, reach
from trialsite.flatlists import OccurringFilter
from trialsite.listexport import LogAdmin

PER_PAGE = 25
PARAMETER = "reads"


def reads_of(request: HttpRequest, participant: Participant) -> Page[IdentityRead]:
    """One page of those who were shown this participant's identity, as they were called then; the newest first."""
    rows = IdentityRead.objects.filter(participant=participant).select_related("by")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get(PARAMETER))
    page.object_list, names = list(page.object_list), audit.Names()
    for row in page.object_list:
        names.want("people", row.by_id)
    for row in page.object_list:
        row.who = names.person(row.by_id, row.at) or str(row.by)
    return page


@admin.register(IdentityRead)
class IdentityReadAdmin(LogAdmin):
    """Of all participants of one's sites, and what people of one's sites searched for in vain; nobody edits it."""

    list_display = ("at", "by", "participant", "how", "what", "ip")
    list_display_links = None
    # In words: the theme would colour the list of names by styles that the site's policy refuses.
    fields = ("at", "by", "participant", "how", "what", "ip")
    readonly_fields = fields
    list_filter = (("by", OccurringFilter), ("how", admin.ChoicesFieldListFilter))
    search_fields = ("participant__screening_number", "participant__participant_number")
    date_hierarchy = "at"
    list_select_related = ("by", "participant")
    list_per_page = 50
    # The day of what is kept once a day stands in its moment.
    export_exclude = ("day",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        in_vain = Q(participant__isnull=True, by__in=reach.near(request.user))
        return rows.filter(Q(participant__site__in=request.user.sites.all()) | in_vain)

    @admin.display(description=_("what"))
    def what(self, row: IdentityRead) -> str:
        return row.fields_in_words
