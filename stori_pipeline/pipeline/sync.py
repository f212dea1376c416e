"""One table, from its source to its mirror: lands what changed, and loads what landed.

Belongs here: the rules: what is read, when a new generation begins, which batches are new. Does not belong here: reading (`readers`),
storing (`lake`), loading (`warehouse.load`), or when a step runs (`defs`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain

from stori_pipeline.lake import Lake, LakeSetBack, Manifest
from stori_pipeline.lake.manifest import other_definition
from stori_pipeline.lake.upkeep import compact_if_due
from stori_pipeline.model.reading import Chunk, HasNotes, NamesWhatJoined, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.gate import refuse_blocked
from stori_pipeline.pipeline.pending import pending
from stori_pipeline.pipeline.replay import Replay
from stori_pipeline.pipeline.schema_change import keep_generation
from stori_pipeline.pipeline.set_back import set_back_reason
from stori_pipeline.readers import PositionLost, Reader, SourceError
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.load import LedgerMoved, Loaded, load_batches
from stori_pipeline.warehouse.session import LedgerEntry

_TRIES = 5
_log = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""Called with the number of rows read since the last call."""


def ignore(_: int) -> None:
    return None


@dataclass(frozen=True)
class Landed:
    """The result of a landing.

    `manifest` is the batch that it landed, None if nothing was new. `newest` is the table's newest batch now. `full_refresh_reason` says
    why all rows were read; "" if only changes were. `joined` names parts of the table of which every row was read, because they joined it.
    """

    manifest: Manifest | None
    newest: Manifest | None
    full_refresh_reason: str = ""
    joined: str = ""
    notes: tuple[str, ...] = ()
    """What the reading found that is neither a row nor a rejected row, such as that there is no file yet."""


class RowStream:
    """Rows to land as one batch of a table, after its newest one.

    The beginning of the reading is read immediately, to find out whether there is anything to land, and as which batch.
    """

    def __init__(
        self,
        table: Table,
        lake: Lake,
        newest: Manifest | None,
        reading: Reading | None = None,
        *,
        full_refresh_reason: str = "",
        loaded: LedgerEntry | None = None,
    ) -> None:
        self.table = table
        self.loaded = loaded
        """The ledger's entry for the mirror; None if it is not known. A new generation is later than that one, too."""
        self.newest = newest
        self.reading: Reading | None = None
        self.landed: Manifest | None = None
        """The batch that the rows became; None before landing, and if there was nothing to land."""
        self.columns: Manifest | None = None
        """The batch that changed the table's columns before these rows were read; None if the definition has not changed."""
        self.full_refresh_reason = full_refresh_reason
        """Why all rows are read; "" if only changes are."""
        self.first: Chunk | None = None
        """The first chunk with any row; None if no chunk has one."""
        self._lake = lake
        if reading:
            self.begin(reading)

    def begin(self, reading: Reading) -> None:
        self.reading = reading
        self._chunks = iter(reading)
        self.first = next((chunk for chunk in self._chunks if chunk.rows.num_rows or chunk.rejected.num_rows), None)
        self._order = self._lake.next_order(reading.kind, self.newest, self.loaded.generation if self.loaded else 0)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to land, not even a new position."""
        if self.reading is None:
            return True
        return self.first is None and self.reading.kind == "changes" and not self.reading.must_land

    @property
    def joined(self) -> str:
        """The parts of the table of which every row is read, because they joined it since the last batch; "" if there is none."""
        return self.reading.joined if isinstance(self.reading, NamesWhatJoined) else ""

    @property
    def newest_order(self) -> tuple[int, int] | None:
        """The (generation, batch) of the table's newest batch after these rows have landed; None if it has none."""
        return self._order if not self.is_empty else self.newest.order if self.newest else None

    def land(self, *, run_id: str, progress: Progress = ignore) -> Landed:
        """Lands the rows as one batch, acknowledges them to the source, and compacts the lake if that is due.

        Raises the errors of `Lake.land` and of the reading; nothing has landed then.
        """
        if self.reading is not None:
            self.landed = self._land(self.reading, run_id, progress)
            self.reading.ack()  # only now, because the rows are durable, in the lake or in quarantine
        if self.joined:
            _log.info("%s: %s joined the table since its last batch, and every row of it was read", self.table.full_name, self.joined)
        if self.landed is not None:
            new = self.landed
            _log.info("%s: batch %d (%s) landed: %d rows, %d rejected", new.table, new.batch, new.kind, new.rows, new.rejected)
            compact_if_due(self._lake, self.table, self.landed)
        notes: tuple[str, ...] = tuple(self.reading.notes) if isinstance(self.reading, HasNotes) else ()
        for note in notes:
            _log.warning("%s: %s", self.table.full_name, note)
        return Landed(self.landed, self.landed or self.newest, self.full_refresh_reason, self.joined, notes)

    def _land(self, reading: Reading, run_id: str, progress: Progress) -> Manifest | None:
        chunks = chain([self.first] if self.first else [], self._chunks)
        return self._lake.land(self.table, reading, newest=self.newest, order=self._order, chunks=chunks, run_id=run_id, progress=progress)


