"""Datasets for the sponsor: what they are (`model`), which rows they hold (`sdtm`), and the files they leave in."""
