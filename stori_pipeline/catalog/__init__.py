"""Which tables the sources have. Data only: one module per source, each a `SOURCE` and its `TABLES`.

Adding a table is adding one record to its source's module. Adding a source is adding a module and naming it here.
"""

from __future__ import annotations

from stori_pipeline.catalog import app, bank, drops, events, exchange, rates, totesys
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table

_MODULES = (app, bank, drops, events, exchange, rates, totesys)

SOURCES: tuple[Source, ...] = tuple(module.SOURCE for module in _MODULES)
TABLES: tuple[Table, ...] = tuple(table for module in _MODULES for table in module.TABLES)
