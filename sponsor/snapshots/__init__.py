"""Snapshots: everything that leaves for the sponsor, at one cut-off, as files that are kept for a while.

`models` are their rows, `actions` what people ask for, `job` what a worker does, `store` the folder of their files,
`serving` reads rows out of a stored dataset, `difference` compares two, `leaving` hands a file out in parts; `api`,
`door` (the standard's own) and `admin` are the three faces.
"""
