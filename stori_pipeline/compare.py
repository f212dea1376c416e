"""The proof: is the mirror equal to its source, and which rows did the source delete.

Belongs here: finding the rows in which two sides differ, by checksums of ever smaller ranges of keys, and what follows from
them: `verify` reports them, `reconcile` lands a tombstone for each row that the source no longer has. Does not belong here:
how a checksum is made (`digest`), or computing one (each side does, in its own engine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol, runtime_checkable

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import conform
from stori_pipeline.digest import Digest, Span
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.lake_side import LakeSide
from stori_pipeline.readers import Chunk, Kind, Position, Reader
from stori_pipeline.redshift import Warehouse
from stori_pipeline.spec import Table

_BUCKETS = 256
_FEW = 2_000  # rows that two engines may as well list
_AT_ONCE = 64  # ranges that are listed by one question: a question may cost an engine a pass over the whole table
SHOWN = 100
"""How many differing keys a comparison lists at most."""


NO_DELETIONS = "its source does not say which rows it has, so none can be found deleted there"
"""Of a table that is compared with the lake, where someone asked for a reconciliation."""


class CompareError(RuntimeError):
    """A comparison that must not be acted on. The message says why, and what to do."""


@runtime_checkable
class Side(Protocol):
    """What the warehouse, the lake and most readers can say of a table."""

    def span(self, table: Table) -> tuple[int, Span]: ...

    def digests(self, table: Table, span: Span, width: int, *, keys_only: bool = False) -> dict[int, Digest]: ...

    def checksums(self, table: Table, *spans: Span) -> dict[tuple[str, ...], int]: ...


def side(table: Table, reader: Reader, lake: Lake) -> Side:  # noqa: ARG001  (callers say of which table, as of any side)
    """What the mirror of that table is compared with: its source where the reader can say what that has, else the lake."""
    return reader if isinstance(reader, Side) else LakeSide(lake)


@runtime_checkable
class Noticing(Protocol):
    """A reader of a source that forgets, which notes in its position what a record does not name."""

    def noticed(self, table: Table, since: Position) -> list[str]: ...


def drift(table: Table, reader: Reader, lake: Lake) -> list[str]:
    """One line for each of the source's columns that the record does not name: those that it has now, and those of rows that it has
    forgotten since."""
    newest = lake.newest(table) if isinstance(reader, Noticing) else None
    noticed = reader.noticed(table, newest.until) if isinstance(reader, Noticing) and newest else []
    return sorted({*reader.drift(table), *noticed})


Verdict = Literal["not in the warehouse", "not in the source", "different"]


@dataclass(frozen=True)
class Difference:
    key: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Source against mirror. `differing` holds at most `SHOWN` of the rows that differ; the counts are those of one moment each, so
    under writes they may differ by what is in flight."""

    table: str
    source_rows: int
    warehouse_rows: int
    differing: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differing


def differences(table: Table, source: Side, mirror: Side, span: Span, *, keys_only: bool = False) -> Iterator[Difference]:
    """The rows in which the sides differ within a span. Ranges whose checksums agree are not looked into.

    The mirror is always asked before the source: a row that the mirror had and that the source, asked later, has not, is gone.
    """
    todo = [span] if span.high > span.low else []
    few: list[Span] = []
    while todo:
        span = todo.pop()
        width = span.width(_BUCKETS)
        ours = mirror.digests(table, span, width, keys_only=keys_only)
        theirs = source.digests(table, span, width, keys_only=keys_only)
        for number in sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n)):
            part = span.bucket(number, width)
            rows = max(side[number].rows if number in side else 0 for side in (ours, theirs))
            if rows > _FEW and width > 1:
                todo.append(part)
            else:
                few.append(part)
            if len(few) == _AT_ONCE:
                yield from _differing_rows(table, source, mirror, few, keys_only)
                few = []
    if few:
        yield from _differing_rows(table, source, mirror, few, keys_only)


def _differing_rows(table: Table, source: Side, mirror: Side, spans: list[Span], keys_only: bool) -> Iterator[Difference]:
    ours, theirs = mirror.checksums(table, *spans), source.checksums(table, *spans)
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ours:
            yield Difference(key, "not in the warehouse")
        elif key not in theirs:
            yield Difference(key, "not in the source")
        elif ours[key] != theirs[key] and not keys_only:
            yield Difference(key, "different")


