from typing import Any, ClassVar

from django.contrib import admin
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from sponsor import resultsadmin
from sponsor.auth import AuthToken
from sponsor.models import ApiRead
from trialsite.listexport import LogAdmin

# Tokens are issued and ended by a command, which shows each once: no page can show or delete one.
admin.site.unregister(AuthToken)


@admin.register(ApiRead)
class ApiReadAdmin(LogAdmin):
    """Who read what, for whoever must answer for it; nobody edits it."""

    list_display = ("at", "user", "token_key", "ip", "path", "query", "status", "rows", "how")
    list_filter = ("user", "status", ("stage", admin.ChoicesFieldListFilter))
    # As the API answers; the mistakes of programs are among them.
    known_values: ClassVar[dict[str, Any]] = {"status": (200, 400, 401, 403, 404, 405, 406, 429, 500)}
    search_fields = ("path", "token_key")
    date_hierarchy = "at"
    list_select_related = ("user",)

    def get_urls(self) -> list[URLPattern]:
        return [*resultsadmin.urls(self), *super().get_urls()]

    @display(description=_("how it was sent"))
    def how(self, row: ApiRead) -> str:
        return row.get_stage_display()
