"""A star table's lineage, compared with its function: which of its columns change with a column of an input."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl

from stori_pipeline.model.changes import History
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column
from stori_pipeline_tests import shipped
from stori_pipeline_tests.shipped import STARS

UTC = timezone.utc
TABLES = {table.full_name: table for table in (*shipped.TABLES, *(star.table for star in STARS.values()))}
_OWN = {"_batch": 1, "_seq": 0, "_deleted": False}


def _sample(column: Column, row: int) -> Any:
    """A value of row `row`: integers count, so that every reference to a row finds one."""
    kind = column.type.name.partition("(")[0]
    if column.name.endswith("_date") and kind == "varchar":
        return f"2024-06-{row + 1:02}"
    if kind == "varchar":
        return ["GBP", "USD", "EUR", "JPY"][row] if column.name == "currency_code" else f"{column.name} {row}"
    at = datetime(2024, 3, 1 + row, 9, 30, tzinfo=UTC)
    return {"integer": row + 1, "decimal": Decimal(row), "boolean": True, "timestamptz": at, "date": at.date(), "time": "10:00:00.000000"}[
        kind
    ]


def _changed(value: Any) -> Any:
    """Another value of the same kind; a date moves to another year."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value.replace("2024", "2025") if value.startswith("2024") else f"{value}!"
    return value + (timedelta(days=400, hours=1) if isinstance(value, (date, datetime)) else 1)


def inputs(star: Star, changed: tuple[str, str] = ("", "")) -> dict[str, pl.LazyFrame]:
    """Four rows of every input, the values of one (input, column) changed."""
    frames = {}
    for parameter, name in star.inputs.items():
        rows = [{column.name: _sample(column, row) for column in TABLES[name].columns} for row in range(4)]
        if changed[0] == name:
            rows = [row | {changed[1]: _changed(row[changed[1]])} for row in rows]
        frames[parameter] = pl.DataFrame([row | _OWN for row in rows], schema_overrides={"_seq": pl.Int64}).lazy()
    return frames


def own_columns(star: Star) -> list[str]:
    own = (star.table.key[0], "_observed_at", "_removed") if isinstance(star.table.changes, History) else ()
    return [column.name for column in star.table.columns if column.name not in own]


def assert_lineage(star: Star) -> None:
    """A column's values depend on exactly the columns in its lineage."""
    before = star.make(**inputs(star)).select(own_columns(star)).collect()
    assert before.height >= 4
    lineage = star.lineage()
    for name in star.inputs.values():
        for column in TABLES[name].columns:
            after = star.make(**inputs(star, (name, column.name))).select(own_columns(star)).collect()
            moved = {each for each in own_columns(star) if not before[each].equals(after[each])}
            assert moved == {each for each in own_columns(star) if (name, column.name) in lineage[each]}, f"{name}.{column.name}"
