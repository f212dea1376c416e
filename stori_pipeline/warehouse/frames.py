"""Frames in the warehouse: tables that are not mirrors.

Belongs here: replacing the rows of such a table in one transaction, and reading it. Does not belong here: mirrors (`load`), or frames in S3
(`lake.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stori_pipeline.model.names import quoted
from stori_pipeline.model.types import Type, type_in_catalog
from stori_pipeline.warehouse.dialect import copy_into
from stori_pipeline.warehouse.session import Warehouse, WarehouseError, only_value
from stori_pipeline.warehouse.transaction import lock, with_retries

if TYPE_CHECKING:
    import polars as pl
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_COLUMNS = """\
SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"""

_COMMENT = """\
SELECT d.description FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0
WHERE n.nspname = %s AND c.relname = %s"""

_STAGE = quoted("stage_of_frame")


@dataclass(frozen=True)
class Target:
    """The table of an asset, and the rows to replace: all rows, or the rows whose `partition_column` holds one of `partitions`.

    Redshift keeps names in lower case, quoted or not. So do `schema` and `name`.
    """

    schema: str
    name: str
    asset: str
    partition_column: str = ""
    partitions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", self.schema.lower())
        object.__setattr__(self, "name", self.name.lower())

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def relation(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def what(self) -> str:
        """How errors begin."""
        return f"load of {self.full_name}, asset {self.asset}"

    @property
    def comment(self) -> str:
        """The comment of its table, by which a later load knows that the asset wrote it: a table without it is never replaced."""
        return f"frame of asset {self.asset}"


@dataclass(frozen=True)
class _Existing:
    """A relation in the warehouse: its comment, and its columns with the catalog's names of their types."""

    comment: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def replace_rows(warehouse: Warehouse, target: Target, types: Mapping[str, Type], manifest: str, rows: int) -> None:
    """Replaces the rows of an asset's table by those of Parquet files in S3, in one transaction, tried again after a conflict. Creates the
    table if it is missing, and creates it again if a column's name or type differs.

    Args:
        types: the type of each column, in the order of the Parquet files.
        manifest: the url of a COPY manifest; "" if there is no row.
        rows: the number of rows that COPY must load.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached, the table's readers did not finish, or conflicts persisted.
        WarehouseError: the asset did not write the existing table, or views need the columns that differ; a row is outside the
            partition; the warehouse refused a statement, or COPY loaded another number of rows. The table is unchanged.
    """
    if target.schema == "pipeline":
        raise WarehouseError(f"{target.what}: the schema pipeline holds the ledger, and no frames; give the asset another key_prefix")
    if target.partitions and target.partition_column not in types:
        raise WarehouseError(
            f"{target.what}: a partitioned asset replaces the rows of its partition, so its metadata must name their column: "
            f'{{"partition_expr": "..."}}, one of {", ".join(types)}'
        )

    def attempt(connection: Connection, cursor: Cursor) -> None:
        existing = _existing(cursor, target)
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(target.schema)}")
        connection.commit()
        if existing:
            lock(warehouse, connection, cursor, target.what, target.relation)
            existing = _existing(cursor, target)  # another run may have replaced it before the lock
        stage = ", ".join(f"{quoted(name)} {kind.stage}" for name, kind in types.items())
        cursor.execute(f"CREATE TEMP TABLE {_STAGE} ({stage})")
        if manifest:
            cursor.execute(copy_into(_STAGE, manifest, warehouse.copy_role))
            cursor.execute("SELECT pg_last_copy_count()")
            if (copied := int(only_value(cursor))) != rows:
                raise WarehouseError(f"{target.what}: COPY loaded {copied} of {rows} rows; nothing was changed")
        _refuse_rows_elsewhere(cursor, target, types)
        _make_room(cursor, target, types, existing)
        values = ", ".join(kind.load.format(quoted(name)) for name, kind in types.items())
        cursor.execute(f"INSERT INTO {target.relation} SELECT {values} FROM {_STAGE}")
        connection.commit()

    with_retries(warehouse, target.what, attempt)


