"""Metadata of tables and reports for the UI: schemas, column lineage, previews.

Belongs here: pure functions from definitions and rows to Dagster's metadata values. Does not belong here: the results of runs
(`materialization_metadata`), or reading anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import TableColumn, TableColumnConstraints, TableColumnDep, TableColumnLineage, TableConstraints, TableSchema

from stori_pipeline.defs.keys import landing_key, relation_key, source_key
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.model.report import Report
    from stori_pipeline.model.star import Star

PREVIEW_ROWS = 10
_WIDEST = 60  # characters of a value in a preview

_BATCH = "The batch that contains this version of the row."


def _column(name: str, kind: str, *, nullable: bool, description: str, tags: Mapping[str, str] | None = None) -> TableColumn:
    return TableColumn(name, kind, description, TableColumnConstraints(nullable=nullable), tags=tags)


def _key_tag(table: Table, name: str) -> dict[str, str]:
    return {"key": ""} if name in table.key else {}


def _schema(table: Table, columns: Iterable[TableColumn]) -> TableSchema:
    return TableSchema(list(columns), TableConstraints([f"one row per ({', '.join(table.key)})"]))


def source_schema(table: Table) -> TableSchema:
    """The columns that are read, with their names in the source."""
    return _schema(
        table,
        (
            _column(c.source_path, str(c.type), nullable=c.nullable, description=c.description, tags=_key_tag(table, c.name))
            for c in table.columns
        ),
    )


def landing_schema(table: Table) -> TableSchema:
    """The columns of the Parquet files. A key may occur in them many times, once for each version of its row."""
    descriptions = {c.name: c.description for c in table.columns} | {
        "_batch": _BATCH,
        "_seq": "The row's place within its batch; of two versions in one batch, the higher one wins.",
        "_deleted": "Whether the source has deleted the row; if so, only its key is set.",
    }
    return TableSchema(
        [
            _column(f.name, str(f.type), nullable=f.nullable, description=descriptions[f.name], tags=_key_tag(table, f.name))
            for f in table.landed_schema
        ]
    )


def mirror_schema(table: Table) -> TableSchema:
    columns = [
        _column(c.name, c.type.redshift, nullable=c.nullable, description=c.description, tags=_key_tag(table, c.name))
        for c in table.columns
    ]
    deleted = "Whether the source has deleted the row." if table.keep_deleted else "Always false: a deleted row is removed."
    columns.append(_column("_batch", "BIGINT", nullable=False, description=_BATCH))
    columns.append(_column("_loaded_at", "TIMESTAMPTZ", nullable=False, description="When this version was loaded, in UTC."))
    columns.append(_column("_seq", "BIGINT", nullable=True, description="The row's place in its snapshot; null if it came otherwise."))
    columns.append(_column("_deleted", "BOOLEAN", nullable=False, description=deleted))
    return _schema(table, columns)


def star_lineage(star: Star, tables: Mapping[str, Table]) -> TableColumnLineage:
    """The lineage from the columns of the inputs' batches. A column that is computed from no input column is left out."""
    return TableColumnLineage(
        {
            column: [TableColumnDep(landing_key(tables[name]), of) for name, of in inputs]
            for column, inputs in star.lineage().items()
            if inputs
        }
    )


def report_schema(columns: Mapping[str, str]) -> TableSchema:
    """The schema of a report: types by column. A type is "" until the report exists."""
    return TableSchema([TableColumn(name, kind) for name, kind in columns.items()])


def report_lineage(report: Report) -> TableColumnLineage:
    return TableColumnLineage(
        {column: [TableColumnDep(relation_key(name), of) for name, of in inputs] for column, inputs in report.lineage.items() if inputs}
    )


def landing_lineage(table: Table) -> TableColumnLineage:
    return TableColumnLineage({c.name: [TableColumnDep(source_key(table), c.source_path)] for c in table.columns})


def mirror_lineage(table: Table) -> TableColumnLineage:
    passed_on = [c.name for c in table.columns] + ["_batch", "_seq", "_deleted"]
    return TableColumnLineage({name: [TableColumnDep(landing_key(table), name)] for name in passed_on})


def preview(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table of a few rows, with long values shortened."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value[: 4 * _WIDEST].decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)
    text = text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("\r", " ")
