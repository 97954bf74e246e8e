"""Who may sign for a participant: people of the site whose role is clinical. The administrator of the computer may not.

An administrator is allowed everything that a permission asks for, so a permission alone says nothing about eyes at the
bedside: whoever checks identity, confirms eligibility or judges is asked for here, by the actions themselves.
"""

from django.utils.translation import gettext as _

from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.roles import CLINICAL_ROLES, ROLE_NAMES, ROLE_PERMISSIONS


def is_clinical(person: User, site: Site) -> bool:
    """Whether this is somebody of the site with a clinical role, and not the administrator of the computer."""
    if person.is_superuser or not person.is_active:
        return False
    roles = [role.value for role in CLINICAL_ROLES]
    return person.groups.filter(name__in=roles).exists() and person.sites.filter(pk=site.pk).exists()


def check_clinical(person: User, site: Site, *, permission: str) -> None:
    """Raises Refused, naming the roles that hold the permission, for anybody else."""
    if is_clinical(person, site):
        return
    roles = [ROLE_NAMES[role] for role in CLINICAL_ROLES if permission in ROLE_PERMISSIONS[role]]
    raise Refused(
        _(
            "%(name)s may not sign here; nothing was signed. People of %(site)s with one of these roles may: "
            "%(roles)s. The administrator of the computer is none of them: one of these people signs with their own "
            "name and password."
        )
        % {"name": person, "site": site, "roles": _(", ").join(map(str, roles))}
    )