# --- landing -----------------------------------------------------------------------------------------------------------


def land(
    table: Table,
    reader: Reader,
    lake: Lake,
    *,
    run_id: str,
    full: bool = False,
    accepts_emptied: bool = False,
    day: date | None = None,
    loaded: LedgerEntry | None = None,
    progress: Progress = ignore,
) -> Landed:
    """Lands the rows that changed in the source since the newest batch, as one batch. The arguments are those of `changed_rows`."""
    with changed_rows(table, reader, lake, full=full, accepts_emptied=accepts_emptied, day=day, loaded=loaded, run_id=run_id) as rows:
        return rows.land(run_id=run_id, progress=progress)


@contextmanager
def changed_rows(
    table: Table,
    reader: Reader,
    lake: Lake,
    *,
    run_id: str,
    full: bool = False,
    accepts_emptied: bool = False,
    day: date | None = None,
    loaded: LedgerEntry | None = None,
    follows: bool = False,
) -> Iterator[ChangedRows]:
    """The rows that changed in the source since the newest batch. Valid inside the context.

    If the definition has changed, first lands a batch that brings its new columns (`schema_change.keep_generation`). Reads all rows of the
    table, as a new generation, if that is not possible, if nothing has landed yet, if the source cannot continue from the position, if the
    lake was set back since the load `loaded`, or if `full` is True. With `day`, reads the rows of that day again instead.

    Args:
        accepts_emptied: whether a source without any row is believed if all rows must be read.
        loaded: the ledger's entry for the mirror (`Warehouse.ledger_entry`); None if nothing is loaded, or the warehouse was not asked.
        follows: change no definition, as by a process whose own may be old. Raises LakeError if the newest batch has another one.
    """
    newest, columns = lake.newest(table), None
    if follows and newest and newest.fingerprint != table.fingerprint:
        raise other_definition(table, newest)
    set_back = set_back_reason(table, lake, newest, loaded)
    if newest and newest.fingerprint != table.fingerprint and not full and not set_back:
        columns = keep_generation(table, reader, lake, newest, run_id=run_id)
        newest = columns or newest
    reason = _full_refresh_reason(table, newest, full) or set_back
    with ExitStack() as stack:
        rows = ChangedRows(table, reader, lake, newest, stack, loaded)
        rows.columns, rows.accepts_emptied = columns, full or accepts_emptied
        if reason or newest is None:
            rows.read_all(reason)
        else:
            try:
                rows.read(newest.until, day)
            except PositionLost as lost:
                rows.read_all(str(lost))
        yield rows


def _full_refresh_reason(table: Table, newest: Manifest | None, full: bool) -> str:
    if newest is None:
        return "nothing has landed yet"
    if newest.fingerprint != table.fingerprint:
        return "its definition has changed"
    return "a full refresh was requested" if full else ""


