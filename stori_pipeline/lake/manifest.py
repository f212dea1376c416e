"""What a batch is: its manifest, and the keys of everything that a table has in the lake.

Belongs here: the manifest and its JSON, keys and how they sort. Does not belong here: any call to S3 (`bucket`).

A manifest is a Redshift COPY manifest with our facts under `meta`, so that COPY can be pointed at a batch by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from stori_pipeline.lake.bucket import PAGE, LakeError
from stori_pipeline.model.reading import Kind, Position
from stori_pipeline.model.table import Table

MAX_BATCH = 99_999_999
"""The highest number that eight digits hold; names would no longer sort beyond it."""


class LandingConflict(LakeError):
    """Another run landed a batch of the same number first. Nothing was changed; run again to continue from there."""


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
        generation, batch: its place in the order of all batches of its table, those of lost lakes included.
        kind: `snapshot` starts a generation and replaces every row; `changes` adds to it.
        since: the position it was read from; None for a snapshot.
        until: the position it reached.
        rows: rows landed, deleted ones included.
        rejected: rows that went to quarantine.
        fingerprint: of the table's definition when it landed.
        run_id: the run that landed it.
        taken_at: when the source's snapshot was taken, in UTC.
        parts: in the order of the rows.
        quarantine: the url of the rejected rows, or "" where there are none.
        snapshot: the number of the batch that started its generation; its own for a snapshot.
        written_at: when it was committed, in UTC.
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

    @property
    def order(self) -> tuple[int, int]:
        """(generation, batch): later batches compare greater."""
        return self.generation, self.batch

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
        }
        return json.dumps({"entries": entries(self.parts), "meta": meta}, indent=1).encode()

    @classmethod
    def from_json(cls, body: bytes, table: Table, batch: int, where: str) -> Manifest:
        """The manifest in `body`, found at `where` under the name of that batch of that table.

        Raises:
            LakeError: it is no manifest, or it is the manifest of another table or batch.
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
            )
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"{where} is not the manifest of batch {batch} of {table.full_name} ({type(error).__name__}: {error}); "
                "restore it, or remove everything under the table's prefix so that a new generation is read"
            ) from error


def _refuse_other_batch(meta: Mapping[str, Any], table: Table, batch: int) -> None:
    if (meta["table"], meta["batch"]) != (table.full_name, batch):
        raise ValueError(f"it is the manifest of batch {meta['batch']} of {meta['table']}")
    if meta["kind"] not in ("snapshot", "changes"):
        raise ValueError(f"its kind is {meta['kind']!r}")


def entries(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The entries of a COPY manifest. Redshift refuses Parquet without `content_length`, and skips what is not mandatory."""
    return [{"url": part.url, "mandatory": True, "meta": {"content_length": part.bytes}} for part in parts]


def manifests_prefix(table: Table) -> str:
    return f"{table.prefix}/_manifests/"


def manifest_key(table: Table, batch: int) -> str:
    """Padded with zeros, so that names sort as their numbers do: positions depend on that."""
    return f"{manifests_prefix(table)}{batch:08d}.json"


def batch_number(table: Table, key: str) -> int:
    """The batch that a key under `_manifests/` names.

    Raises:
        LakeError: it names none.
    """
    match = re.fullmatch(r"(\d{8})\.json", key.removeprefix(manifests_prefix(table)))
    if not match:
        raise LakeError(f"{key} is among the manifests of {table.full_name}, but its name names no batch; move it elsewhere")
    return int(match[1])


def parts_folder(table: Table, day: date) -> str:
    return f"{table.prefix}/date={day:%Y-%m-%d}/"


def part_key(table: Table, day: date, batch: int, number: int, unique: str) -> str:
    return f"{parts_folder(table, day)}batch={batch:08d}/part-{number:05d}-{unique}.parquet"


def quarantine_prefix(table: Table) -> str:
    return f"{table.prefix}/_quarantine/"


def quarantine_key(table: Table, day: date, batch: int, unique: str) -> str:
    return f"{quarantine_prefix(table)}date={day:%Y-%m-%d}/{batch:08d}-{unique}.parquet"


def loads_prefix(table: Table) -> str:
    return f"{table.prefix}/_loads/"


def load_key(table: Table, run_id: str, first: int, last: int) -> str:
    return f"{loads_prefix(table)}{re.sub(r'[^A-Za-z0-9._-]', '-', run_id)}-{first:08d}-{last:08d}.json"


def compacted_prefix(table: Table, generation: int | None = None) -> str:
    """Of one generation, or of them all. Padded, so that names sort by generation and then by batch."""
    return f"{table.prefix}/_compacted/" + ("" if generation is None else f"{generation:020d}-")


def compacted_key(table: Table, generation: int, batch: int, unique: str) -> str:
    return f"{compacted_prefix(table, generation)}{batch:08d}-{unique}.parquet"


def compacted_order(key: str) -> tuple[int, int]:
    """The (generation, batch) up to which a compacted file holds the live rows.

    Raises:
        LakeError: the key is no compacted file's.
    """
    match = re.search(r"/_compacted/(\d{20})-(\d{8})-[^/]*\.parquet$", key)
    if not match:
        raise LakeError(f"{key} is among the compacted files of a table, but its name names no batch; move it elsewhere")
    return int(match[1]), int(match[2])


def batch_of(key: str) -> int:
    """The batch that the key of a part or of a quarantine names; 0 for another key."""
    match = re.search(r"/(?:batch=(\d{8})/[^/]+|(\d{8})-[^/]+)$", key)
    return int(match[1] or match[2]) if match else 0


def day_of(key: str) -> date | None:
    """The landing date in a part's or a quarantine's key."""
    match = re.search(r"/date=(\d{4}-\d{2}-\d{2})/", key)
    return date.fromisoformat(match[1]) if match else None


def highest_batch(page: Callable[[int], tuple[list[int], bool]]) -> int:
    """The highest batch number, or 0 where there is none.

    S3 lists upwards only, so the end of a long listing is searched: in growing strides, then by halves. Each step asks for the numbers
    after one, and each number that is listed is a batch. So gaps, or a lowest number other than 1, cost a few more steps and never the
    right answer.

    Args:
        page: called with a number, returns the numbers after it, ascending, as many as one request lists, and whether more follow.
    """
    low, high, probe = 0, MAX_BATCH, 0  # the answer is from low to high, both included
    stride, bounded = PAGE, False
    while True:
        found, more = page(probe)
        if found:
            low = found[-1]
            if not more:
                return low
        else:
            high, bounded = probe, True
        if low >= high:
            return low
        probe = (low + high) // 2 if bounded else min(low + stride, high)
        stride *= 2
