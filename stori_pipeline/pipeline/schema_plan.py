"""What a change of a table's schema would do: the plan that `stori schema` prints and applies.

Belongs here: source against definition, definition against what landed, the mirror's DDL, and how much is read. Does not belong here:
landing and loading (`sync`), what is downstream (`model.reach`), or the definition's module (`readers.definition_changes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stori_pipeline.lake import Lake
from stori_pipeline.lake.columns import schema_of
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.schema import SchemaChange, carried
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.pipeline.schema_change import schema_change
from stori_pipeline.readers import Reader
from stori_pipeline.readers.definition_changes import proposed
from stori_pipeline.warehouse import Warehouse, dialect
from stori_pipeline.warehouse.reshape import columns_of, grants_of, reshape


@dataclass(frozen=True)
class SchemaPlan:
    """What differs, and what applying it does.

    Attributes:
        table: the definition as the project has it.
        proposed: the definition after what drift proposes; `table` itself if it proposes nothing.
        drift: how source and definition differ.
        change: how the proposed definition differs from what landed; None if it does not, or if nothing has landed.
        ddl: the statements that change the mirror.
        reads: what is read from the source, as a sentence without a full stop.
        rows: how many rows the mirror has, each of which is read in whole or in part; 0 if nothing is read.
    """

    table: Table
    proposed: Table
    drift: tuple[Drift, ...]
    change: SchemaChange | None
    ddl: tuple[str, ...]
    reads: str
    rows: int

    @property
    def is_empty(self) -> bool:
        return not self.drift and self.change is None

    @property
    def reaching(self) -> tuple[str, ...]:
        """The columns whose values or names others may miss: every one that was there and differs."""
        if self.change is None:
            return ()
        change = self.change
        changed = {*change.removed, *(name for name, *_ in (*change.renamed, *change.retyped)), *change.loosened, *change.dropped}
        return tuple(sorted(changed | {before for _, before in change.renamed}))


def schema_plan(table: Table, reader: Reader, lake: Lake, warehouse: Warehouse) -> SchemaPlan:
    """The plan for one table. Changes nothing.

    Raises:
        DefinitionError: no valid definition fits the source, as where it dropped a column of the key.
        SourceError, LakeError, LakeUnavailable, WarehouseError: one of them cannot be asked.
    """
    found = drift(table, reader, lake)
    target = proposed(table, found)
    newest = lake.newest(target)
    change = schema_change(target, lake, newest)
    if change is None:
        reads = "everything, because nothing has landed yet" if newest is None else "nothing but what changed"
        return SchemaPlan(table, target, tuple(found), None, (), reads, 0)
    rows = _rows(target, warehouse)
    ddl = _ddl(target, lake, warehouse, change)
    whole, added = "; ".join(change.whole), [name for name in change.added if target.changes.is_replayable]
    if whole:
        reads = f"the whole table, {rows:,} rows, because {whole}"
    else:
        reads = f"{', '.join((*target.key, *added))} of {rows:,} rows" if added else "nothing but what changed"
    return SchemaPlan(table, target, tuple(found), change, ddl, reads, rows if whole or added else 0)


def _rows(table: Table, warehouse: Warehouse) -> int:
    if warehouse.ledger(table) is None:
        return 0
    return int(warehouse.query(f"SELECT COUNT(*) FROM {dialect.relation(table)}", what=f"row count of {table.full_name}")[0][0])


def _ddl(table: Table, lake: Lake, warehouse: Warehouse, change: SchemaChange) -> tuple[str, ...]:
    after = warehouse.ledger(table)
    loaded = lake.find(table, after[1]) if after else None
    schema = schema_of(lake, table, loaded) if loaded and loaded.order == after else None
    views: Sequence[str] = dialect.create_views(table)
    if after is None:
        return (dialect.create_mirror(table), *views)
    if change.whole or schema is None:
        return (dialect.drop_mirror(table), dialect.create_mirror(table), *views)
    with warehouse.session(f"schema of {table.full_name}") as connection, connection.cursor() as cursor:
        found = reshape(table, columns_of(cursor, table), carried(schema, table), grants_of(cursor, table))
    recreated = views if found.is_shadow or any(each.startswith("DROP VIEW") for each in found.statements) else ()
    return (*found.all, *recreated)