class ChangedRows(RowStream):
    """The rows that changed in a source. `changed_rows` makes one."""

    def __init__(
        self, table: Table, reader: Reader, lake: Lake, newest: Manifest | None, stack: ExitStack, loaded: LedgerEntry | None = None
    ) -> None:
        super().__init__(table, lake, newest, loaded=loaded)
        self.accepts_emptied = False
        """Whether a reading of all rows may have none, because somebody said so."""
        self._reader = reader
        self._stack = stack

    def read(self, since: Position | None, day: date | None = None) -> Reading:
        """Begins to read, and returns the reading. Raises the errors of `Reader.read`."""
        reading = self._stack.enter_context(self._reader.read(self.table, since, day=day))
        if since is None and self.newest and not self.table.changes.is_replayable:
            reading = Replay(self.table, self._reader, self._lake, self.newest, reading)
        self.begin(reading)
        return reading

    def read_all(self, reason: str) -> Reading:
        """Begins to read all rows of the table, for that reason, and returns the reading."""
        self._stack.close()
        self.full_refresh_reason = reason
        reading = self.read(None)
        self._refuse_emptied()
        return reading

    def _refuse_emptied(self) -> None:
        """Refuses a reading of all rows that nobody asked for and that has none, although rows have landed. A folder may be the wrong
        one, or a table may have been emptied by mistake.

        Raises:
            SourceError: the source has no row.
        """
        if (
            self.first is not None
            or self.newest is None
            or self.accepts_emptied
            or self.table.may_be_empty
            or self.table.changes.reads_whole
        ):
            return
        landed = sum(each.rows for each in self._lake.manifests(self.table) if each.generation == self.newest.generation)
        if landed:
            name = self.table.full_name
            raise SourceError(
                f"{name}: all rows must be read, because {self.full_refresh_reason}, and the source has none, although {landed} versions"
                f" of rows have landed. Nothing was changed. If it was emptied on purpose, say so with `stori sync --full {name}`, or with"
                " may_be_empty=True in its definition"
            )

    def _land(self, reading: Reading, run_id: str, progress: Progress) -> Manifest | None:
        try:
            return super()._land(reading, run_id, progress)
        except PositionLost as lost:
            if self.full_refresh_reason:
                raise
            reading = self.read_all(str(lost))
            return super()._land(reading, run_id, progress)


# --- loading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewBatches:
    """The batches of a table that its mirror does not have yet, blocked ones included. `new_batches` makes one.

    `after` is the ledger's entry that they follow. `batches` is empty if the mirror is up to date; it begins with the last snapshot, which
    replaces the batches before it.
    """

    table: Table
    lake: Lake
    after: tuple[int, int] | None
    batches: tuple[Manifest, ...]

    @property
    def order(self) -> tuple[int, int] | None:
        """The (generation, batch) of the mirror after they are loaded."""
        return self.batches[-1].order if self.batches else self.after


def since_last_snapshot(batches: Sequence[Manifest]) -> list[Manifest]:
    snapshots = [number for number, each in enumerate(batches) if each.kind == "snapshot"]
    return list(batches[snapshots[-1] :] if snapshots else batches)


def new_batches(table: Table, lake: Lake, loaded: LedgerEntry | None) -> NewBatches:
    """The batches after a ledger's entry, from the last snapshot on, blocked ones included.

    Args:
        loaded: the mirror's entry (`Warehouse.ledger_entry`); None if nothing is loaded.

    Raises:
        LakeSetBack: the lake does not have the batch that the entry names, so what comes after it is not known.
    """
    after = loaded.order if loaded else None
    batches = tuple(since_last_snapshot(lake.manifests(table, after=after)))
    continues = bool(batches) and batches[0].kind == "snapshot"
    if not continues and (reason := set_back_reason(table, lake, batches[-1] if batches else lake.newest(table), loaded)):
        again = "Derive it" if table.is_derived else "Land it"
        raise LakeSetBack(f"{table.full_name}: {reason}. Nothing was loaded. {again} again: that begins a new generation with all rows")
    return NewBatches(table, lake, after, batches)


def load(table: Table, lake: Lake, warehouse: Warehouse, *, run_id: str) -> Loaded | None:
    """Brings the mirror up to the newest batch; None if it is up to date.

    Raises:
        LoadBlocked: the contract blocks a batch; nothing was loaded.
        LakeSetBack: the lake does not have the batch that the mirror is loaded up to; nothing was loaded.
        WarehouseUnavailable: the warehouse cannot be reached, or other loads of the table were first each time.
        WarehouseError: the warehouse refused the load.
    """
    return load_new(new_batches(table, lake, warehouse.ledger_entry(table)), warehouse, run_id=run_id)


def load_new(new: NewBatches, warehouse: Warehouse, *, run_id: str) -> Loaded | None:
    """Loads new batches, unless the contract blocks one. Every load of a mirror calls it.

    If another load was first, loads the batches after that. Raises the errors of `load`.
    """
    for _ in range(_TRIES):
        if not new.batches:
            return None
        refuse_blocked(new.table, new.batches)
        try:
            loaded = load_batches(
                warehouse, new.table, pending(new.table, new.lake, new.after, new.batches, run_id), after=new.after, run_id=run_id
            )
        except LedgerMoved as error:
            moved = error
            new = new_batches(new.table, new.lake, warehouse.ledger_entry(new.table))
        else:
            _log.info("%s: loaded up to batch %d: %d rows inserted", new.table.full_name, loaded.batch, loaded.rows_inserted)
            return loaded
    raise moved
