"""The sponsor's pages: the tokens of its programs, and what they read."""

from django.contrib import admin

from sponsor.auth import AuthToken
from sponsor.models import ApiRead, ApiToken
from sponsor.readadmin import ApiReadAdmin
from sponsor.snapshots import admin as snapshots
from sponsor.tokenadmin import ApiTokenAdmin

__all__ = ["snapshots"]

# The library's own page would show digests, and delete them.
admin.site.unregister(AuthToken)
admin.site.register(ApiToken, ApiTokenAdmin)
admin.site.register(ApiRead, ApiReadAdmin)
