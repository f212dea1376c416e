"""The lake: every table's batches in S3, and the manifests that say which of them exist.

Belongs here: landing a reading as a batch, finding positions and batches, the live rows, sweeping what no manifest names. Does
not belong here: how a source is read (`readers`) or how the warehouse loads (`redshift`). Its modules: `bucket` (S3 and its
errors), `manifest` (what a batch is, and names), `parts` (Parquet), `upload` (bytes on their way), `current` (live rows).

A batch exists when its manifest exists. The position of a table is `until` of its newest manifest and is kept nowhere else.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.lake.bucket import Bucket, LakeError, LakeUnavailable, connect
from stori_pipeline.lake.manifest import (
    MAX_BATCH,
    Kind,
    LandingConflict,
    Manifest,
    Part,
    Position,
    batch_number,
    batch_of,
    compacted_key,
    compacted_order,
    compacted_prefix,
    day_of,
    entries,
    highest_batch,
    load_key,
    loads_prefix,
    manifest_key,
    manifests_prefix,
    part_key,
    quarantine_key,
    quarantine_prefix,
)
from stori_pipeline.lake.parts import PartWriter, Sizes, landed_rows
from stori_pipeline.lake.upload import Crew
from stori_pipeline.spec import Table

if TYPE_CHECKING:
    import polars as pl
    from mypy_boto3_s3 import S3Client

__all__ = ["Lake", "LakeError", "LakeUnavailable", "LandingConflict", "Manifest", "Part", "Sizes", "connect"]

COMPACT_AFTER = 50
"""Where the live rows of a table lie in more batches than this, they are kept as one file as well. Each batch is two requests and some ten
milliseconds for whoever reads them all; a few hundred thousand rows are written in less than a second."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Chunk(Protocol):
    """What a landing needs of a `readers.Chunk`; the lake and the readers are strangers."""

    @property
    def rows(self) -> pa.RecordBatch: ...
    @property
    def rejected(self) -> pa.RecordBatch: ...


class Reading(Protocol):
    """What a landing needs of a `readers.Reading`."""

    @property
    def kind(self) -> Kind: ...
    @property
    def taken_at(self) -> datetime: ...
    @property
    def until(self) -> Position: ...
    @property
    def must_land(self) -> bool: ...
    def __iter__(self) -> Iterator[Chunk]: ...


