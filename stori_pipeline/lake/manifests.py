"""The manifests of a table in the lake: which there are, which is the newest, and what is in them, with few requests.

Belongs here: listing and reading manifests, and what this process remembers of them. Does not belong here: what a manifest says
(`manifest`), or which batches count (`batches`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

from stori_pipeline.lake.bucket import PAGE, Bucket, LakeError, Stored
from stori_pipeline.lake.manifest import MAX_BATCH, Manifest, batch_number, manifest_key, manifests_prefix
from stori_pipeline.model.table import Table

_KEPT = 8_192
_OWN_LOOK = 10
_AT_ONCE = 16  # requests for manifests that nobody has read; each waits for S3 most of its time


@dataclass(frozen=True)
class _Read:
    """A manifest as it was read, under the ETag that a listing gave for it. So it is not read again while a listing gives the same."""

    etag: str
    manifest: Manifest


@dataclass(frozen=True)
class _Newest:
    """The newest batch of a table when it was last asked for: its number, 0 if there was none, and how often it was only watched since."""

    number: int
    looks: int = 0


class _Memory:
    """What this process has read of the manifests of all lakes, by the addresses of their buckets. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[tuple[str, str], _Read] = OrderedDict()
        self._newest: dict[tuple[str, str], _Newest] = {}

    def read(self, bucket: Bucket, key: str) -> _Read | None:
        with self._lock:
            found = self._read.get((bucket.address, key))
            if found:
                self._read.move_to_end((bucket.address, key))
            return found

    def keep(self, bucket: Bucket, key: str, read: _Read) -> None:
        with self._lock:
            self._read[bucket.address, key] = read
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)

    def forget(self, bucket: Bucket) -> None:
        with self._lock:
            for key in [each for each in self._read if each[0] == bucket.address]:
                del self._read[key]

    def newest(self, bucket: Bucket, table: Table) -> _Newest | None:
        return self._newest.get((bucket.address, table.prefix))

    def keep_newest(self, bucket: Bucket, table: Table, newest: _Newest) -> None:
        self._newest[bucket.address, table.prefix] = newest


_memory = _Memory()


