"""Which tables the sources have. Data only: one module per source, each a `SOURCE` and its `TABLES`.

Adding a table is adding one record to its source's module. Adding a source is adding a module and naming it here.
"""

from __future__ import annotations

from stori_pipeline.catalog import app, bank, drops, events, exchange, rates, totesys
from stori_pipeline.spec import Source, SpecError, Table

_MODULES = (app, bank, drops, events, exchange, rates, totesys)

SOURCES: tuple[Source, ...] = tuple(module.SOURCE for module in _MODULES)
TABLES: tuple[Table, ...] = tuple(table for module in _MODULES for table in module.TABLES)


def find(full_name: str) -> Table:
    """The record of `source.table`.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    for table in TABLES:
        if table.full_name == full_name:
            return table
    known = ", ".join(sorted(table.full_name for table in TABLES))
    raise SpecError(f"there is no table {full_name!r} in the catalog; it has {known}")