def _refuse_rows_elsewhere(cursor: Cursor, target: Target, types: Mapping[str, Type]) -> None:
    """Rows outside the partition would not be replaced by its next load, which would add them again."""
    if not target.partitions:
        return
    value = types[target.partition_column].load.format(quoted(target.partition_column))
    outside = f"{value} IS NULL OR {value} NOT IN ({_placeholders(target)})"
    cursor.execute(f"SELECT COUNT(*) FROM {_STAGE} WHERE {outside}", target.partitions)
    if count := int(only_value(cursor)):
        raise WarehouseError(
            f"{target.what}: {count} rows are outside the partition {', '.join(target.partitions)}, by their {target.partition_column}; "
            "nothing was changed. Return the rows of the partition only"
        )


def _placeholders(target: Target) -> str:
    return ", ".join(["%s"] * len(target.partitions))


def _existing(cursor: Cursor, target: Target) -> _Existing | None:
    """The relation of that name, None if there is none.

    Raises:
        WarehouseError: the asset did not write it.
    """
    cursor.execute(_COMMENT, (target.schema, target.name))
    row = cursor.fetchone()
    if row is None:
        return None
    existing = _Existing(row[0] or "", _columns(cursor, target.schema, target.name))
    if existing.comment != target.comment:
        known = f"its comment is {existing.comment!r}" if existing.comment else "it has no comment"
        raise WarehouseError(
            f"{target.what}: the warehouse has a {target.full_name} that this asset did not write ({known}), so it was left as it is; "
            f"change the asset's key, whose last two parts are schema and table, or drop {target.full_name} if nobody needs it"
        )
    return existing


def _make_room(cursor: Cursor, target: Target, types: Mapping[str, Type], existing: _Existing | None) -> None:
    """Prepares the table for the new rows: with their columns, and without the rows to replace."""
    before = existing.columns if existing else {}
    after = {name.lower(): kind.catalog_name for name, kind in types.items()}
    if existing and list(before.items()) == list(after.items()):
        which = f" WHERE {quoted(target.partition_column)} IN ({_placeholders(target)})" if target.partitions else ""
        cursor.execute(f"DELETE FROM {target.relation}{which}", target.partitions or None)
        return
    if existing and target.partitions:
        raise WarehouseError(
            f"{target.what}: its columns are {_listed(before)}, and this partition has {_listed(after)}; drop the table and "
            "materialize every partition"
        )
    if existing:
        _drop(cursor, target, f"its columns are {_listed(before)}, and the frame has {_listed(after)}")
    columns = ", ".join(f"{quoted(name)} {kind.redshift}" for name, kind in types.items())
    cursor.execute(f"CREATE TABLE {target.relation} ({columns})")
    cursor.execute(f"COMMENT ON TABLE {target.relation} IS %s", (target.comment,))


def _drop(cursor: Cursor, target: Target, reason: str) -> None:
    """Not with CASCADE, which would drop the views of others."""
    import psycopg2

    try:
        cursor.execute(f"DROP TABLE {target.relation}")
    except psycopg2.errors.DependentObjectsStillExist as error:
        raise WarehouseError(
            f"{target.what}: {reason}, so the table must be created again, but views depend on it ({error.diag.message_detail}); nothing "
            "was changed. Drop those views, materialize the asset, and create them again"
        ) from error


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def read_table(warehouse: Warehouse, schema: str, name: str) -> pl.DataFrame:
    """All rows of a table, read into memory. A column of a type that is not registered gets the Arrow type of its values.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: there is no such table.
    """
    import polars as pl

    schema, name = schema.lower(), name.lower()
    with warehouse.session(f"reading of {schema}.{name}") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quoted(schema)}.{quoted(name)}")
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
        types = _columns(cursor, schema, name)
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    frame = pl.from_arrow(pa.table({each: _column(types[each], column) for each, column in zip(names, values, strict=True)}))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a table never becomes a Series)
    return frame


def _column(catalog_name: str, values: Any) -> pa.Array:
    if kind := type_in_catalog(catalog_name):
        return kind.frame_column(values)
    column = pa.array(values)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def _columns(cursor: Cursor, schema: str, name: str) -> dict[str, str]:
    """The columns in order, each with the name of its type in the catalog, lengths included: `numeric(9,2)`."""
    cursor.execute(_COLUMNS, (schema, name))
    return {column: _with_lengths(*rest) for column, *rest in cursor.fetchall()}


def _with_lengths(kind: str, length: int | None, precision: int | None, scale: int | None) -> str:
    # Integers and doubles have a precision in the catalog, too: one that cannot differ.
    if kind == "numeric" and precision is not None:
        return f"{kind}({precision},{scale or 0})"
    return kind if length is None else f"{kind}({length})"
