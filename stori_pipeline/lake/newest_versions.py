"""The newest versions of a few rows of a history, without reading the rest of it.

Belongs here: which files are read for them, and how much of each. Does not belong here: what a version is, and which rows are asked for
(`pipeline.history`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from stori_pipeline.lake import columns, live
from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.manifest import Manifest, other_definition
from stori_pipeline.lake.small_parts import SMALL, small_rows
from stori_pipeline.model.table import Table


def newest_versions(lake: Lake, table: Table, at: Manifest, of: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """The versions with the highest numbers, as of a batch of a history, of these rows; none of a row that has no version.

    Args:
        table: the history's present definition. Its key is the version's number.
        at: its newest batch.
        of: the columns that identify a row.
        rows: the values of these columns, one line per row, without nulls.

    Raises:
        LakeError: the generation's snapshot is gone.
        LakeUnavailable: S3 cannot be reached.
    """
    # A version is written once and never changed. So the newest one is found by number and key alone, which are a small part of the bytes;
    # numbers are sorted in the files, so that only the row groups with those that were found are read for the other columns.
    number = table.key[0]
    parts = lake.live_parts(table, at)
    batches = [each for each in parts.batches if each.batch <= at.batch]
    if not columns.is_uniform(table, at, parts.compacted):
        raise other_definition(table, at)
    every = [part for each in batches for part in each.parts]
    small = small_rows(lake.bucket, table, [part for part in every if part.bytes <= SMALL])
    urls = [*([parts.compacted] if parts.compacted else []), *(part.url for part in every if part.bytes > SMALL)]
    large = lake.scan_urls(table, urls)
    may_be_asked = pl.all_horizontal(pl.col(name).is_in(rows[name].implode()) for name in of)
    found = [frame.select(number, *of).filter(may_be_asked).collect() for frame in (large, small.lazy())]
    numbers = pl.concat(found).join(rows, on=list(of), how="semi").group_by(list(of)).agg(pl.col(number).max())[number]
    is_newest = pl.col(number).is_in(numbers.to_list())
    versions = [small.filter(is_newest)]
    if found[0][number].is_in(numbers.implode()).any():
        versions.append(large.filter(is_newest).collect())
    return live.live(pl.concat(versions).sort("_batch", "_seq").lazy(), table).collect()
