"""The rules of the journey of rows from source to warehouse.

Belongs here: `sync` (landing and loading a table), `gate` (blocked batches), `derive`, `history` and `star_rows` (star tables),
`loaded_rows` (rows of a mirror), `detect_deletes`, `replay`, `drift`. Does not belong here: reading, storing, SQL, or when a step runs.
"""
