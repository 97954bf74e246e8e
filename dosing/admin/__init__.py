"""The pages of this app: one file a subject."""

from dosing.admin import infusion, lymphodepletion, medication, product, readiness

__all__ = ["infusion", "lymphodepletion", "medication", "product", "readiness"]
