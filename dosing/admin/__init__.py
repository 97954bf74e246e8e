"""The pages of this app: one file a subject."""

from dosing.admin import infusion, medication, product

__all__ = ["infusion", "medication", "product"]