class Manifests:
    """The manifests in one bucket. Safe to use from several threads."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def newest(self, table: Table) -> Manifest | None:
        """The manifest with the highest number; None if there is none.

        Takes one listing of a few keys if this process has asked before, however many manifests there are: it gives the ETag of the one
        that was the newest then, and those that follow. Otherwise it also takes a request for each doubling of their number.
        """
        listed: dict[int, Stored] = {}

        def page(after: int) -> tuple[list[int], bool]:
            stored, more = self._bucket.page(manifests_prefix(table), manifest_key(table, after) if after else manifests_prefix(table))
            listed.update((batch_number(table, each.key), each) for each in stored)
            return [batch_number(table, each.key) for each in stored], more

        def exists(number: int) -> bool:
            return self._bucket.etag(manifest_key(table, number)) is not None

        known = _memory.newest(self._bucket, table)
        number = highest_batch(page, known.number if known else last_of_few(exists))
        newest = self._manifest(table, listed[number]) if number else None
        _memory.keep_newest(self._bucket, table, _Newest(number))
        return newest

    def watched(self, table: Table) -> Manifest | None:
        """The same for those who ask every few seconds, with a single cheap request: whether the next batch is there.

        Every tenth time it asks whether the batch itself is still the same, instead. So it notices a lake that was set back only then; who
        lands or loads asks for `newest`.
        """
        known = _memory.newest(self._bucket, table)
        read = _memory.read(self._bucket, manifest_key(table, known.number)) if known and known.number else None
        if known is None or (known.number and not read):
            return self.newest(table)
        looks = known.looks + 1
        if looks % _OWN_LOOK:
            is_same = known.number == MAX_BATCH or self._bucket.etag(manifest_key(table, known.number + 1)) is None
        else:
            is_same = read is not None and (self._bucket.etag(manifest_key(table, known.number)) or "").strip('"') == read.etag
        if not is_same:
            return self.newest(table)
        _memory.keep_newest(self._bucket, table, _Newest(known.number, looks))
        return read.manifest if read else None

    def keep(self, table: Table, manifest: Manifest, body: bytes) -> None:
        """Remembers a manifest that this process has just written. Encrypted by some keys it gets another ETag, and is read again."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        _memory.keep(self._bucket, manifest_key(table, manifest.batch), _Read(etag, manifest))

    def forget(self) -> None:
        """Forgets what was read. Who meets a missing file does so: somebody else may have changed the lake by hand."""
        _memory.forget(self._bucket)

    def between(self, table: Table, number: int, newest: Manifest) -> list[Manifest] | None:
        """The manifests with numbers above that, up to `newest`, ascending, from memory; None if this process has not read them all.

        Each continues the one before it, so what was read is not of a lake that was set back since. That one was removed is not noticed.
        """
        known = [_memory.read(self._bucket, manifest_key(table, each)) for each in range(number + 1, newest.batch + 1)]
        manifests = [each.manifest for each in known if each]
        follow = all(later.kind == "snapshot" or later.since == earlier.until for earlier, later in pairwise(manifests))
        return manifests if manifests and len(manifests) == len(known) and follow and manifests[-1] == newest else None

    def after(self, table: Table, number: int) -> list[Manifest]:
        """Every manifest with a number above that, ascending. Reads those that this process has not read before."""
        start = manifest_key(table, number) if number > 0 else ""
        listed = list(self._bucket.objects(manifests_prefix(table), start))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="manifests") as pool:
            return list(pool.map(lambda stored: self._manifest(table, stored), listed))

    def find(self, table: Table, number: int) -> Manifest | None:
        """The manifest of that number; None if there is none."""
        key = manifest_key(table, number)
        body = self._bucket.get(key)
        return None if body is None else Manifest.from_json(body, table, number, self._bucket.url(key))

    def _manifest(self, table: Table, listed: Stored) -> Manifest:
        known = _memory.read(self._bucket, listed.key)
        if known and known.etag == listed.etag.strip('"') and known.manifest.table == table.full_name:
            return known.manifest
        manifest = self.find(table, batch_number(table, listed.key))
        if manifest is None:
            raise LakeError(f"{self._bucket.url(listed.key)} was listed but is gone; find out what deletes manifests")
        _memory.keep(self._bucket, listed.key, _Read(listed.etag.strip('"'), manifest))
        return manifest


# --- the search for the newest batch -------------------------------------------------------------------------------------


def last_of_few(exists: Callable[[int], bool]) -> int:
    """A number close to the highest batch, if their numbers have no gaps: a guess, from which `highest_batch` finds it with one listing."""
    few = 64
    low, high = 0, few
    while high < MAX_BATCH and exists(high):
        low, high = high, min(high * 4, MAX_BATCH)
    while high - low > few:
        middle = (low + high) // 2
        low, high = (middle, high) if exists(middle) else (low, middle)
    return low


def highest_batch(page: Callable[[int], tuple[list[int], bool]], near: int = 0) -> int:
    """The highest batch number; 0 if there is none.

    S3 lists upwards only, so this searches for the end of a long listing: with growing strides, then by bisection. Each step lists the
    numbers after a probe. Gaps, or a lowest number other than 1, take a few more steps but do not change the result.

    Args:
        page: called with a number; returns the numbers after it, ascending, as many as one request lists, and whether more follow.
        near: where to begin: a number that probably exists, and is close to the highest. The result does not depend on it.
    """
    low, high, probe = 0, MAX_BATCH, max(0, near - 1)  # the answer is from low to high, both included
    stride, bounded = PAGE, False
    while True:
        numbers, more = page(probe)
        if numbers:
            low = numbers[-1]
            if not more:
                return low
        else:
            high, bounded = probe, True
        if low >= high:
            return low
        probe = (low + high) // 2 if bounded else min(low + stride, high)
        stride *= 2
