"""One reading of a queue: messages are received, held while their rows land, and deleted once those are durable.

Belongs here: how many messages are received by how many threads, how long they are held, and what becomes of them at the end. Does
not belong here: what they mean (`messages`), or the calls themselves (`connection`).
"""

# However a reading ends, no message is lost by it. One that is acknowledged is deleted. One that is not is given back, by us at the
# end of the reading, or by SQS after `Limits.hidden` seconds where this process was killed.

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import conform
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.json_fields import column_text
from stori_pipeline.readers.sqs import messages
from stori_pipeline.readers.sqs.connection import MESSAGES_AT_ONCE, Connection, Message

_log = logging.getLogger(__name__)

_CHUNK_MESSAGES = 5_000
_CHUNK_CHARACTERS = 16_000_000
_DELETE_TRIES = 3
_NOTED = 50  # fields without a column: more than that is no drift, but names that are data
_PUT_SECONDS = 0.2  # how soon a thread that waits for room notices that the reading is over


@dataclass(frozen=True)
class Limits:
    """How much one reading takes.

    Args:
        messages: it ends after so many; SQS lets 120,000 be held at once. What is left comes with the next one.
        seconds: it receives for no longer than this.
        hidden: for so many seconds SQS hands a message to nobody else; renewed for as long as the reading goes on.
        wait: how many seconds a thread waits for messages that SQS counts.
        threads: how many receive, and delete, at once.
    """

    messages: int = 100_000
    seconds: float = 60.0
    hidden: int = 120
    wait: int = 5
    threads: int = 8


def received(since: Position | None) -> int:
    """How many messages had been read at a position."""
    if since is None:
        return 0
    try:
        return int(since["messages"])
    except (KeyError, TypeError, ValueError):
        raise PositionLost(f"{dict(since)} is no position in a queue; what has landed stays, and reading goes on") from None


def unmapped_at(since: Position | None) -> dict[str, str]:
    """The fields that no column read in the messages up to a position, each with the column that would read it."""
    return dict(since.get("unmapped", {})) if since else {}


@dataclass
class _Held:
    """Messages that one request brought, and until when (by the monotonic clock) nobody else receives them."""

    handles: list[str]
    until: float


