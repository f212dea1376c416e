"""The lake in one bucket: landing batches, finding them, and reading their rows.

Belongs here: the commit of a batch, and which batches count. A batch exists when its manifest exists; the position of a table is `until` of
its newest manifest and is kept nowhere else. Does not belong here: reading a source (`readers`), loading (`warehouse`), or removing and
compacting (`upkeep`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.lake import columns
from stori_pipeline.lake.bucket import Bucket, LakeError
from stori_pipeline.lake.columns import LiveParts
from stori_pipeline.lake.connection import Connection
from stori_pipeline.lake.decisions import Decision
from stori_pipeline.lake.manifest import (
    MAX_BATCH,
    LandingConflict,
    Manifest,
    Part,
    compacted_order,
    compacted_prefix,
    entries,
    load_key,
    manifest_key,
    other_definition,
    part_key,
    quarantine_key,
    refuse_what_cannot_follow,
    still_open,
)
from stori_pipeline.lake.manifests import Manifests
from stori_pipeline.lake.parts import PartWriter, Sizes, landed_rows, rejected_rows
from stori_pipeline.lake.upload import BoundedPool
from stori_pipeline.model.reading import Chunk, Kind, Reading
from stori_pipeline.model.schema import Schema
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import polars as pl
    from mypy_boto3_s3 import S3Client

    from stori_pipeline.lake.live_frames import LiveFrames

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _Written(NamedTuple):
    """The files of a batch that has no manifest yet."""

    rows: int
    rejected: int
    parts: tuple[Part, ...]
    quarantine: str


class Lake:
    """The lake in one bucket. Safe to use from several threads."""

    def __init__(self, s3: Connection | S3Client, bucket: str, *, sizes: Sizes | None = None, clock: Clock = utc_now) -> None:
        self.bucket = Bucket(s3, bucket)
        self._manifests = Manifests(self.bucket)
        self.sizes = sizes or Sizes()
        self.clock = clock
        self.frames: LiveFrames | None = None
        """Where a process that reads the same tables again and again keeps their live rows; None if it reads them from S3 each time."""

    def newest(self, table: Table) -> Manifest | None:
        """The newest batch, whose `until` is the table's position; None if nothing has landed.

        Takes one or two requests, however many batches there are, if this process has asked before.

        Raises:
            LakeUnavailable: S3 cannot be reached.
            LakeError: an object among the manifests is not a manifest of this table.
        """
        return self._manifests.newest(table)

    def watched(self, table: Table) -> Manifest | None:
        """The same for those who ask every few seconds, with one cheap request. Notices a lake that was set back every tenth time.

        Raises the errors of `newest`.
        """
        return self._manifests.watched(table)

    def manifests(self, table: Table, *, after: tuple[int, int] | None = None) -> list[Manifest]:
        """The batches later than `after`, a (generation, batch), in order; without it, all batches.

        Includes batches that a later snapshot replaces. Raises the errors of `newest`.
        """
        number = 0
        if after is not None:
            generation, number = after
            previous = self.find(table, number)
            # Numbers can be compared only within one lake. After a loss the lake counts from 1 again, in a later generation. So unless
            # the lake still has the same batch, every manifest is read.
            if previous is None or previous.generation != generation:
                number = 0
        return sorted(
            (each for each in self._manifests.after(table, number) if after is None or each.order > after), key=lambda each: each.order
        )

    def land(
        self,
        table: Table,
        reading: Reading,
        *,
        newest: Manifest | None,
        run_id: str,
        order: tuple[int, int] | None = None,
        chunks: Iterable[Chunk] | None = None,
        progress: Callable[[int], None] = lambda _rows: None,
        decisions: Sequence[Decision] = (),
    ) -> Manifest | None:
        """Lands a reading as the batch after `newest`: parts and quarantine first, the manifest last.

        Args:
            reading: begun at `newest.until`, or a snapshot.
            newest: the result of `newest(table)` from before the reading began.
            order: the result of `next_order`, if the caller has it already.
            chunks: the rest of the reading, if the caller has read its beginning.
            progress: called with the number of source rows in each chunk.
            decisions: what the batch decides about rejected rows of its generation; its manifest records it.

        Returns: the new batch, or None if nothing changed; then nothing was written.

        Raises:
            LandingConflict: another run landed a batch first; nothing was changed.
            LakeUnavailable: S3 cannot be reached. If that happens during the commit, the batch may have landed; call `newest` to find out.
            LakeError: changes without a snapshot, changes after another definition, or rows that do not fit the table's definition.
            Anything that the reading raises: nothing was committed.
        """
        refuse_what_cannot_follow(table, reading, newest)
        generation, batch = order or self.next_order(reading.kind, newest)
        _refuse_too_many(table, batch)
        written = self.write_files(table, reading if chunks is None else chunks, batch, progress)
        if not (written.rows or written.rejected or decisions or reading.must_land) and reading.kind == "changes":
            return None
        before = newest if reading.kind == "changes" else None
        manifest = Manifest(
            table=table.full_name,
            generation=generation,
            batch=batch,
            kind=reading.kind,
            since=before.until if before else None,
            until=reading.until,
            rows=written.rows,
            rejected=written.rejected,
            fingerprint=table.fingerprint,
            run_id=run_id,
            taken_at=reading.taken_at,
            parts=written.parts,
            quarantine=written.quarantine,
            snapshot=before.snapshot if before else batch,
            written_at=self.clock(),
            decisions=tuple(decisions),
            decided=before.newest_decided if before else 0,
            still_open=still_open(before, written.rejected, decisions),
            schema=None if before else Schema.of(table),
            columns_at=before.columns_at if before else 0,
        )
        return self.commit(table, manifest)

    def write_files(self, table: Table, chunks: Iterable[Chunk], batch: int, progress: Callable[[int], None]) -> _Written:
        """Writes the parts and the quarantine of a batch. Encoding and uploading run in threads of their own."""
        day, unique = utc_day(self.clock()), secrets.token_hex(4)
        with (
            BoundedPool("upload", threads=4, depth=5) as uploads,
            PartWriter(self.bucket, uploads, lambda n: part_key(table, day, batch, n, unique), self.sizes) as rows,
            # Rejected rows go into one file, however many there are: people read it, not COPY.
            PartWriter(self.bucket, uploads, lambda _: quarantine_key(table, day, batch, unique), self.sizes.in_one_part()) as rejected,
            BoundedPool("encode", threads=1, depth=2) as encoder,
        ):

            def encode(chunk: Chunk) -> None:
                first = rows.rows
                rows.write(landed_rows(table, chunk.rows, batch, first))
                rejected.write(rejected_rows(chunk.rejected, first))

            for chunk in chunks:
                encoder.submit(encode, chunk)
                progress(chunk.rows.num_rows + chunk.rejected.num_rows)
            encoder.join()
            quarantine = rejected.finish()
            return _Written(rows.rows, rejected.rows, rows.finish(), quarantine[0].url if quarantine else "")

    def next_order(self, kind: Kind, newest: Manifest | None, above: int = 0) -> tuple[int, int]:
        """The (generation, batch) of a batch of that kind that follows `newest`.

        A generation is the time at which it begins, in microseconds. It is later than the newest one, and than generation `above`, even if
        the clock was set back.
        """
        batch = newest.batch + 1 if newest else 1
        if newest and kind != "snapshot":
            return newest.generation, batch
        return max((self.clock() - _EPOCH) // _MICROSECOND, (newest.generation if newest else 0) + 1, above + 1), batch

    def copy_manifest(self, table: Table, manifests: Sequence[Manifest], run_id: str) -> str:
        """One Redshift COPY manifest for several batches, which it writes; of a single batch, its own. Returns its `s3://` url, "" if they
        have no rows.

        Raises:
            LakeError: a batch landed under another definition of the table; a new generation must be read.
        """
        for manifest in manifests:
            if manifest.fingerprint != table.fingerprint:
                raise other_definition(table, manifest)
        parts = [part for manifest in manifests for part in manifest.parts]
        if not parts:
            return ""
        if len(manifests) == 1:
            return self.bucket.url(manifest_key(table, manifests[0].batch))
        key = load_key(table, run_id, manifests[0].batch, manifests[-1].batch)
        self.bucket.put(key, json.dumps({"entries": entries(parts)}, indent=1).encode())
        return self.bucket.url(key)

    def live(self, table: Table, at: Manifest | None = None) -> pl.LazyFrame:
        """The live rows: the last version of each key in the newest generation, without deleted rows. With `at`, as of that batch.

        They have the definition's columns, in order, with `super_` as text. With `keep_deleted`, deleted rows stay, marked by `_deleted`.
        The batches are chosen now; their rows are read when the frame is collected. Writes nothing.

        Raises:
            LakeError: nothing has landed yet, or the generation's snapshot is gone.
            LakeUnavailable: S3 cannot be reached.
        """
        from stori_pipeline.lake import live  # polars is slow to import, and landing does not need it

        newest = at or self.newest(table)
        if newest is None:
            raise LakeError(f"{table.full_name}: nothing has landed in {self.bucket.name} yet; run its landing first")
        if self.frames is not None and (kept := self.frames.rows(self, table, newest)) is not None:
            return live.in_columns(kept.lazy(), table)
        parts = self.live_parts(table, newest)
        if at:
            parts = LiveParts(parts.compacted, [each for each in parts.batches if each.batch <= at.batch])
        return live.live(self.scan(table, parts, newest), table)

    def live_parts(self, table: Table, newest: Manifest) -> LiveParts:
        """The files with the live rows of that batch's generation: the newest compacted file, and the batches after it.

        Raises:
            LakeError: the generation's snapshot is gone.
        """
        compacted, batch = "", 0
        for stored in self.bucket.objects(compacted_prefix(table, newest.generation)):
            # Another process may have landed and compacted since `newest` was called.
            # A file from before a batch of the kind `columns` lacks its values.
            if (order := compacted_order(stored.key)) <= newest.order and order[1] >= newest.columns_at:
                compacted, batch = self.bucket.url(stored.key), order[1]
        return LiveParts(compacted, self.later(table, newest, batch) if compacted else self.generation(table, newest))

    def scan(self, table: Table, parts: LiveParts, newest: Manifest) -> pl.LazyFrame:
        """Every row of these files of that batch's generation, in order. The files are read when the frame is collected."""
        if columns.is_uniform(table, newest, parts.compacted):
            return self.scan_urls(table, parts.urls)
        return columns.live_rows(self, table, parts, newest)

    def scan_urls(self, table: Table, urls: Sequence[str]) -> pl.LazyFrame:
        """Every row of these parts, which have the same columns, in order, as it landed."""
        from stori_pipeline.lake import live

        return live.scan(self.bucket.connection, urls, table)

    def scan_files(self, *urls: str) -> pl.LazyFrame:
        """Every row of these Parquet files, which may be of any schema. They are read when the frame is collected."""
        from stori_pipeline.lake import live

        return live.scan_files(self.bucket.connection, urls)

    def as_landed(self, table: Table, *manifests: Manifest) -> pl.LazyFrame:
        """All rows of one or more batches, in order, with the columns and types with which they landed, then `_batch`, `_seq` and
        `_deleted`. The table's definition may have changed since. Rows in large parts are read when the frame is collected."""
        from stori_pipeline.lake.small_parts import are_small, small_rows

        parts = [part for each in manifests for part in each.parts]
        return small_rows(self.bucket, table, parts).lazy() if are_small(parts) else self.scan_urls(table, [part.url for part in parts])

    def generation(self, table: Table, newest: Manifest) -> list[Manifest]:
        """The batches of that batch's generation, in order, including later ones.

        Raises:
            LakeError: the generation's snapshot is gone.
        """
        batches = self.later(table, newest, newest.snapshot - 1)
        if not batches or batches[0].kind != "snapshot":
            again = f"delete everything under {self.bucket.url(table.prefix)}/, then the next sync computes the table again"
            advice = again if table.is_derived else table.snapshot_advice
            raise LakeError(f"{table.full_name}: batch {newest.snapshot}, the snapshot of its generation, is gone; {advice}")
        return batches

    def later(self, table: Table, newest: Manifest, number: int) -> list[Manifest]:
        """The batches of that batch's generation with a number above `number`, in order."""
        known = self._manifests.between(table, number, newest) if self.frames is not None else None
        found = self._manifests.after(table, number) if known is None else known
        return [each for each in found if each.generation == newest.generation]

    def rows(self, table: Table, *manifests: Manifest) -> pl.LazyFrame:
        """All rows of one or more batches, in order: the definition's columns, `super_` as text, then `_batch`, `_seq` and `_deleted`. A
        deleted row has values in its key only. The rows are read when the frame is collected.

        A batch that landed under another definition is converted to the present one. A column that it lacks is null, and so is a value that
        does not convert.
        """
        from stori_pipeline.lake import live

        if all(each.fingerprint == table.fingerprint and each.kind != "columns" for each in manifests):
            return live.shown(self.as_landed(table, *manifests), table)
        return live.shown(columns.all_rows(self, table, manifests), table)

    def commit(self, table: Table, manifest: Manifest) -> Manifest:
        """Writes the manifest of a batch whose files are written. Raises LandingConflict if another run was first."""
        key = manifest_key(table, manifest.batch)
        body = manifest.to_json()
        if not self.bucket.create(key, body):
            raise LandingConflict(
                f"{table.full_name}: another run landed batch {manifest.batch} first, so this one changed nothing; run again to continue"
            )
        written = Manifest.from_json(body, table, manifest.batch, key)
        self._manifests.keep(table, written, body)
        return written

    def forget(self) -> None:
        """Forgets what this process remembers of the lake, so that it is read again. Call it when a read failed."""
        self._manifests.forget()
        if self.frames is not None:
            self.frames.forget()

    def find(self, table: Table, number: int) -> Manifest | None:
        """The batch of that number; None if there is none."""
        return self._manifests.find(table, number)


def _refuse_too_many(table: Table, batch: int) -> None:
    if batch > MAX_BATCH:
        raise LakeError(f"{table.full_name}: batch numbers are used up; remove everything under its prefix to start again at 1")
