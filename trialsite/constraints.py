"""What the database refuses, as a sentence: a constraint that only the database can see is never an HTTP 500."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import BaseConstraint, Model, UniqueConstraint
from django.utils.translation import gettext as _

from trialsite.refusal import Refused

UNIQUE_VIOLATION = "23505"


@contextmanager
def as_refusals() -> Iterator[None]:
    """Somebody else was faster than the check: what the database then refuses becomes the constraint's own sentence.

    Stands around a transaction, never within one: after the error PostgreSQL takes nothing more in it.
    """
    try:
        yield
    except IntegrityError as error:
        if (sentence := sentence_of(error)) is None:
            raise
        raise Refused(sentence) from error


def sentence_of(error: IntegrityError) -> str | None:
    """The sentence of the constraint that was violated; None for what no person can have caused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    constraint = _named(getattr(diagnosis, "constraint_name", None) or "")
    if constraint is not None:
        return str(constraint.get_violation_error_message())
    if getattr(diagnosis, "sqlstate", None) == UNIQUE_VIOLATION:
        # A unique column, such as what a correction corrects.
        return _("The same is recorded already. Open the page anew to see it.")
    return None


def _named(name: str) -> BaseConstraint | None:
    found = (one for model in apps.get_models() for one in model._meta.constraints if one.name == name)
    return next(found, None)


def check_unique(row: Model) -> None:
    """Every unique constraint of the row, also where a field or the condition is not in the form.

    Django skips a constraint that names a field which the form does not have: "unless it is void" is always one.
    Raises Refused.
    """
    for constraint in row._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            try:
                constraint.validate(type(row), row)
            except ValidationError as error:
                raise Refused(error.messages) from error
