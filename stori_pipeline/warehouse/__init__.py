"""The warehouse, Amazon Redshift: its SQL, the order of statements, and the translation of its errors.

Belongs here: `dialect` (SQL text), `session` (connections, errors, queries), `load` (mirrors), `reports` (views and tables over mirrors),
`frames` (other tables). Does not belong here: which batches are new (`pipeline`), or anything about the local stack.
"""

from stori_pipeline.warehouse.session import Warehouse, WarehouseError, WarehouseUnavailable, connect

__all__ = ["Warehouse", "WarehouseError", "WarehouseUnavailable", "connect"]
