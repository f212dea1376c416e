"""The manifest of a batch, and the keys of everything that a table has in the lake.

Belongs here: the manifest's JSON, which is a Redshift COPY manifest with our facts under `meta`; keys and their order. Does not belong
here: any call to S3 (`bucket`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, get_args

from stori_pipeline.lake.bucket import LakeError
from stori_pipeline.lake.decisions import Decision
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.reading import Kind, Position, Reading
from stori_pipeline.model.schema import Schema
from stori_pipeline.model.table import Table

MAX_BATCH = 99_999_999
"""The highest number with eight digits; the names of higher ones would not sort after it."""


class LakeSetBack(LakeError):
    """The lake does not have the batch that the mirror was loaded up to: it lost its newest batches, or it was restored from a backup."""


class LandingConflict(LakeError):
    """Another run landed a batch with the same number first. Nothing was changed; run again to continue after it."""


@dataclass(frozen=True)
class Part:
    """One Parquet file of a batch."""

    url: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The commit of one batch.

    Args:
        table: the table's full name.
        generation, batch: its place in the order of all batches of its table, including those of lost lakes.
        kind: `snapshot` starts a generation and replaces every row; `changes` adds to it; `columns` changes its columns, and has the values
            of those that it `brings`.
        since: the position from which it was read; None for a snapshot.
        until: the position that it reached.
        rows: the number of landed rows, including deleted rows.
        rejected: the number of rows in quarantine.
        fingerprint: of the table's definition when it landed.
        run_id: the run that landed it.
        taken_at: when the source's snapshot was taken, in UTC.
        parts: in the order of the rows.
        quarantine: the url of the rejected rows; "" if there are none.
        snapshot: the number of the batch that started its generation; its own for a snapshot.
        written_at: when it was committed, in UTC.
        decisions: what it decides about rejected rows of earlier batches of its generation.
        decided: the number of the newest batch before it, in its generation, that decides something; 0 if none does.
        still_open: how many rejected rows of its generation, its own included, nobody has decided about; None if an earlier version, which
            did not count them, began the generation.
        schema: with which it and the later batches of its generation landed, up to the next one that has a schema. None for `changes`, and
            for batches of earlier versions of the platform or with a type that is not registered any more.
        brings: of kind `columns`, the columns whose values its parts have, beside the key.
        columns_at: the number of its generation's newest batch of the kind `columns`, its own included; 0 if there is none.
    """

    table: str
    generation: int
    batch: int
    kind: Kind
    since: Position | None
    until: Position
    rows: int
    rejected: int
    fingerprint: str
    run_id: str
    taken_at: datetime
    parts: tuple[Part, ...]
    quarantine: str
    snapshot: int
    written_at: datetime
    decisions: tuple[Decision, ...] = ()
    decided: int = 0
    still_open: int | None = None
    schema: Schema | None = None
    brings: tuple[str, ...] = ()
    columns_at: int = 0

    @property
    def newest_decided(self) -> int:
        """The number of the newest batch up to this one, in its generation, that decides something; 0 if none does."""
        return self.batch if self.decisions else self.decided

    @property
    def order(self) -> tuple[int, int]:
        """(generation, batch): later batches compare greater."""
        return self.generation, self.batch

    @property
    def id(self) -> str:
        """16 hexadecimal digits that tell two batches of one number apart: of its order, positions, run and time.

        The ledger keeps it. So it must not depend on anything that a later version adds to manifests.
        """
        times = self.taken_at.astimezone(timezone.utc).isoformat(), self.written_at.astimezone(timezone.utc).isoformat()
        facts = json.dumps([self.table, *self.order, self.since, self.until, self.run_id, *times], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def to_json(self) -> bytes:
        meta = {
            "table": self.table,
            "generation": self.generation,
            "batch": self.batch,
            "kind": self.kind,
            "snapshot": self.snapshot,
            "since": self.since,
            "until": self.until,
            "rows": self.rows,
            "part_rows": [part.rows for part in self.parts],
            "rejected": self.rejected,
            "fingerprint": self.fingerprint,
            "run_id": self.run_id,
            "taken_at": self.taken_at.astimezone(timezone.utc).isoformat(),
            "written_at": self.written_at.astimezone(timezone.utc).isoformat(),
            "quarantine": self.quarantine,
            "decisions": [each.to_json() for each in self.decisions],
            "decided": self.decided,
            "still_open": self.still_open,
        }
        if self.schema:
            meta["schema"] = self.schema.to_json()
        if self.columns_at:
            meta |= {"brings": list(self.brings), "columns_at": self.columns_at}
        return json.dumps({"entries": entries(self.parts), "meta": meta}, indent=1).encode()

    @classmethod
    def from_json(cls, body: bytes, table: Table, batch: int, where: str) -> Manifest:
        """The manifest in `body`, found at `where` under the name of that batch of that table.

        Raises:
            LakeError: `body` is not a manifest, or is the manifest of another table or batch.
        """
        try:
            document = json.loads(body)
            meta = document["meta"]
            parts = tuple(
                Part(str(entry["url"]), int(rows), int(entry["meta"]["content_length"]))
                for entry, rows in zip(document["entries"], meta["part_rows"], strict=True)
            )
            _refuse_other_batch(meta, table, batch)
            return cls(
                table=meta["table"],
                generation=int(meta["generation"]),
                batch=batch,
                kind=meta["kind"],
                since=meta["since"],
                until=meta["until"],
                rows=int(meta["rows"]),
                rejected=int(meta["rejected"]),
                fingerprint=str(meta["fingerprint"]),
                run_id=str(meta["run_id"]),
                taken_at=datetime.fromisoformat(meta["taken_at"]),
                parts=parts,
                quarantine=str(meta["quarantine"]),
                snapshot=int(meta["snapshot"]),
                written_at=datetime.fromisoformat(meta["written_at"]),
                decisions=tuple(map(Decision.from_json, meta.get("decisions", ()))),  # manifests of earlier versions have none
                decided=int(meta.get("decided", 0)),
                still_open=None if (still_open := meta.get("still_open")) is None else int(still_open),
                schema=_schema(meta),
                brings=tuple(meta.get("brings", ())),
                columns_at=int(meta.get("columns_at", 0)),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"{where} is not the manifest of batch {batch} of {table.full_name} ({type(error).__name__}: {error}); "
                "restore it, or remove everything under the table's prefix so that a new generation is read"
            ) from error


def _schema(meta: Mapping[str, Any]) -> Schema | None:
    try:
        return Schema.from_json(meta["schema"]) if "schema" in meta else None
    except DefinitionError:
        return None  # a type that the project no longer has; the batch is one nevertheless


def _refuse_other_batch(meta: Mapping[str, Any], table: Table, batch: int) -> None:
    if (meta["table"], meta["batch"]) != (table.full_name, batch):
        raise ValueError(f"it is the manifest of batch {meta['batch']} of {meta['table']}")
    if meta["kind"] not in get_args(Kind):
        raise ValueError(f"its kind is {meta['kind']!r}")


def still_open(before: Manifest | None, rejected: int, decisions: Iterable[Decision]) -> int | None:
    """See `Manifest.still_open`, of a batch that follows `before` in its generation; None if it begins one."""
    if before is not None and before.still_open is None:
        return None
    return (before.still_open or 0 if before else 0) + rejected - sum(len(each.numbers) for each in decisions)


def other_definition(table: Table, landed: Manifest) -> LakeError:
    """The error of a batch that cannot be followed, because it landed under another definition than this process has read."""
    return LakeError(
        f"{table.full_name}: batch {landed.batch} landed under another definition, at {landed.taken_at:%Y-%m-%d %H:%M} UTC. If this process"
        f" read its own before that, restart it, or reload the definitions in Dagster's UI. If not, {table.snapshot_advice}"
    )


def refuse_what_cannot_follow(table: Table, reading: Reading, newest: Manifest | None) -> None:
    """Raises LakeError if a reading cannot be the batch after `newest`."""
    if reading.kind == "changes" and newest is None:
        raise LakeError(f"{table.full_name}: changes cannot land before a snapshot; {table.snapshot_advice}")
    if reading.kind == "changes" and newest is not None and newest.fingerprint != table.fingerprint:
        raise other_definition(table, newest)
    if reading.taken_at.tzinfo is None:
        raise LakeError(f"{table.full_name}: the reading's taken_at has no time zone")


def entries(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The entries of a COPY manifest. Redshift refuses Parquet without `content_length`, and skips missing files that are not mandatory."""
    return [{"url": part.url, "mandatory": True, "meta": {"content_length": part.bytes}} for part in parts]


MANIFESTS, QUARANTINE = "_manifests/", "_quarantine/"
"""Folders beside a table's parts."""


def manifests_prefix(table: Table) -> str:
    return f"{table.prefix}/{MANIFESTS}"


def manifest_key(table: Table, batch: int) -> str:
    """The number is padded with zeros, so that keys sort by number; finding the newest batch depends on that."""
    return f"{manifests_prefix(table)}{batch:08d}.json"


def batch_number(table: Table, key: str) -> int:
    """The batch number in a key under `_manifests/`.

    Raises:
        LakeError: the key has none.
    """
    match = re.fullmatch(r"(\d{8})\.json", key.removeprefix(manifests_prefix(table)))
    if not match:
        raise LakeError(f"{key} is among the manifests of {table.full_name}, but its name has no batch number; move it elsewhere")
    return int(match[1])


def parts_folder(table: Table, day: date) -> str:
    return f"{table.prefix}/date={day:%Y-%m-%d}/"


def part_key(table: Table, day: date, batch: int, number: int, unique: str) -> str:
    return f"{parts_folder(table, day)}batch={batch:08d}/part-{number:05d}-{unique}.parquet"


def quarantine_prefix(table: Table) -> str:
    return f"{table.prefix}/{QUARANTINE}"


def quarantine_key(table: Table, day: date, batch: int, unique: str) -> str:
    return f"{quarantine_prefix(table)}date={day:%Y-%m-%d}/{batch:08d}-{unique}.parquet"


def loads_prefix(table: Table) -> str:
    return f"{table.prefix}/_loads/"


def load_key(table: Table, run_id: str, first: int, last: int) -> str:
    return f"{loads_prefix(table)}{re.sub(r'[^A-Za-z0-9._-]', '-', run_id)}-{first:08d}-{last:08d}.json"


def compacted_prefix(table: Table, generation: int | None = None) -> str:
    """The prefix of one generation, or of all. Padded with zeros, so that keys sort by generation and then by batch."""
    return f"{table.prefix}/_compacted/" + ("" if generation is None else f"{generation:020d}-")


def compacted_key(table: Table, generation: int, batch: int, unique: str) -> str:
    return f"{compacted_prefix(table, generation)}{batch:08d}-{unique}.parquet"


def compacted_order(key: str) -> tuple[int, int]:
    """The (generation, batch) up to which a compacted file holds the live rows.

    Raises:
        LakeError: the key is not that of a compacted file.
    """
    match = re.search(r"/_compacted/(\d{20})-(\d{8})-[^/]*\.parquet$", key)
    if not match:
        raise LakeError(f"{key} is among the compacted files of a table, but its name has no batch number; move it elsewhere")
    return int(match[1]), int(match[2])


def batch_of(key: str) -> int:
    """The batch number in the key of a part or of a quarantine file; 0 for another key."""
    match = re.search(r"/(?:batch=(\d{8})/[^/]+|(\d{8})-[^/]+)$", key)
    return int(match[1] or match[2]) if match else 0


def day_of(key: str) -> date | None:
    """The landing date in the key of a part or of a quarantine file; None for another key."""
    match = re.search(r"/date=(\d{4}-\d{2}-\d{2})/", key)
    return date.fromisoformat(match[1]) if match else None
