"""The site, and beside it the plainest admin list that Django draws: what a page is measured against."""

from django.contrib import admin
from django.urls import path

from participants.models import Visit
from trialsite import urls

ROWS = 50


class PlainList(admin.ModelAdmin):
    list_display = ("code", "target_date", "window_opens_on", "window_closes_on", "state")
    list_per_page = ROWS


urlpatterns = [
    path("plain-list/", admin.site.admin_view(PlainList(Visit, admin.site).changelist_view)),
    *urls.urlpatterns,
]
