from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language as django_set_language
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from participants import feed
from sponsor import plainviews
from sponsor.api import ROUTES, NowhereView, explain_problem
from trialsite import health, metrics
from trialsite.models import Language


def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the choice with the person, so that e-mails follow it too."""
    chosen = request.POST.get("language")
    if request.method == "POST" and request.user.is_authenticated and chosen in Language.values:
        request.user.language = chosen
        request.user.save(update_fields=["language"])
    return django_set_language(request)


router = SimpleRouter()
for name, view in ROUTES.items():
    router.register(name, view, basename=name)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("i18n/setlang/", set_language, name="set_language"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("calendar/visits.ics", feed.view, name="calendar_feed"),
    path("metrics", metrics.view, name="metrics"),
    path("api/v1/", include(router.urls)),
    path("api/v1/", include("sponsor.snapshots.api")),
    path("api/dataset-json/v1/", include("sponsor.snapshots.door")),
    *(path(f"api/v1/export/{name}", view.as_view()) for name, view in plainviews.VIEWS.items()),
    re_path("^api/v1/export/(?P<number>[0-9]{1,18})/$", plainviews.ExportView.as_view()),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("api/problems/", explain_problem, name="api-problems"),
    path("api/problems/<slug:name>/", explain_problem, name="api-problem"),
    re_path("^api(?:/|$)", NowhereView.as_view()),
]

handler400 = "trialsite.errors.bad_request"
handler403 = "trialsite.errors.permission_denied"
handler404 = "trialsite.errors.page_not_found"
handler500 = "trialsite.errors.server_error"