class QueueReading:
    """See `readers.Reading`. As a context: at its end messages that were not acknowledged are given back."""

    must_land = False

    def __init__(self, connection: Connection, table: Table, since: Position | None, limits: Limits) -> None:
        self._connection = connection
        self._table = table
        self._limits = limits
        self._since = since
        self._before = received(since)
        self._unmapped: dict[str, object] = {}
        self.kind: Kind = "snapshot" if since is None else "changes"
        self.taken_at = utc_now()
        self._count = 0
        self._exhausted = False
        self._lock = threading.Lock()
        self._stop = threading.Event()  # no more is to be received
        self._closed = threading.Event()  # the reading is over, and nobody takes what was
        self._left = limits.messages
        self._active = 0
        self._deadline = time.monotonic() + limits.seconds
        self._held: list[_Held] = []
        self._error: Exception | None = None
        # Two answers a thread: enough to keep them busy, and a bound on what is in memory.
        self._inbox: queue.Queue[list[Message] | None] = queue.Queue(2 * limits.threads)
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="sqs")
        self._renewing = threading.Thread(target=self._renew, name="sqs-renew", daemon=True)

    @property
    def until(self) -> Position:
        if not self._exhausted:
            raise SourceError(f"{self._connection.where}: a reading has no position before its end")
        known = messages.covered(self._table)
        seen = {name: column_text(name, [value]) for name, value in self._unmapped.items()}
        unmapped = {name: text for name, text in sorted((unmapped_at(self._since) | seen).items()) if name not in known}
        return {"messages": self._before + self._count, **({"unmapped": dict(list(unmapped.items())[:_NOTED])} if unmapped else {})}

    def __iter__(self) -> Iterator[Chunk]:
        self._renewing.start()
        self._add_thread()
        waiting: list[Message] = []
        while (more := self._inbox.get()) is not None:
            waiting += more
            if len(waiting) >= _CHUNK_MESSAGES or sum(len(each.body) for each in waiting) >= _CHUNK_CHARACTERS:
                yield self._chunk(waiting)
                waiting = []
        if self._error is not None:
            raise self._error
        if waiting:
            yield self._chunk(waiting)
        self._exhausted = True

    def _chunk(self, waiting: list[Message]) -> Chunk:
        self._count += len(waiting)
        # Threads overtake each other; a queue that keeps no order at least shall not be put into a worse one.
        in_order = sorted(waiting, key=lambda message: message.sent)
        return Chunk(*conform(self._table, messages.rows(self._table, in_order, self._unmapped)))

    def ack(self) -> None:
        """Deletes what was read. What SQS does not delete after a few tries comes again, and ends as the same rows."""
        with self._lock:
            groups, self._held = [held.handles for held in self._held], []
        for attempt in range(_DELETE_TRIES):
            if not groups:
                return
            if attempt:
                time.sleep(0.2 * 2**attempt)
            with ThreadPoolExecutor(self._limits.threads, thread_name_prefix="sqs-delete") as pool:
                failed = [handle for handles in pool.map(self._delete, groups) for handle in handles]
            groups = _in_tens(failed)
        if groups:
            _log.warning("%s: %d messages could not be deleted and will come again, to no harm", self._connection.where, len(failed))

    def _delete(self, handles: list[str]) -> list[str]:
        try:
            return self._connection.delete(handles)
        except SourceUnavailable:
            return handles  # the rows are durable: a queue that is away for a moment must not undo that

    # ---- threads

    def _add_thread(self) -> None:
        with self._lock:
            if self._active >= self._limits.threads or self._stop.is_set():
                return
            self._active += 1
        self._threads.submit(self._receive)

    def _receive(self) -> None:
        try:
            while not self._stop.is_set() and time.monotonic() < self._deadline and (wanted := self._claim()):
                found = self._some(wanted)
                self._unclaim(wanted - len(found))
                if not found:
                    break
                self._put(found)
                self._add_thread()  # one does for a queue with little in it
        except Exception as error:  # noqa: BLE001  (raised again where the reading is iterated)
            self._error = self._error or error
            self._stop.set()
        finally:
            with self._lock:
                self._active -= 1
                last = self._active == 0
            if last:
                self._put(None)

    def _some(self, wanted: int) -> list[Message]:
        """Short polls while there is something, and before the end a long one if SQS says that something is left."""
        found = self._take(wanted, 0)
        return found or (self._take(wanted, self._limits.wait) if self._connection.waiting() else [])

    def _take(self, wanted: int, wait: int) -> list[Message]:
        asked = time.monotonic()
        found = self._connection.receive(wanted, wait=wait, hidden=self._limits.hidden)
        if found:
            with self._lock:
                self._held.append(_Held([each.handle for each in found], asked + self._limits.hidden))
        return found

    def _claim(self) -> int:
        with self._lock:
            wanted = min(MESSAGES_AT_ONCE, self._left)
            self._left -= wanted
            return wanted

    def _unclaim(self, count: int) -> None:
        with self._lock:
            self._left += count

    def _put(self, found: list[Message] | None) -> None:
        while True:
            with suppress(queue.Full):
                self._inbox.put(found, timeout=_PUT_SECONDS)
                return
            if self._closed.is_set():
                return

    def _renew(self) -> None:
        """Keeps what is held from being handed to others, for as long as the reading goes on."""
        while not self._closed.wait(self._limits.hidden / 6):
            soon = time.monotonic() + self._limits.hidden * 2 / 3
            with self._lock:
                due = [held for held in self._held if held.until < soon]
            for held in due:
                if self._closed.is_set():
                    return
                asked = time.monotonic()
                # What could not be renewed comes again, to this reading or another, and ends as the same rows.
                with suppress(SourceError):
                    self._connection.hide(held.handles, self._limits.hidden)
                    held.until = asked + self._limits.hidden

    # ---- the end

    def __enter__(self) -> QueueReading:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._stop.set()
        self._threads.shutdown(wait=True)
        if self._renewing.ident is not None:
            self._renewing.join()
        with self._lock:
            groups, self._held = [held.handles for held in self._held], []
        if groups:
            with ThreadPoolExecutor(self._limits.threads, thread_name_prefix="sqs-give-back") as pool:
                list(pool.map(self._give_back, groups))

    def _give_back(self, handles: list[str]) -> None:
        # Where it fails they come again by themselves, a little later.
        with suppress(SourceError):
            self._connection.hide(handles, 0)


def _in_tens(handles: Sequence[str]) -> list[list[str]]:
    return [list(handles[start : start + MESSAGES_AT_ONCE]) for start in range(0, len(handles), MESSAGES_AT_ONCE)]
