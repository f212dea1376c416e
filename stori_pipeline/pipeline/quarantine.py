"""Deciding about rejected rows: replaying, discarding, and accepting a batch without them.

Belongs here: which rows a replay lands, and the one commit of a decision. Does not belong here: which rows are open (`lake.quarantine`),
reading them again (`readers.quarantined`), the file in which people edit them (`quarantine_lines`), or loading (`sync`).
"""

# docs/adr/0010 gives the reasons. A decision is a batch: its manifest says what was decided, and has the replayed rows as its parts. So a
# killed process has done both or neither. A replayed row is later than all that has landed, and would win; so a row is left out if its key
# landed later than it, or if its source can be asked and has deleted it, or if a newer version of it waits in quarantine.

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Literal, TypeVar

from stori_pipeline.contract import Refused, parsed_raw
from stori_pipeline.lake import Lake, LakeError, LandingConflict, Manifest
from stori_pipeline.lake.decisions import Decision
from stori_pipeline.lake.quarantine import open_rows, rejected_batches
from stori_pipeline.lake.upkeep import compact_if_due
from stori_pipeline.model.reading import Chunk, Kind
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.replayed_rows import Candidate, Outcome, RowId, replayed_rows
from stori_pipeline.readers import Reader
from stori_pipeline.readers.quarantined import refused_rows

_TRIES = 5
_ROWS_AT_ONCE = 20_000

T = TypeVar("T")


class QuarantineRefused(RuntimeError):
    """What was asked cannot be decided. The message says why, and what to do; nothing was changed."""


@dataclass(frozen=True)
class Selection:
    """Which open rows are meant: those of a batch, of a code, or these rows; all of them without any of the three."""

    batch: int | None = None
    code: str = ""
    rows: frozenset[RowId] | None = None

    def has(self, row: RowId, code: str) -> bool:
        is_of_batch = self.batch in (None, row.batch)
        return is_of_batch and self.code in ("", code) and (self.rows is None or row in self.rows)


@dataclass(frozen=True)
class Decided:
    """What a command decided. `batches` are those that it landed; none if there was nothing to decide."""

    batches: tuple[Manifest, ...] = ()
    outcomes: Mapping[RowId, Outcome] = field(default_factory=dict)

    def count(self, what: str) -> int:
        return sum(each.what == what for each in self.outcomes.values())


@dataclass
class _Reading:
    """The rows of a decision, as a reading at the table's present position: what a batch decides says nothing new of its source."""

    newest: Manifest
    chunks: Sequence[Chunk] = ()
    kind: Kind = "changes"
    must_land: bool = True

    def __post_init__(self) -> None:
        self.taken_at, self.until = self.newest.taken_at, self.newest.until

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    def ack(self) -> None:
        return None


@dataclass(frozen=True)
class Group:
    """The open rows of a table with one code in one column.

    `batches` are the numbers of the batches that have them, `blocked` of those that are not loaded because of them; `reason` is that of the
    first row.
    """

    code: str
    column: str
    rows: int
    batches: tuple[int, ...]
    blocked: tuple[int, ...]
    reason: str

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def summary(table: Table, lake: Lake, *, batches: int | None = None) -> list[Group]:
    """What a table has in quarantine, by code and column, the most rows first. Errors as for `candidates`.

    Args:
        batches: look at so many of the newest batches with rejected rows; each takes a file.
    """
    groups: dict[tuple[str, str], Group] = {}
    for batch in rejected_batches(lake, table, most=batches):
        import polars as pl  # slow to import, and mostly nothing is in quarantine

        number = batch.manifest.batch
        by_code = open_rows(lake, table, batch).group_by("code", "column", maintain_order=True)
        for code, column, rows, reason in by_code.agg(pl.len(), pl.first("reason")).collect().iter_rows():
            before = groups.get((code, column), Group(code, column, 0, (), (), reason))
            blocked = (*before.blocked, number) if batch.blocks(table) else before.blocked
            groups[code, column] = Group(code, column, before.rows + rows, (*before.batches, number), blocked, before.reason)
    return sorted(groups.values(), key=lambda each: -each.rows)


def candidates(table: Table, lake: Lake, selection: Selection | None = None, newest: Manifest | None = None) -> Iterator[Candidate]:
    """The open rows of a table that are selected, in the order of their batches.

    Raises:
        LakeUnavailable: S3 cannot be reached.
        LakeError: a batch's quarantine file is gone.
    """
    chosen = selection or Selection()
    for batch in rejected_batches(lake, table, newest):
        number = batch.manifest.batch
        if chosen.batch not in (None, number):
            continue
        for part in open_rows(lake, table, batch).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            rows = list(part.iter_rows(named=True))
            for row, refused in zip(rows, refused_rows(rows), strict=True):
                if chosen.has(row_id := RowId(number, row["number"]), refused.code):
                    yield Candidate(row_id, refused, row["seq"])


