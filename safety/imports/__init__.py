"""Reading reference files that a site holds itself: NCI's CTCAE workbook and MedDRA's Chinese release."""
