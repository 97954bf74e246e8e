"""Which rows a person may name in a form: those of their own sites."""

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from trialsite.models import Record, Site, User


def within(rows: QuerySet[Any], request: HttpRequest, admin_site: AdminSite) -> QuerySet[Any]:
    """Those rows of any model that belong to the person's sites; all of them for the administrator.

    What belongs to no site, such as a role, is everybody's.
    """
    user = request.user
    if user.is_superuser:
        return rows
    sites = user.sites.all()  # type: ignore[union-attr]  # nobody gets here without a login
    path = site_path(rows.model, admin_site)
    if path is None:
        return rows
    if path == "pk":
        return rows.filter(pk__in=sites)
    reached = rows.filter(**{f"{path}__in": sites})
    # Whoever works at two sites is one row: by their key, for a DISTINCT would compare every column.
    return rows.filter(pk__in=reached.order_by().values("pk")) if path.endswith("sites") else reached


def near(user: User) -> QuerySet[User]:
    """The people who act where this person works: those of their sites, and those of none, such as administrators and
    programs, who act at all of them. For the administrator everybody."""
    if user.is_superuser:
        return User.objects.all()
    return User.objects.filter(Q(sites__in=user.sites.all()) | Q(sites=None)).distinct()


def site_path(model: type[Model], admin_site: AdminSite) -> str | None:
    """The way from a row to its site: what its page says, else along what it is part of; None where there is none."""
    if issubclass(model, Site):
        return "pk"
    if issubclass(model, User):
        return "sites"
    page = admin_site._registry.get(model)
    if path := getattr(page, "site_path", None):
        return str(path)
    names = {field.name for field in model._meta.get_fields()}
    if "site" in names:
        return "site"
    if issubclass(model, Record):
        return f"{max(model.part_of, key=len)}__site"
    return None
