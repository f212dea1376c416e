"""Frames in the warehouse: tables that are not mirrors.

Belongs here: replacing the rows of such a table in one transaction, and reading it. Does not belong here: mirrors (`load`), or frames in S3
(`lake.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.names import quoted
from stori_pipeline.model.types import Type
from stori_pipeline.warehouse.dialect import copy_into
from stori_pipeline.warehouse.session import Warehouse, WarehouseError, only_value

if TYPE_CHECKING:
    import polars as pl
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's classes are lower-case)

_COLUMNS = """\
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"""

_STAGE = quoted("stage_of_frame")


@dataclass(frozen=True)
class Target:
    """A table, and the rows to replace: all rows, or the rows whose `partition_column` holds one of `partitions`."""

    schema: str
    name: str
    partition_column: str = ""
    partitions: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def relation(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def replace_rows(warehouse: Warehouse, target: Target, types: Mapping[str, Type], manifest: str, rows: int) -> None:
    """Replaces the rows of a table by those of Parquet files in S3, in one transaction. Creates the table if it is missing, and creates it
    again if its columns differ.

    Args:
        types: the type of each column, in the order of the Parquet files.
        manifest: the url of a COPY manifest; "" if there is no row.
        rows: the number of rows that COPY must load.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: the warehouse refused a statement, or COPY loaded another number of rows. The table is unchanged.
    """
    if target.partitions and target.partition_column not in types:
        raise WarehouseError(
            f"{target.full_name}: a partitioned asset replaces the rows of its partition, so its metadata must name their column: "
            f'{{"partition_expr": "..."}}, one of {", ".join(types)}'
        )
    with warehouse.session(f"load of {target.full_name}") as connection, connection.cursor() as cursor:
        before = _columns(cursor, target)
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(target.schema)}")
        connection.commit()
        if before:
            cursor.execute(f"LOCK {target.relation}")
        stage = ", ".join(f"{quoted(name)} {kind.stage}" for name, kind in types.items())
        cursor.execute(f"CREATE TEMP TABLE {_STAGE} ({stage})")
        if manifest:
            cursor.execute(copy_into(_STAGE, manifest, warehouse.copy_role))
            cursor.execute("SELECT pg_last_copy_count()")
            if (copied := int(only_value(cursor))) != rows:
                raise WarehouseError(f"load of {target.full_name}: COPY loaded {copied} of {rows} rows; nothing was changed")
        _make_room(cursor, target, types, before)
        values = ", ".join(kind.load.format(quoted(name)) for name, kind in types.items())
        cursor.execute(f"INSERT INTO {target.relation} SELECT {values} FROM {_STAGE}")
        connection.commit()


def _make_room(cursor: Cursor, target: Target, types: Mapping[str, Type], before: Mapping[str, str]) -> None:
    """Prepares the table for the new rows: with their columns, and without the rows to replace."""
    # Redshift keeps names in lower case, quoted or not.
    fits = list(before.items()) == [(name.lower(), kind.catalog_name) for name, kind in types.items()]
    if before and not fits and target.partitions:
        raise WarehouseError(
            f"load of {target.full_name}: its columns are {_listed(before)}, and this partition has {_listed(types)}; drop the table and "
            "materialize every partition"
        )
    if before and fits:
        places = ", ".join(["%s"] * len(target.partitions))
        which = f" WHERE {quoted(target.partition_column)} IN ({places})" if target.partitions else ""
        cursor.execute(f"DELETE FROM {target.relation}{which}", target.partitions or None)
        return
    if before:
        cursor.execute(f"DROP TABLE {target.relation} CASCADE")
    columns = ", ".join(f"{quoted(name)} {kind.redshift}" for name, kind in types.items())
    cursor.execute(f"CREATE TABLE {target.relation} ({columns})")


def _listed(columns: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def read_table(warehouse: Warehouse, schema: str, name: str) -> pl.DataFrame:
    """All rows of a table, read into memory.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: there is no such table.
    """
    import polars as pl

    target = Target(schema, name)
    with warehouse.session(f"reading of {target.full_name}") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {target.relation}")
        columns = {column.name: _polars_type(column.type_code, column.precision, column.scale) for column in cursor.description or ()}
        rows = cursor.fetchall()
    return pl.DataFrame(rows, schema=columns, orient="row")


def _columns(cursor: Cursor, target: Target) -> dict[str, str]:
    cursor.execute(_COLUMNS, (target.schema, target.name))
    return dict(cursor.fetchall())


def _polars_type(oid: int, precision: int | None, scale: int | None) -> pl.DataType:
    """The polars type for the driver's number of a column's type; text for any other."""
    import polars as pl

    if oid == _NUMERIC:
        return pl.Decimal(precision or 38, scale or 0)
    kinds = {
        16: pl.Boolean(),
        20: pl.Int64(),
        21: pl.Int16(),
        23: pl.Int32(),
        700: pl.Float32(),
        701: pl.Float64(),
        1082: pl.Date(),
        1083: pl.Time(),
        1114: pl.Datetime("us"),
        1184: pl.Datetime("us", "UTC"),
    }
    return kinds.get(oid, pl.String())


_NUMERIC = 1700
