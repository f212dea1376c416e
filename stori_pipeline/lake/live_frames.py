"""The live rows of tables in memory, for a process that reads the same tables again and again.

Belongs here: keeping them within a bound, and adding the batches that came since. Does not belong here: which version of a row wins
(`live`), or where the files are (`batches`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import polars as pl

from stori_pipeline.lake import columns, live
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.table import Table

_MAX_BYTES = 192 << 20


class Batches(Protocol):
    """What of a lake is asked here; `lake.Lake` is one."""

    def later(self, table: Table, newest: Manifest, number: int) -> list[Manifest]: ...

    def live_parts(self, table: Table, newest: Manifest) -> columns.LiveParts: ...

    def scan_urls(self, table: Table, urls: Sequence[str]) -> pl.LazyFrame: ...


@dataclass(frozen=True)
class _Kept:
    """The winners as of a batch, with all landed columns."""

    newest: Manifest
    rows: pl.DataFrame


class LiveFrames:
    """Live rows by table, up to `max_bytes` in all; those that were asked for least recently go first. Safe to use from several threads.

    What is kept is as good as what S3 has: files never change, and a batch is added only if it continues the one that the rows are of.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def rows(self, lake: Batches, table: Table, newest: Manifest) -> pl.DataFrame | None:
        """The live rows as of that batch, with all landed columns; None if this table is none to keep: it is too large, or its batches
        have different columns. Raises the errors of `Lake.live`."""
        with self._lock:
            kept = self._kept.get(table.full_name)
        if kept and kept.newest == newest:
            return kept.rows
        rows = self._added(lake, table, kept, newest) if kept else None
        if rows is None:
            rows = self._read(lake, table, newest)
        if rows is not None:
            self._keep(table, _Kept(newest, rows))
        return rows

    def forget(self) -> None:
        """Forgets all rows."""
        with self._lock:
            self._kept.clear()

    def _added(self, lake: Batches, table: Table, kept: _Kept, newest: Manifest) -> pl.DataFrame | None:
        """The kept rows and the batches after them, up to `newest`; None if `newest` does not continue them."""
        if newest.generation != kept.newest.generation or newest.batch <= kept.newest.batch:
            return None
        batches = [each for each in lake.later(table, newest, kept.newest.batch) if each.batch <= newest.batch]
        if not batches or batches[0].since != kept.newest.until or any(each.kind != "changes" for each in batches):
            return None
        urls = [part.url for each in batches for part in each.parts]
        if not urls:
            return kept.rows
        added = lake.scan_urls(table, urls).collect().cast(kept.rows.schema)
        return live.winners(pl.concat([kept.rows, added]).lazy(), table).collect()

    def _read(self, lake: Batches, table: Table, newest: Manifest) -> pl.DataFrame | None:
        parts = lake.live_parts(table, newest)
        parts = columns.LiveParts(parts.compacted, [each for each in parts.batches if each.batch <= newest.batch])
        if not columns.is_uniform(table, newest, parts.compacted):
            return None
        if sum(part.bytes for each in parts.batches for part in each.parts) > self._max_bytes // 16:
            return None  # Parquet is several times smaller than the rows in memory
        return live.winners(lake.scan_urls(table, parts.urls), table).collect()

    def _keep(self, table: Table, kept: _Kept) -> None:
        with self._lock:
            self._kept[table.full_name] = kept
            self._kept.move_to_end(table.full_name)
            while len(self._kept) > 1 and sum(each.rows.estimated_size() for each in self._kept.values()) > self._max_bytes:
                self._kept.popitem(last=False)
