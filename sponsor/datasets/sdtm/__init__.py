"""The rows of SDTMIG 3.4 datasets, from facts: no Django, no database, no clock."""

from sponsor.datasets.sdtm.assembly import about_subject, about_trial

__all__ = ["about_subject", "about_trial"]
