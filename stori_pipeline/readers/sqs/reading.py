"""One reading of a queue: receives messages, holds them while their rows land, and deletes them when those are durable.

Belongs here: the threads that receive, hold, delete and return messages. Does not belong here: turning messages into rows (`messages`),
or the requests themselves (`connection`).
"""

# No reading loses a message, however it ends. A message that is acknowledged is deleted. Any other message returns to the queue: this
# process returns it at the end of the reading, or, if the process was killed, SQS does after `Limits.hidden` seconds.

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
from stori_pipeline.readers.sqs import messages
from stori_pipeline.readers.sqs.connection import MESSAGES_AT_ONCE, Connection, Message
from stori_pipeline.readers.suggested_columns import column_text

_log = logging.getLogger(__name__)

_CHUNK_MESSAGES = 5_000
_CHUNK_CHARACTERS = 16_000_000
_DELETE_TRIES = 3
_NOTED = 50  # how many fields without a column a position keeps: if there are more, their names are data
_PUT_SECONDS = 0.2  # how soon a thread that waits for room in the inbox notices that the reading is over


@dataclass(frozen=True)
class Limits:
    """The limits of one reading.

    Args:
        messages: the largest number of messages; the next reading gets the rest. SQS allows 120,000 messages in flight.
        seconds: how long the reading receives messages.
        hidden: for how many seconds a message is hidden from other receivers; renewed while the reading goes on.
        wait: how many seconds a thread waits for messages that SQS counts as available.
        threads: the number of threads that receive, and that delete.
    """

    messages: int = 100_000
    seconds: float = 60.0
    hidden: int = 120
    wait: int = 5
    threads: int = 8


def received(since: Position | None) -> int:
    """The number of messages read up to a position."""
    if since is None:
        return 0
    try:
        return int(since["messages"])
    except (KeyError, TypeError, ValueError):
        raise PositionLost(f"{dict(since)} is not the position of a queue; landed rows stay, and the next reading continues") from None


def unmapped_at(since: Position | None) -> dict[str, str]:
    """The fields of the messages up to a position that no column reads, each with a suggested column."""
    return dict(since.get("unmapped", {})) if since else {}


@dataclass
class _Held:
    """The messages of one request, and until when (by the monotonic clock) they are hidden from other receivers."""

    handles: list[str]
    until: float


class QueueReading:
    """See `model.reading.Reading`. A context manager, which returns messages that were not acknowledged to the queue."""

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
        self._stop = threading.Event()  # receive no more messages
        self._closed = threading.Event()  # the reading is over, and nobody reads the inbox
        self._left = limits.messages
        self._active = 0
        self._deadline = time.monotonic() + limits.seconds
        self._held: list[_Held] = []
        self._error: Exception | None = None
        # Two responses per thread keep the threads busy and bound the memory.
        self._inbox: queue.Queue[list[Message] | None] = queue.Queue(2 * limits.threads)
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="sqs")
        self._renewing = threading.Thread(target=self._renew, name="sqs-renew", daemon=True)

    @property
    def until(self) -> Position:
        if not self._exhausted:
            raise SourceError(f"{self._connection.where}: a reading has no position before its end; iterate it to its end first")
        mapped = messages.covered(self._table)
        added = {name: column_text(name, [value]) for name, value in self._unmapped.items()}
        unmapped = {name: text for name, text in sorted((unmapped_at(self._since) | added).items()) if name not in mapped}
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
        # Threads may overtake each other; sorting keeps the order at least as good as the queue's.
        in_order = sorted(waiting, key=lambda message: message.sent)
        return Chunk(*conform(self._table, messages.rows(self._table, in_order, self._unmapped)))

    def ack(self) -> None:
        """Deletes the messages. A message that SQS does not delete after three attempts is delivered again, and becomes the same row."""
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
            _log.warning(
                "%s: %d messages could not be deleted; they will be delivered again and become the same rows",
                self._connection.where,
                len(failed),
            )

    def _delete(self, handles: list[str]) -> list[str]:
        try:
            return self._connection.delete(handles)
        except SourceUnavailable:
            return handles  # the rows are durable, so a queue that cannot be reached must not fail the reading

    # ---- threads

    def _add_thread(self) -> None:
        with self._lock:
            if self._active >= self._limits.threads or self._stop.is_set():
                return
            self._active += 1
        self._threads.submit(self._receive)

    def _receive(self) -> None:
        try:
            while not self._stop.is_set() and time.monotonic() < self._deadline and (count := self._claim()):
                batch = self._some(count)
                self._unclaim(count - len(batch))
                if not batch:
                    break
                self._put(batch)
                self._add_thread()  # one thread is enough for a queue with few messages
        except Exception as error:  # noqa: BLE001  (raised again where the reading is iterated)
            self._error = self._error or error
            self._stop.set()
        finally:
            with self._lock:
                self._active -= 1
                last = self._active == 0
            if last:
                self._put(None)

    def _some(self, count: int) -> list[Message]:
        """Up to `count` messages by a short poll or, if that returns none and SQS counts some, by a long poll."""
        batch = self._take(count, 0)
        return batch or (self._take(count, self._limits.wait) if self._connection.waiting() else [])

    def _take(self, count: int, wait: int) -> list[Message]:
        began = time.monotonic()
        batch = self._connection.receive(count, wait=wait, hidden=self._limits.hidden)
        if batch:
            with self._lock:
                self._held.append(_Held([each.handle for each in batch], began + self._limits.hidden))
        return batch

    def _claim(self) -> int:
        with self._lock:
            count = min(MESSAGES_AT_ONCE, self._left)
            self._left -= count
            return count

    def _unclaim(self, count: int) -> None:
        with self._lock:
            self._left += count

    def _put(self, batch: list[Message] | None) -> None:
        while True:
            with suppress(queue.Full):
                self._inbox.put(batch, timeout=_PUT_SECONDS)
                return
            if self._closed.is_set():
                return

    def _renew(self) -> None:
        """Keeps the held messages hidden from other receivers while the reading goes on."""
        while not self._closed.wait(self._limits.hidden / 6):
            soon = time.monotonic() + self._limits.hidden * 2 / 3
            with self._lock:
                expiring = [held for held in self._held if held.until < soon]
            for held in expiring:
                if self._closed.is_set():
                    return
                began = time.monotonic()
                # A message that is not renewed is delivered again, to this reading or another, and becomes the same row.
                with suppress(SourceError):
                    self._connection.hide(held.handles, self._limits.hidden)
                    held.until = began + self._limits.hidden

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
        # If this fails, SQS shows the messages again when their time is over.
        with suppress(SourceError):
            self._connection.hide(handles, 0)


def _in_tens(handles: Sequence[str]) -> list[list[str]]:
    return [list(handles[start : start + MESSAGES_AT_ONCE]) for start in range(0, len(handles), MESSAGES_AT_ONCE)]