def _both_spans(table: Table, source: Side, mirror: Side) -> tuple[int, int, Span]:
    mirror_rows, mirror_span = mirror.span(table)
    source_rows, source_span = source.span(table)
    spans = [span for span in (mirror_span, source_span) if span.high > span.low]
    whole = Span(min(s.low for s in spans), max(s.high for s in spans)) if spans else Span(0, 0)
    return source_rows, mirror_rows, whole


def verify(table: Table, source: Side, mirror: Side, *, settle: Callable[[], None] | None = None, rounds: int = 3) -> Comparison:
    """Compare a source with its mirror, row by row where their checksums disagree.

    A source that is being written to is ahead of its mirror by what has not landed yet. With `settle`, which should bring the mirror
    up to date (or wait until something else has), rows count as differing only if they differ in every one of so many rounds.
    """
    source_rows, mirror_rows, span = _both_spans(table, source, mirror)
    found = list(islice(differences(table, source, mirror, span), SHOWN))
    for _ in range(rounds - 1 if settle else 0):
        if not found:
            break
        assert settle is not None  # noqa: S101  (for the type checker: the range is empty without it)
        settle()
        source_rows, mirror_rows, span = _both_spans(table, source, mirror)
        again = list(islice(differences(table, source, mirror, span), SHOWN))
        found = [difference for difference in found if difference.key in {d.key for d in again}]
    return Comparison(table.full_name, source_rows, mirror_rows, tuple(found))


@dataclass
class Tombstones:
    """A reading of deletions: keys that the source no longer has, found by comparing and not by its reader."""

    table: Table
    keys: list[tuple[str, ...]]
    since: Manifest
    kind: Kind = "changes"
    must_land: bool = False

    def __post_init__(self) -> None:
        self.taken_at = utc_now()

    @property
    def until(self) -> Mapping[str, Any]:
        return self.since.until  # a comparison finds deletions and nothing else: the reader goes on where it was

    def __iter__(self) -> Iterator[Chunk]:
        for start in range(0, len(self.keys), 50_000):
            named = [dict(zip(self.table.key, key, strict=True)) | {"_deleted": True} for key in self.keys[start : start + 50_000]]
            yield Chunk(*conform(self.table, named))

    def ack(self) -> None:
        return None


def reconcile(table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, *, run_id: str, force: bool = False) -> Manifest | None:
    """Land a tombstone for every row of the mirror that the source no longer has; None where there is none, or where the source cannot
    say what it has: not to be in a queue any more does not mean to be deleted.

    For sources whose reader sees no deletes. The mirror must hold the newest batch, so that "not in the source" can only mean
    deleted since; if another run lands meanwhile, this one changes nothing (`LandingConflict`).

    Raises:
        CompareError: the mirror is behind the lake; or the source lists no rows at all, or under half of the mirror's (more likely
            an outage or a wrong address than the truth), unless `force` says that it is true.
    """
    newest = lake.newest(table)
    if newest is None or not isinstance(reader, Side):
        return None
    if warehouse.ledger(table) != (newest.generation, newest.batch):
        raise CompareError(f"reconcile of {table.full_name}: its mirror does not hold batch {newest.batch} yet; sync it first")
    source_rows, mirror_rows, span = _both_spans(table, reader, warehouse)
    if mirror_rows > 0 and source_rows == 0 and not force:
        raise CompareError(
            f"reconcile of {table.full_name}: the source lists no rows and the mirror has {mirror_rows}. If they were all deleted indeed, "
            f"say so with `stori reconcile --force {table.full_name}`; nothing was changed"
        )
    gone = [d.key for d in differences(table, reader, warehouse, span, keys_only=True) if d.verdict == "not in the source"]
    if len(gone) > 1_000 and len(gone) * 2 > mirror_rows and not force:
        raise CompareError(
            f"reconcile of {table.full_name}: {len(gone)} of {mirror_rows} rows would go, more than half. If that is true, say so with "
            f"`stori reconcile --force {table.full_name}`; nothing was changed"
        )
    return lake.land(table, Tombstones(table, gone, newest), newest=newest, run_id=run_id) if gone else None
