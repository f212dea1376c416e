"""Streams one `COPY … TO STDOUT` or several: the server sends, threads parse, the caller iterates, in bounded memory.

Belongs here: splitting a stream into blocks of complete rows, and the threads. Does not belong here: parsing a block (`copy_text`), or
which rows each connection copies (`several`).
"""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import psycopg2
from psycopg2 import extensions

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 4 << 20
"""The approximate size in bytes of a block, which holds at least one row. Arrow needs a millisecond per block in addition to its rows, so
smaller blocks are slower."""

_SMALLEST_BLOCK = 1 << 20
"""Several connections take smaller blocks, so that all of them together hold no more than two do."""

_PARSERS = 2
"""The number of parsing threads for one connection or two. Arrow releases the GIL, but a third thread would be idle: the server is slower
than two."""

_WAITING = 2
"""How many blocks more than parsers may be in memory: waiting for a parser, or for the caller."""

_Parsed = TypeVar("_Parsed")


class Abandoned(Exception):
    """The caller closed the stream."""


class Copy(NamedTuple):
    """A COPY that a stream runs. Nothing else uses the connection from then on; the statement is in the encoding of its session."""

    connection: extensions.connection
    statement: bytes


class _Blocks(io.RawIOBase):
    """A file to write to: takes bytes in any portions, and passes on blocks of complete rows."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take: Callable[[bytes], None] | None = take
        self._rest: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, portion: Buffer, /) -> int:
        data = bytes(portion)
        end = data.rfind(b"\n") + 1
        if end and self._take:
            block = b"".join([*self._rest, data[:end]])
            self._rest = []
            self._take(block)
        if end < len(data):
            self._rest.append(data[end:])
        return len(data)

    def stop(self) -> None:
        """Discards everything written from now on, such as what a buffer flushes when it is closed."""
        self._take = None

    @property
    def ends_with_row(self) -> bool:
        return not self._rest


class Stream(Generic[_Parsed]):
    """The parsed blocks of one COPY, in order, or of several, as they arrive. Iterate it once. Always call `close`, which also ends it
    early."""

    def __init__(self, copies: Sequence[Copy], parse: Callable[[Any], _Parsed]) -> None:
        self.rows = -1
        """The number of rows that the server reports it sent; -1 until the end."""
        self._copies = copies
        self._parse = parse
        self._sent: dict[int, int] = {}
        """The numbers of rows of the copies that have ended well, by their place in `copies`."""
        parsers = max(_PARSERS, len(copies))
        self._room = threading.BoundedSemaphore(parsers + _WAITING)
        self._abandoned = threading.Event()
        self._parsed: queue.SimpleQueue[Future[_Parsed] | int] = queue.SimpleQueue()
        """Blocks, and the place of each copy when it has ended."""
        self._parsers = ThreadPoolExecutor(parsers, thread_name_prefix="copy-parse")
        self._copiers = ThreadPoolExecutor(len(copies), thread_name_prefix="copy")

    @property
    def connections(self) -> list[extensions.connection]:
        return [copy.connection for copy in self._copies]

    @property
    def block_bytes(self) -> int:
        """The approximate size of a block."""
        return max(_SMALLEST_BLOCK, min(BLOCK, 2 * BLOCK // len(self._copies)))

    def __iter__(self) -> Iterator[_Parsed]:
        """Raises the error of a parser or of the driver, of whichever copy comes first; discard all blocks of the stream then."""
        copying = [self._copiers.submit(self._run, place) for place in range(len(self._copies))]
        running = len(copying)
        while running:
            block = self._parsed.get()
            if isinstance(block, int):
                copying[block].result()
                running -= 1
                continue
            yield block.result()
            self._room.release()
        self.rows = sum(self._sent.values())

    def close(self) -> None:
        """Ends the threads and waits for them; that is quick, because the server's statements are cancelled."""
        self._abandoned.set()
        for place, (connection, _) in enumerate(self._copies):
            if place not in self._sent and connection.closed == 0:
                with contextlib.suppress(psycopg2.Error):  # if the server is gone, the copy ends without a cancel
                    connection.cancel()
        self._copiers.shutdown()
        self._parsers.shutdown(cancel_futures=True)

    def _run(self, place: int) -> None:
        try:
            self._sent[place] = self._copy(*self._copies[place])
        finally:
            self._parsed.put(place)

    def _copy(self, connection: extensions.connection, statement: bytes) -> int:
        """Submits the blocks of one copy. Returns the number of rows that the server reports."""
        blocks = _Blocks(self._submit)
        # The driver writes row by row. A buffered writer collects the rows without running Python for each.
        writer = io.BufferedWriter(blocks, self.block_bytes)
        try:
            with connection.cursor() as cursor:
                cursor.copy_expert(statement, writer)
                writer.flush()
                if not blocks.ends_with_row:
                    raise EOFError("the server's COPY ended within a row")
                return int(cursor.rowcount)
        finally:
            blocks.stop()

    def _submit(self, block: object) -> None:
        while not self._room.acquire(timeout=0.5):
            if self._abandoned.is_set():
                raise Abandoned
        if self._abandoned.is_set():
            raise Abandoned
        self._parsed.put(self._parsers.submit(self._parse, block))
