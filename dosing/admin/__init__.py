"""The pages of this app: one file a subject."""

from dosing.admin import infusion, medication

__all__ = ["infusion", "medication"]