class Lake:
    """The lake in one bucket. Holds no state of its own; safe to use from several threads."""

    def __init__(self, s3: S3Client, bucket: str, *, sizes: Sizes | None = None, clock: Clock = utc_now) -> None:
        self._s3 = s3
        self._bucket = Bucket(s3, bucket)
        self._sizes = sizes or Sizes()
        self._clock = clock

    def newest(self, table: Table) -> Manifest | None:
        """The newest batch, hence the table's position; None where nothing has landed.

        Takes about 2·log2(batches / 1000) requests, however many batches there are.

        Raises:
            LakeUnavailable: S3 is away.
            LakeError: what is there is not a manifest of this table.
        """
        number = highest_batch(lambda after: self._page(table, after))
        return self._manifest(table, number) if number else None

    def manifests(self, table: Table, *, after: tuple[int, int] | None = None) -> list[Manifest]:
        """The batches later than `after`, which is a (generation, batch), or all of them, in that order.

        Where one was lately superseded by a snapshot, it is still among them. Errors as for `newest`.
        """
        number = 0
        if after is not None:
            generation, number = after
            known = self._find(table, number)
            # Numbers may be compared only within one lake. A lake that was lost counts from 1 again, in a later generation,
            # so unless this one still has that very batch, every manifest is looked at.
            if known is None or known.generation != generation:
                number = 0
        found = self._read(table, self._numbers(table, number))
        return sorted((each for each in found if after is None or each.order > after), key=lambda each: each.order)

    def land(
        self,
        table: Table,
        reading: Reading,
        *,
        newest: Manifest | None,
        run_id: str,
        progress: Callable[[int], None] = lambda _rows: None,
    ) -> Manifest | None:
        """Lands a reading as the batch after `newest`: parts and quarantine first, the manifest last.

        Args:
            reading: read from `newest.until`, or a snapshot.
            newest: the answer of `newest(table)` from before the reading began.
            progress: told the number of source rows in each chunk that was read.

        Returns:
            The new batch, or None where nothing changed: then nothing was written.

        Raises:
            LandingConflict: another run landed a batch meanwhile; nothing was changed.
            LakeUnavailable: S3 is away. If that happened during the very commit, the batch may have landed; `newest` tells.
            LakeError: these changes cannot follow those batches, or do not fit the record.
            Anything the reading raises: nothing was committed.
        """
        written_at = self._clock()
        _refuse_what_cannot_follow(table, reading, newest)
        batch = newest.batch + 1 if newest else 1
        if batch > MAX_BATCH:
            raise LakeError(f"{table.full_name}: batch numbers are used up; remove everything under its prefix to start again at 1")
        day, unique = utc_day(written_at), secrets.token_hex(4)

        with (
            Crew("upload", threads=4, depth=5) as uploads,
            PartWriter(self._bucket, uploads, lambda n: part_key(table, day, batch, n, unique), self._sizes) as rows,
            # One file of rejected rows, however many there are: it is for people, not for COPY.
            PartWriter(self._bucket, uploads, lambda _: quarantine_key(table, day, batch, unique), self._sizes.in_one_part()) as rejected,
            Crew("encode", threads=1, depth=2) as encoder,
        ):

            def encode(chunk: Chunk) -> None:
                rows.write(landed_rows(table, chunk.rows, batch, rows.rows))
                rejected.write(chunk.rejected)

            for chunk in reading:
                encoder.submit(encode, chunk)
                progress(chunk.rows.num_rows + chunk.rejected.num_rows)
            encoder.join()
            if not rows.rows and not rejected.rows and reading.kind == "changes" and not reading.must_land:
                return None
            quarantine = rejected.finish()
            parts = rows.finish()

        if newest and reading.kind == "changes":
            generation, snapshot, since = newest.generation, newest.snapshot, newest.until
        else:
            # Microseconds of the clock, so that a generation is later than any that a lost lake had, which the warehouse's
            # ledger may still know; and later than the newest one, should the clock have been set back.
            generation = max((written_at - _EPOCH) // _MICROSECOND, newest.generation + 1 if newest else 0)
            snapshot, since = batch, None
        manifest = Manifest(
            table=table.full_name,
            generation=generation,
            batch=batch,
            kind=reading.kind,
            since=since,
            until=reading.until,
            rows=rows.rows,
            rejected=rejected.rows,
            fingerprint=table.fingerprint,
            run_id=run_id,
            taken_at=reading.taken_at,
            parts=parts,
            quarantine=quarantine[0].url if quarantine else "",
            snapshot=snapshot,
            written_at=self._clock(),
        )
        return self._commit(table, manifest)

    def copy_manifest(self, table: Table, manifests: Sequence[Manifest], run_id: str) -> str:
        """Writes one Redshift COPY manifest over several batches; returns its `s3://` url, or "" where they have no rows.

        Raises:
            LakeError: a batch landed under another record than the table's present one; a new generation must be read.
        """
        for manifest in manifests:
            if manifest.fingerprint != table.fingerprint:
                raise LakeError(f"{table.full_name}: its record changed since batch {manifest.batch} landed; read a new generation")
        parts = [part for manifest in manifests for part in manifest.parts]
        if not parts:
            return ""
        key = load_key(table, run_id, manifests[0].batch, manifests[-1].batch)
        self._bucket.put(key, json.dumps({"entries": entries(parts)}, indent=1).encode())
        return self._bucket.url(key)

    def current(self, table: Table) -> pl.LazyFrame:
        """The live rows: of the newest generation, the last version of each key, deleted rows left out.

        The record's columns, in order, `super_` as text; with `keep_deleted` deleted rows stay, marked by `_deleted`. Which
        batches count is settled now, their rows are read when the frame is collected. But where they lie in more than
        `COMPACT_AFTER` batches they are written now as one file, from which later calls go on.

        Raises:
            LakeError: nothing has landed yet, or the generation's snapshot is gone.
            LakeUnavailable: S3 is away.
        """
        from stori_pipeline.lake import current  # polars is heavy, and landing does without

        newest = self.newest(table)
        if newest is None:
            raise LakeError(f"{table.full_name}: nothing has landed in {self._bucket.name} yet; run its landing first")
        url, upto = self._compacted(table, newest)
        batches = self._later(table, newest, upto) if url else self._generation(table, newest)
        urls = [*([url] if url else []), *(part.url for each in batches for part in each.parts)]
        if len(batches) > COMPACT_AFTER and newest.fingerprint == table.fingerprint:
            found = current.winners(current.scan(self._s3, urls, table), table)
            urls = self._compact(table, batches[-1], current.as_written(found, table))
        return current.live(current.scan(self._s3, urls, table), table)

    def as_landed(self, table: Table, newest: Manifest) -> pl.LazyFrame:
        """All rows of that batch's generation up to it, in order, with the columns and types that they landed with, under whatever record
        that was, then `_batch`, `_seq` and `_deleted`. Read when the frame is collected.

        Raises:
            LakeError: the generation's snapshot is gone.
        """
        from stori_pipeline.lake import current  # as above

        batches = [each for each in self._generation(table, newest) if each.batch <= newest.batch]
        return current.scan(self._s3, [part.url for each in batches for part in each.parts], table)

    def _generation(self, table: Table, newest: Manifest) -> list[Manifest]:
        """The batches of that batch's generation, in order."""
        batches = self._later(table, newest, newest.snapshot - 1)
        if not batches or batches[0].kind != "snapshot":
            raise LakeError(
                f"{table.full_name}: batch {newest.snapshot}, the snapshot that its generation began with, is gone; read a new one"
            )
        return batches

    def _later(self, table: Table, newest: Manifest, number: int) -> list[Manifest]:
        """The batches of that batch's generation with a number above `number`, in order."""
        return [each for each in self._read(table, self._numbers(table, number)) if each.generation == newest.generation]

    def _compacted(self, table: Table, newest: Manifest) -> tuple[str, int]:
        """Where the live rows of that batch's generation lie in one file, and up to which batch; ("", 0) where they do not."""
        found = ""
        for stored in self._bucket.objects(compacted_prefix(table, newest.generation)):
            # Another process may have landed and compacted since `newest` was asked for.
            if compacted_order(stored.key) <= newest.order:
                found = stored.key
        return (self._bucket.url(found), compacted_order(found)[1]) if found else ("", 0)

    def _compact(self, table: Table, upto: Manifest, rows: Iterable[pa.RecordBatch]) -> list[str]:
        """Writes the live rows up to a batch as one file and returns its url, if there are any.

        It is no batch, and nothing is lost with it. A name of its own, because another process may be writing the same rows.
        """
        key = compacted_key(table, upto.generation, upto.batch, secrets.token_hex(4))
        with (
            Crew("upload", threads=4, depth=5) as uploads,
            PartWriter(self._bucket, uploads, lambda _: key, self._sizes.in_one_part()) as writer,
        ):
            for some in rows:
                writer.write(some)
            return [part.url for part in writer.finish()]

    def rows(self, table: Table, *manifests: Manifest) -> pl.LazyFrame:
        """All rows of one or more batches, in order: the record's columns, `super_` as text, then `_batch`, `_seq` and `_deleted`. Of a
        deleted row only the key has values. Read when the frame is collected.

        A batch that landed under another record is given in the present one's columns: what it lacks, or has in a form that does not
        convert, is null.
        """
        from stori_pipeline.lake import current  # polars is heavy, and landing does without

        return current.rows(self._s3, table, manifests)

    def sweep(self, table: Table, older_than: timedelta = timedelta(days=1), *, back: timedelta | None = None) -> int:
        """Removes what no manifest names and is older than that: parts, quarantined rows, manifests of loads, broken-off
        uploads; and compacted rows that newer ones have replaced. Returns how many.

        Nothing younger is touched, since a landing in progress has parts that no manifest names yet, and a reader may be at older rows.

        Args:
            back: how far back landed days are looked at, all of them without it. It takes a request for each batch of theirs.
        """
        now = self._clock()
        before, first = now - older_than, f"{now - back:%Y-%m-%d}" if back else ""
        days = (f"{table.prefix}/date=", f"{quarantine_prefix(table)}date=")
        # Listed before the manifests are: a batch that lands in between is then found among them.
        old = [key for prefix in days for key in self._older(prefix, before, prefix + first)]
        with ThreadPoolExecutor(8, thread_name_prefix="manifests") as pool:
            manifests = pool.map(lambda number: self._find(table, number), {batch_of(key) for key in old})
            named = {url for each in manifests if each for url in (each.quarantine, *(part.url for part in each.parts))}
        unnamed = [key for key in old if self._bucket.url(key) not in named]
        newest = max((stored.key for stored in self._bucket.objects(compacted_prefix(table))), default="")
        replaced = [key for key in self._older(compacted_prefix(table), before) if key < newest]
        swept = self._bucket.delete([*unnamed, *replaced, *self._older(loads_prefix(table), before)])
        for key, upload, began in self._bucket.uploads(f"{table.prefix}/"):
            # The name is asked too, since not every S3 tells truly when an upload began.
            day = day_of(key)
            if began < before and (day is None or day < before.date()):
                self._bucket.abort_upload(key, upload)
                swept += 1
        return swept

    def _older(self, prefix: str, before: datetime, after: str = "") -> list[str]:
        return [stored.key for stored in self._bucket.objects(prefix, after) if stored.modified < before]

    def _commit(self, table: Table, manifest: Manifest) -> Manifest:
        key = manifest_key(table, manifest.batch)
        body = manifest.to_json()
        if not self._bucket.create(key, body):
            raise LandingConflict(
                f"{table.full_name}: another run landed batch {manifest.batch} first, so this one changed nothing; run again to read on"
            )
        return Manifest.from_json(body, table, manifest.batch, key)

    def _page(self, table: Table, after: int) -> tuple[list[int], bool]:
        """Up to a thousand batch numbers above `after`, ascending, and whether more follow."""
        found, more = self._bucket.page(manifests_prefix(table), manifest_key(table, after) if after else manifests_prefix(table))
        return [batch_number(table, stored.key) for stored in found], more

    def _numbers(self, table: Table, after: int) -> list[int]:
        """Every batch number above `after`, ascending."""
        start = manifest_key(table, after) if after > 0 else ""
        return [batch_number(table, stored.key) for stored in self._bucket.objects(manifests_prefix(table), start)]

    def _find(self, table: Table, number: int) -> Manifest | None:
        key = manifest_key(table, number)
        body = self._bucket.get(key)
        return None if body is None else Manifest.from_json(body, table, number, self._bucket.url(key))

    def _manifest(self, table: Table, number: int) -> Manifest:
        manifest = self._find(table, number)
        if manifest is None:
            raise LakeError(f"{self._bucket.url(manifest_key(table, number))} was listed but is gone: something else deletes manifests")
        return manifest

    def _read(self, table: Table, numbers: Iterable[int]) -> list[Manifest]:
        with ThreadPoolExecutor(8, thread_name_prefix="manifests") as pool:
            return list(pool.map(lambda number: self._manifest(table, number), numbers))


def _refuse_what_cannot_follow(table: Table, reading: Reading, newest: Manifest | None) -> None:
    if reading.kind == "changes" and newest is None:
        raise LakeError(f"{table.full_name}: changes cannot land before a snapshot has; read the whole table first")
    if reading.kind == "changes" and newest is not None and newest.fingerprint != table.fingerprint:
        raise LakeError(
            f"{table.full_name}: its record changed since batch {newest.batch} landed; read a new generation, that is from None"
        )
    if reading.taken_at.tzinfo is None:
        raise LakeError(f"{table.full_name}: the reading's taken_at has no time zone")
