"""The shipped project's sources and their tables: one module per source, each with a `SOURCE` and its `TABLES`.

Belongs here: data only. Does not belong here: what a definition means (`model`). To add a table, add a definition to its source's module;
to add a source, add a module and name it here.
"""

from __future__ import annotations

from stori_pipeline.catalog import app, bank, drops, events, exchange, rates, totesys
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table

_MODULES = (app, bank, drops, events, exchange, rates, totesys)

SOURCES: tuple[Source, ...] = tuple(module.SOURCE for module in _MODULES)
TABLES: tuple[Table, ...] = tuple(table for module in _MODULES for table in module.TABLES)
