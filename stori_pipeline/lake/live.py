"""The rows of a table, read back from its parts as a lazy frame: those of some batches, or the live ones.

Belongs here: which version of a row wins, in polars. The warehouse does the same in SQL (`warehouse.dialect`). Does not belong
here: which batches and parts there are (`batches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ROWS_AT_ONCE = 65_536


def scan(s3: S3Client, urls: Sequence[str], table: Table) -> pl.LazyFrame:
    """Every landed row of those parts, in their order, with `_batch`, `_seq` and `_deleted`; nothing is read before it is collected."""
    return scan_files(s3, urls) if urls else pl.DataFrame(table.landed_schema.empty_table()).lazy()


def scan_files(s3: S3Client, urls: Sequence[str]) -> pl.LazyFrame:
    """Every row of those Parquet files, one at least, in their order; nothing is read before it is collected."""

    def credentials() -> tuple[dict[str, str], int | None]:
        # Asked for when a scan begins, so that a role's short-lived credentials are fresh. botocore has no public way to
        # ask a client for them, and polars can use nothing but credentials.
        found = s3._request_signer._credentials.get_frozen_credentials()  # type: ignore[attr-defined]
        keys = {"aws_access_key_id": found.access_key, "aws_secret_access_key": found.secret_key}
        if found.token:
            keys["aws_session_token"] = found.token
        return keys, None

    endpoint = s3.meta.endpoint_url
    options = {"aws_region": s3.meta.region_name}
    if "amazonaws.com" not in endpoint:  # on AWS polars finds the bucket's address itself
        options |= {"aws_endpoint_url": endpoint, "aws_allow_http": str(endpoint.startswith("http://")).lower()}
    # Keys hold `date=` and `batch=` for people and for sweeping; they are no columns.
    return pl.scan_parquet(list(urls), storage_options=options, credential_provider=credentials, hive_partitioning=False, glob=False)


def rows(s3: S3Client, table: Table, manifests: Sequence[Manifest]) -> pl.LazyFrame:
    """All rows of those batches, in their order, in the columns of the present record."""
    frames = [scan(s3, [], table)]
    for present, some in groupby(manifests, key=lambda each: each.fingerprint == table.fingerprint):
        if present:
            frames.append(scan(s3, [part.url for each in some for part in each.parts], table))
        else:
            frames += [_converted(scan(s3, [part.url for part in each.parts], table), table) for each in some if each.parts]
    columns = [pl.col(c.name).cast(pl.String) if c.type.is_document else pl.col(c.name) for c in table.columns]
    return pl.concat(frames).select(*columns, "_batch", "_seq", "_deleted")


def _converted(landed: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    there = landed.collect_schema().names()
    wanted = pl.DataFrame(table.landed_schema.empty_table()).schema
    return landed.select(
        (pl.col(name).cast(kind, strict=False) if name in there else pl.lit(None, kind)).alias(name) for name, kind in wanted.items()
    )


def winners(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The version of each key that counts, that is the highest (`_batch`, `_seq`), of rows in that order. Deleted ones are gone,
    unless the table keeps them."""
    # A scan yields its parts in the order given, and rows lie in them by `_seq`: so the last of a key is the winner, without a
    # sort, which would take longer than all the rest.
    found = rows.unique(subset=list(table.key), keep="last", maintain_order=False)
    return found if table.keep_deleted else found.filter(~pl.col("_deleted"))


def live(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The winners in the record's columns, `super_` as text; with `keep_deleted` also `_deleted`, which marks those."""
    columns = [pl.col(c.name).cast(pl.String) if c.type.is_document else pl.col(c.name) for c in table.columns]
    return winners(rows, table).select(*columns, *(["_deleted"] if table.keep_deleted else []))


def as_written(found: pl.LazyFrame, table: Table) -> Iterator[pa.RecordBatch]:
    """Scanned rows in the schema that they landed with, a bounded number at a time."""
    for part in found.collect_batches(chunk_size=_ROWS_AT_ONCE):
        yield from part.to_arrow().cast(table.landed_schema).to_batches()
