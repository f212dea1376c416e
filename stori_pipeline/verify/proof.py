"""The proof of one table: its source and its mirror are equal, but for rows in flight. Reads only.

Belongs here: what the command `verify` and the check `source_equals_mirror` both ask, and what is kept of it. Does not belong here:
comparing (`compare`), the table of proofs (`warehouse.proofs`), or putting rows right (`pipeline.repair`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime

from stori_pipeline.clock import utc_now
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import ReadsKeys
from stori_pipeline.model.row_checksum import HASH_RANGE, KeyRange, has_integer_key
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import SHOWN, Comparison, Key, verify
from stori_pipeline.verify.explain import Explained, explain, unexplained
from stori_pipeline.verify.in_flight import keys_in_flight
from stori_pipeline.verify.quarantine import RejectedVersion, keys_in_quarantine
from stori_pipeline.verify.shares import SMALL, next_share
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.proofs import ALL_KEYS, How, ProofRecord, last_share_end

_LONGEST_POSITION = 4096


@dataclass(frozen=True)
class Proof:
    """The result of a proof.

    Attributes:
        key_range: the partition values that were compared, those of all keys included if `how` is `whole`.
        differing: the first rows that differ, at most `SHOWN`, each with the reason.
        differing_rows: the number of rows that differ; `more` says that it is at least so many.
        in_flight: keys of rows that differ and do not count, because their newer version is not loaded yet.
        batch: the newest batch of the mirror; None if the lake does not have it.
        verified_through: the moment of the source up to which the mirror is proved equal in the range; None if rows differ.
    """

    table: str
    how: How
    key_range: KeyRange
    comparison: Comparison
    differing: tuple[Explained, ...]
    differing_rows: int
    in_flight: frozenset[Key]
    batch: Manifest | None
    verified_through: datetime | None
    started_at: datetime
    finished_at: datetime

    @property
    def equal(self) -> bool:
        return not self.differing_rows

    @property
    def source_rows(self) -> int:
        return self.comparison.source_rows

    @property
    def warehouse_rows(self) -> int:
        return self.comparison.warehouse_rows

    @property
    def more(self) -> bool:
        return self.comparison.more

    @property
    def position(self) -> str:
        """The source's position of the mirror's batch, in JSON; "" if it is longer than 4096 bytes, or the lake does not have the batch."""
        text = json.dumps(self.batch.until) if self.batch else ""
        return text if len(text.encode()) <= _LONGEST_POSITION else ""

    def record(self, run_id: str) -> ProofRecord:
        """What `pipeline.proofs` keeps of it."""
        return ProofRecord(
            target=self.table,
            how=self.how,
            range_low=self.key_range.low,
            range_high=self.key_range.high,
            differing_rows=self.differing_rows,
            rows_in_flight=len(self.in_flight),
            source_rows=self.comparison.source.rows,
            source_checksum=self.comparison.source.checksum,
            mirror_rows=self.comparison.warehouse.rows,
            mirror_checksum=self.comparison.warehouse.checksum,
            batch=self.batch.order if self.batch else None,
            position=self.position,
            verified_through=self.verified_through,
            run_id=run_id,
            started_at=self.started_at,
            finished_at=self.finished_at,
        )


def prove(
    table: Table,
    reader: Reader,
    lake: Lake,
    warehouse: Warehouse,
    *,
    share: bool = False,
    settle: Callable[[], None] | None = None,
    rounds: int = 2,
) -> Proof:
    """Compare a table's source with its mirror. Rows that the source changed after the mirror's batch was read do not count as differing.

    Args:
        share: compare the part of the keys that was compared longest ago, instead of all. A table with few rows is compared as a whole.
        settle: waits before the rows that differ are compared again. With it, a row counts as differing only if it differs in every one of
            `rounds` comparisons.
    """
    started_at = utc_now()
    mirrored = warehouse.ledger(table)  # before the comparison: what is loaded meanwhile is in flight, too
    batch = lake.find(table, mirrored[1]) if mirrored else None
    batch = batch if batch and batch.order == mirrored else None
    source = comparable_source(reader, lake)
    domain = KeyRange(*ALL_KEYS) if has_integer_key(table) else HASH_RANGE
    chosen: list[tuple[KeyRange, KeyRange]] = []

    def part(rows: int, everything: KeyRange) -> KeyRange:
        if not share or rows <= SMALL:
            return everything
        some = next_share(table, warehouse, rows, everything, last_share_end(warehouse, table.full_name))
        chosen.append((some, everything))
        return some

    def in_flight(key_range: KeyRange) -> Container[Key]:
        return keys_in_flight(table, reader, lake, batch, key_range)

    comparison = verify(table, source, warehouse, part=part, in_flight=in_flight, settle=settle, rounds=rounds)
    shown, settled = unexplained(comparison.differing), set[Key]()
    if comparison.found and isinstance(source, ReadsKeys):
        rejected: dict[Key, RejectedVersion] = keys_in_quarantine(table, reader, lake)
        shown, settled = explain(table, source, warehouse, comparison.differing, rejected)
    waiting = comparison.in_flight | settled
    differing_rows = len(comparison.found) - len(settled)
    how, key_range = _recorded(chosen, domain)
    through = None if differing_rows else _read_at(table, lake, batch) if waiting else started_at
    return Proof(
        table=table.full_name,
        how=how,
        key_range=key_range,
        comparison=comparison,
        differing=tuple(shown[:SHOWN]),
        differing_rows=differing_rows,
        in_flight=waiting,
        batch=batch,
        verified_through=through,
        started_at=started_at,
        finished_at=utc_now(),
    )


def _read_at(table: Table, lake: Lake, batch: Manifest | None) -> datetime | None:
    """When the source was read up to the position of the mirror's batch. A batch that moved no position, such as tombstones, is later."""
    while batch and batch.kind == "changes" and batch.since == batch.until:
        batch = lake.find(table, batch.batch - 1)
    return batch.taken_at if batch else None


def _recorded(chosen: list[tuple[KeyRange, KeyRange]], domain: KeyRange) -> tuple[How, KeyRange]:
    """How a table was compared, and the range that is kept: before the first key and after the last one, no row was, either."""
    low, high = ALL_KEYS
    if not chosen:
        return "whole", KeyRange(low, high)
    ((some, everything),) = chosen
    is_first, is_last = some.low in (everything.low, domain.low), some.high in (everything.high, domain.high)
    kept = KeyRange(low if is_first else some.low, high if is_last else some.high)
    return ("whole" if (kept.low, kept.high) == ALL_KEYS else "ranges"), kept
