"""Backups: one file with a consistent dump of the database and a manifest of what must be in it.

`made` writes one, `restored` brings one back, `sealed` closes one to a key that the server does not have,
`sums` counts.
"""
