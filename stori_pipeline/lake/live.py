"""The rows of a table as a lazy frame over its parts: all rows of some batches, or the live rows.

Belongs here: which version of a row wins, in polars; `warehouse.dialect` does the same in SQL. Does not belong here: which batches and
parts there are (`batches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa

from stori_pipeline.lake.connection import Connection, connection_of
from stori_pipeline.model.table import Table

_ROWS_AT_ONCE = 65_536


def scan(s3: Connection, urls: Sequence[str], table: Table) -> pl.LazyFrame:
    """Every landed row of these parts, in their order, with `_batch`, `_seq` and `_deleted`. Read when the frame is collected."""
    return scan_files(s3, urls) if urls else pl.DataFrame(table.landed_schema.empty_table()).lazy()


def scan_files(s3: Connection, urls: Sequence[str]) -> pl.LazyFrame:
    """Every row of these Parquet files (at least one), in their order. Read when the frame is collected."""

    def fresh_keys() -> tuple[dict[str, str], int | None]:
        # polars calls this when a scan begins, so that a role's short-lived credentials are fresh.
        found = (s3.credentials or connection_of(s3.client).credentials or dict)()
        keys = {"aws_access_key_id": found["access_key_id"], "aws_secret_access_key": found["secret_access_key"]}
        if found["token"]:
            keys["aws_session_token"] = found["token"]
        return keys, None

    options = {"aws_region": s3.region}
    if s3.endpoint:  # polars knows the address of a bucket on AWS
        options |= {"aws_endpoint_url": s3.endpoint, "aws_allow_http": str(s3.endpoint.startswith("http://")).lower()}
    # `date=` and `batch=` in keys are for people and for sweeping; they are not columns.
    return pl.scan_parquet(list(urls), storage_options=options, credential_provider=fresh_keys, hive_partitioning=False, glob=False)


def shown(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Rows in the definition's columns, `super_` as text, then `_batch`, `_seq` and `_deleted`."""
    columns = [pl.col(c.name).cast(pl.String) if c.type.is_document else pl.col(c.name) for c in table.columns]
    return rows.select(*columns, "_batch", "_seq", "_deleted")


def winners(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The winning version of each key: the one with the highest (`_batch`, `_seq`). `rows` must be in that order. Leaves out deleted rows,
    unless the table keeps them."""
    # A scan yields its parts in order, and rows are in them by `_seq`. So the last row of a key wins, without a sort, which would take
    # longer than everything else.
    last = rows.unique(subset=list(table.key), keep="last", maintain_order=False)
    return last if table.keep_deleted else last.filter(~pl.col("_deleted"))


def live(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The winners in the definition's columns, `super_` as text; with `keep_deleted` also `_deleted`, which marks deleted rows."""
    return in_columns(winners(rows, table), table)


def in_columns(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Winners in the definition's columns, as `live` gives them."""
    columns = [pl.col(c.name).cast(pl.String) if c.type.is_document else pl.col(c.name) for c in table.columns]
    return rows.select(*columns, *(["_deleted"] if table.keep_deleted else []))


def as_written(rows: pl.LazyFrame, table: Table) -> Iterator[pa.RecordBatch]:
    """Scanned rows in the schema with which they landed, in batches of bounded size."""
    for part in rows.collect_batches(chunk_size=_ROWS_AT_ONCE):
        yield from part.to_arrow().cast(table.landed_schema).to_batches()
