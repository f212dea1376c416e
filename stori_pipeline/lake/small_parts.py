"""Small parts, read whole: with one request, where a scan takes one for the footer and one for each column.

Belongs here: which parts are small, and those that this process has read before. Does not belong here: which parts are read (`batches`).
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import polars as pl

from stori_pipeline.lake.bucket import Bucket, LakeError
from stori_pipeline.lake.manifest import Part
from stori_pipeline.model.table import Table

SMALL = 64 * 1024  # bytes
_KEPT = 256


class _Bodies:
    """The newest bodies that were read, at most `_KEPT` of at most `SMALL` bytes. A part is never written again under the same name, so
    what was read once stays true."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, url: str) -> bytes | None:
        with self._lock:
            if url in self._bodies:
                self._bodies.move_to_end(url)
            return self._bodies.get(url)

    def keep(self, url: str, body: bytes) -> None:
        with self._lock:
            self._bodies[url] = body
            while len(self._bodies) > _KEPT:
                self._bodies.popitem(last=False)


_bodies = _Bodies()


def are_small(parts: Sequence[Part]) -> bool:
    """Whether reading these parts whole takes fewer requests, and little memory."""
    return len(parts) <= _KEPT and all(part.bytes <= SMALL for part in parts)


def small_rows(bucket: Bucket, table: Table, parts: Sequence[Part]) -> pl.DataFrame:
    """Every row of small parts, which have the same columns, in order, as it landed.

    Raises:
        LakeError: a part is gone.
        LakeUnavailable: S3 cannot be reached.
    """

    def body_of(part: Part) -> bytes:
        body = _bodies.get(part.url)
        if body is None:
            body = bucket.get(bucket.key(part.url))
            if body is None:
                raise LakeError(f"{part.url} is gone, and a manifest of {table.full_name} names it; {table.lost_part_advice}")
            _bodies.keep(part.url, body)
        return body

    if not parts:
        return pl.DataFrame(table.landed_schema.empty_table())
    with ThreadPoolExecutor(8, thread_name_prefix="parts") as pool:
        return pl.concat(pl.read_parquet(io.BytesIO(body)) for body in pool.map(body_of, parts))
