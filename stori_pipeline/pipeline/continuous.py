"""The continuous sync: brings what changes in the sources, table by table, within seconds and without end.

Belongs here: when a table is due, the threads, and which star tables follow. Does not belong here: bringing one table (`bring`), or what a
person sees of it (`defs.continuous`).
"""

# Nothing that must survive is kept here. What the process knows (heads, entries of the ledger) saves requests; where it is wrong, because
# another process was faster, the landing and the load notice it and the table is tried again.

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from stori_pipeline.lake import Lake, LandingConflict, Manifest
from stori_pipeline.lake.bucket import LakeError, LakeUnavailable
from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.bring import Brought, bring_star, bring_table, newest_to_follow
from stori_pipeline.readers import Reader, SourceError, SourceUnavailable
from stori_pipeline.readers.heads import heads
from stori_pipeline.warehouse import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.load import LedgerMoved
from stori_pipeline.warehouse.session import LedgerEntry

_THREADS = 6
_SOONEST, _LATEST = 0.5, 30.0  # seconds between two looks at the heads of a source
_LONGEST_WAIT = 60.0  # seconds until a table that could not be brought is tried again
_TRIES = 3  # failures in a row after which a table whose servers are away is left to a run, which tells
_TRANSIENT = (SourceUnavailable, LakeUnavailable, WarehouseUnavailable)
_OTHER_WAS_FIRST = (LandingConflict, LedgerMoved)
_BUSY = 1.0  # seconds until a table that another run holds is tried again
_log = logging.getLogger(__name__)


class _Stopped(RuntimeError):
    """The sync was stopped while a table was read."""


@dataclass(frozen=True)
class Left:
    """A table that the continuous sync leaves to an ordinary run, and why. `head` is what its source said; "" of a star table."""

    table: Table
    reason: str
    head: str = ""


@dataclass
class _Followed:
    """What the process knows of one table. Times are those of `time.monotonic`."""

    table: Table
    star: Star | None = None
    entry: LedgerEntry | None = None
    newest: Manifest | None = None
    """Its newest batch, as far as this process knows."""
    head: str = ""
    """The newest that the source said; the table was asked for at that head."""
    is_wanted: bool = True
    is_running: bool = False
    due: float = 0.0
    """Before that time it is not tried again."""
    failures: int = 0
    left: Left | None = None
    seen_at: float = 0.0
    """The time of the last look at its source that found nothing that its mirror does not have, in seconds since 1970."""

    @property
    def is_current(self) -> bool:
        """Whether its mirror has everything that was seen of its source."""
        return self.newest is not None and not (self.is_wanted or self.is_running or self.failures or self.left)


@dataclass(frozen=True)
class Places:
    """Where the continuous sync reads and writes.

    Attributes:
        reader: the reader of a source.
        lease: holds a table for as long as it is brought; its value is False if somebody else has it.
        lag: within how many seconds of a change a table should have it; the looks and loads are spread over that time.
    """

    reader: Callable[[Source], Reader]
    landing: Lake
    processed: Lake
    warehouse: Warehouse
    lease: Callable[[Table], AbstractContextManager[bool]]
    lag: Callable[[Table], float]