def accept(table: Table, lake: Lake, *, run_id: str, batch: int | None = None) -> Decided:
    """Lets blocked batches be loaded without their rejected rows, which stay in quarantine. Does nothing for a batch that is not blocked.

    Args:
        batch: its number; all blocked batches of the newest generation without it.

    Raises:
        QuarantineRefused: nothing has landed, the definition has changed since, or no such batch has rejected rows.
        LakeUnavailable: S3 cannot be reached.
    """

    def decide(newest: Manifest) -> tuple[list[Decision], list[Chunk], dict[RowId, Outcome]]:
        rejected = rejected_batches(lake, table, newest)
        if batch is not None and batch not in {each.manifest.batch for each in rejected}:
            raise QuarantineRefused(
                f"{table.full_name}: batch {batch} has no rejected rows that are open, or is of an earlier generation; "
                f"`stori quarantine list {table.full_name}` shows the batches that have some"
            )
        meant = [each for each in rejected if each.blocks(table) and batch in (None, each.manifest.batch)]
        return [Decision("accepted", each.manifest.batch) for each in meant], [], {}

    return _decided(table, lake, run_id, decide)


def discard(table: Table, lake: Lake, selection: Selection, *, run_id: str) -> Decided:
    """Takes the selected open rows out of quarantine for good; they are never loaded. Their file stays in the lake.

    Raises the errors of `accept`.
    """

    def decide(newest: Manifest) -> tuple[list[Decision], list[Chunk], dict[RowId, Outcome]]:
        found = [each.row for each in candidates(table, lake, selection, newest)]
        return decisions_of("discarded", found), [], {row: Outcome("discarded") for row in found}

    return _decided(table, lake, run_id, decide)


def replay(
    table: Table,
    reader: Reader | None,
    lake: Lake,
    selection: Selection | None = None,
    *,
    run_id: str,
    edited: Mapping[RowId, str] | None = None,
) -> Decided:
    """Lands the selected open rows that fit the definition now, each exactly once, as one batch; the others stay as they are.

    Args:
        reader: of the table's source; None for a star table, which is refused.
        edited: the raw forms that somebody edited, by row; no other rows are replayed then.

    Raises:
        QuarantineRefused: as for `accept`; or the table is computed, so that its rows follow from its inputs.
        SourceUnavailable: the source must be asked whether it still has the rows, and cannot be reached.
        LakeUnavailable: S3 cannot be reached.
    """
    if table.is_derived or reader is None:
        raise QuarantineRefused(f"{table.full_name}: its rows are computed; correct its function or an input, then {table.snapshot_advice}")
    meant = replace(selection or Selection(), rows=frozenset(edited)) if edited is not None else selection

    def decide(newest: Manifest) -> tuple[list[Decision], list[Chunk], dict[RowId, Outcome]]:
        found = [_with_edit(each, edited or {}) for each in candidates(table, lake, meant, newest)]
        result = replayed_rows(table, reader, lake, newest, found)
        decisions: list[Decision] = []
        for what in ("replayed", "superseded"):
            decisions += decisions_of(what, [row for row, outcome in result.outcomes.items() if outcome.what == what])
        return decisions, result.chunks, result.outcomes

    return _decided(table, lake, run_id, decide)


def _with_edit(each: Candidate, edited: Mapping[RowId, str]) -> Candidate:
    if each.row not in edited or parsed_raw(edited[each.row]) == parsed_raw(each.refused.raw):
        return each
    return replace(each, refused=Refused(each.refused.code, each.refused.reason, edited[each.row], each.refused.column), is_edited=True)


def decisions_of(what: Literal["replayed", "superseded", "discarded"], rows: Collection[RowId]) -> list[Decision]:
    """A decision for each batch among the rows."""
    return [Decision.of_rows(what, batch, (row.number for row in some)) for batch, some in groupby(sorted(rows), lambda row: row.batch)]


_Decide = Callable[[Manifest], tuple[list[Decision], list[Chunk], dict[RowId, Outcome]]]


def _decided(table: Table, lake: Lake, run_id: str, decide: _Decide) -> Decided:
    """Commits what `decide` finds, given the newest batch. If another run lands a batch first, it decides again."""
    for _ in range(_TRIES):
        newest = lake.newest(table)
        if newest is None:
            raise QuarantineRefused(f"{table.full_name}: nothing has landed yet; run `stori sync {table.full_name}`")
        if newest.fingerprint != table.fingerprint:
            raise QuarantineRefused(
                f"{table.full_name}: its definition has changed since batch {newest.batch} landed; run `stori sync {table.full_name}` "
                "first, which reads the rows again that may fit by now, and decide about those that are still in quarantine then"
            )
        decisions, chunks, outcomes = decide(newest)
        if not decisions:
            return Decided((), outcomes)
        try:
            landed = lake.land(table, _Reading(newest, chunks), newest=newest, run_id=run_id, decisions=decisions)
        except LandingConflict as conflict:
            error: LakeError = conflict
            continue
        if landed is None:
            raise LakeError(f"{table.full_name}: the decision did not land; this is an error of the platform")
        compact_if_due(lake, table, landed)
        return Decided((landed,), outcomes)
    raise error
