"""The warehouse, Amazon Redshift: what it is told, in which order, and what its errors mean.

Belongs here: `dialect` (SQL text), `session` (connections, errors, questions), `load` (one transaction), `reports` (views and tables made
of mirrors). Does not belong here: which batches are new (`pipeline`), or anything about a laptop.
"""

from stori_pipeline.warehouse.session import Warehouse, WarehouseError, WarehouseUnavailable, connect

__all__ = ["Warehouse", "WarehouseError", "WarehouseUnavailable", "connect"]