class ContinuousSync:
    """Brings what changes in the sources of a project. Make one, iterate `events`, and leave its context to stop it."""

    def __init__(self, project: Project, places: Places, *, run_id: str) -> None:
        self._project = project
        self._places = places
        self._run_id = run_id
        self._tables = {name: _Followed(table) for name, table in project.mirrors.items()}
        for star in project.stars:
            self._tables[star.table.full_name].star = star
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._jobs: queue.SimpleQueue[_Followed | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Brought | Left] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.followed: frozenset[str] = frozenset(self._tables)
        """Full names of the tables that are brought; the others wait. It may be set at any time."""

    def __enter__(self) -> ContinuousSync:
        for name, entry in self._places.warehouse.newest_loads().of_mirrors().items():
            if name in self._tables:
                self._tables[name].entry = entry
        sources: dict[Source, list[_Followed]] = {}
        for each in self._tables.values():
            if not each.star:
                sources.setdefault(each.table.source, []).append(each)
        self._begin("continuous", self._hand_out)
        for number in range(_THREADS):
            self._begin(f"bring-{number}", self._work)
        for source, tables in sources.items():
            self._begin(f"heads-{source.name}", functools.partial(self._watch, source, tables))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _begin(self, name: str, body: Callable[[], None]) -> None:
        # A daemon thread: one that hangs in a server's answer must not keep the process alive.
        thread = threading.Thread(target=body, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self, within: float = 20.0) -> bool:
        """Ends all threads: a table that is being landed or loaded is finished if that is quick. Returns whether all have ended.

        What is not finished `within` that many seconds has changed nothing: batches and loads are committed at their end.
        """
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        for _ in range(_THREADS):
            self._jobs.put(None)
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def events(self, timeout: float) -> Iterator[Brought | Left]:
        """What has happened, as it happens; ends after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(queue.Empty):
            while (rest := deadline - time.monotonic()) > 0:
                yield self._events.get(timeout=rest)

    @property
    def left(self) -> list[Left]:
        """The tables that are left to ordinary runs now."""
        return [each.left for each in self._tables.values() if each.left]

    def instants(self) -> dict[str, float]:
        """By full name, the moment up to which a mirror has everything of its source, in seconds since 1970, as far as heads can tell; of a
        star table, of its inputs. Tables that are behind, or may be, are left out."""
        with self._changed:
            now, followed = time.time(), [each for name, each in self._tables.items() if name in self.followed and each.is_current]
            return {each.table.full_name: now if each.star else each.seen_at for each in followed if each.star or each.seen_at}

    # --- what is due --------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Hands each table that is wanted and due to a worker."""
        while not self._stopped.is_set():
            with self._changed:
                now = time.monotonic()
                ready = [each for each in self._tables.values() if self._is_ready(each)]
                for each in ready:
                    if each.due <= now:
                        each.is_wanted, each.is_running = False, True
                        self._jobs.put(each)
                waiting = [each.due - now for each in ready if each.due > now]
                self._changed.wait(timeout=min([1.0, *waiting]))

    def _is_ready(self, each: _Followed) -> bool:
        return each.is_wanted and not each.is_running and each.table.full_name in self.followed

    def _want(self, tables: Iterable[_Followed]) -> None:
        with self._changed:
            for each in tables:
                each.is_wanted = True
            self._changed.notify_all()

    def _stars_of(self, full_name: str) -> list[_Followed]:
        return [each for each in self._tables.values() if each.star and full_name in each.star.inputs.values()]

    # --- heads --------------------------------------------------------------------------------------------------------

    def _watch(self, source: Source, tables: list[_Followed]) -> None:
        """Asks the heads of a source's tables again and again."""
        pause = min(max(min(self._places.lag(each.table) for each in tables) / 10, _SOONEST), _LATEST)
        failing = False
        while not self._stopped.is_set():
            followed = [each for each in tables if each.table.full_name in self.followed]
            began, at = time.monotonic(), time.time()
            found = self._heads(source, followed) if followed else {}
            if (is_failing := any(isinstance(head, SourceError) for head in found.values())) and not failing:
                error = next(head for head in found.values() if isinstance(head, SourceError))
                _log.warning("%s: not all tables are checked for changes: %s", source.name, error)
            failing = is_failing
            for each in followed:
                self._note_head(each, found.get(each.table.full_name), at)
            # A source that answers slowly is asked less often.
            self._stopped.wait(max(pause, 8 * (time.monotonic() - began)))

    def _heads(self, source: Source, tables: list[_Followed]) -> Mapping[str, str | SourceError]:
        try:
            return heads(self._places.reader(source), {each.table: each.newest.until if each.newest else None for each in tables})
        except SourceError as error:
            return {each.table.full_name: error for each in tables}
        except Exception as error:  # noqa: BLE001  (the other sources go on, and a run tells what is wrong with this one)
            _log.exception("%s: its tables could not be checked for changes", source.name)
            return {each.table.full_name: SourceError(f"{type(error).__name__}: {error}") for each in tables}

    def _note_head(self, each: _Followed, head: str | SourceError | None, at: float) -> None:
        if isinstance(head, SourceError):
            # Bringing it fails as well, and tells, if the source stays away.
            if not each.failures:
                self._want([each])
        elif head is not None and head != each.head:
            each.head = head
            self._want([each])
        elif head is not None:
            with self._changed:
                each.seen_at = at if each.is_current else each.seen_at

    # --- bringing -----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (each := self._jobs.get()) is not None and not self._stopped.is_set():
            began = time.monotonic()
            try:
                wait = self._bring(each, began)
            except _Stopped:
                return
            except Exception as error:  # noqa: BLE001  (the other tables go on, and a run tells what is wrong with this one)
                wait = self._failed(each, error)
            with self._changed:
                each.is_running = False
                each.due = time.monotonic() + wait
                self._changed.notify_all()

    def _bring(self, each: _Followed, began: float) -> float:
        """Brings a table, and returns in how many seconds it may be brought again."""
        with self._places.lease(each.table) as is_mine:
            if not is_mine:
                self._want([each])
                return _BUSY
            brought = self._bring_star(each.star, each) if each.star else self._bring_table(each)
        each.entry, each.failures, each.left = brought.entry, 0, None
        each.newest = brought.landed.newest
        if brought.is_anything or (each.star and brought.rows.reading):
            self._events.put(brought)
        if brought.has_landed:
            self._want(self._stars_of(each.table.full_name))
        took = time.monotonic() - began
        # Changes that come thick and fast are collected, so that the table is loaded no more often than its lag asks for.
        has_read = brought.is_anything or each.star
        return max(self._places.lag(each.table) / 2, 2 * took) - took if has_read else 0.0

    def _bring_table(self, each: _Followed) -> Brought:
        places = self._places

        def progress(_rows: int) -> None:
            if self._stopped.is_set():
                raise _Stopped

        reader = places.reader(each.table.source)
        if each.newest is None:  # the first time in this process, whose definitions do not change
            each.newest = newest_to_follow(each.table, places.landing)
        head = each.head
        brought = bring_table(each.table, reader, places.landing, places.warehouse, each.entry, run_id=self._run_id, progress=progress)
        return replace(brought, head=head)

    def _bring_star(self, star: Star, each: _Followed) -> Brought:
        places, tables = self._places, self._project.mirrors
        if each.newest is None:
            each.newest = newest_to_follow(each.table, places.processed)
        known = {name: newest for name in star.inputs.values() if (newest := self._tables[name].newest)}
        stores = places.landing, places.processed, places.warehouse
        return bring_star(star, *stores, each.entry, tables=tables, known=known, run_id=self._run_id)

    def _failed(self, each: _Followed, error: Exception) -> float:
        """Notes that a table could not be brought, and returns in how many seconds it is tried again."""
        each.failures += 1
        each.entry, each.newest = self._entry(each), None
        if isinstance(error, LakeError) and not isinstance(error, _OTHER_WAS_FIRST):
            self._places.landing.forget()
            self._places.processed.forget()
        may_pass = isinstance(error, _OTHER_WAS_FIRST) or (isinstance(error, _TRANSIENT) and each.failures < _TRIES)
        if not may_pass:
            left = Left(each.table, str(error) or type(error).__name__, each.head)
            if left != each.left:
                each.left = left
                self._events.put(left)
        else:
            _log.info("%s: tried again, because %s", each.table.full_name, error)
        self._want([each])
        return min(0.5 * 2.0 ** min(each.failures, 10), _LONGEST_WAIT)

    def _entry(self, each: _Followed) -> LedgerEntry | None:
        """The ledger's entry by now. Without an answer, the one that is known: the load notices if it is not right."""
        try:
            return self._places.warehouse.ledger_entry(each.table)
        except WarehouseError:
            _log.debug("%s: the ledger does not answer", each.table.full_name, exc_info=True)
            return each.entry
