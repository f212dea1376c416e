"""The journey of rows from source to warehouse: every rule of it, in one place each.

Belongs here: `sync` (landing and loading a table), `gate` (what may not be loaded), `derive` and `history` (star tables), `loaded_rows`
(what a mirror holds), `detect_deletes`, `replay`, `drift`. Does not belong here: reading, storing, SQL, or when a step happens.
"""
