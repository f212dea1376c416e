"""Streams a `COPY … TO STDOUT`: the server sends, threads parse, the caller iterates, in bounded memory.

Belongs here: splitting the stream into blocks of complete rows, and the threads. Does not belong here: parsing a block (`copy_text`).
"""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import psycopg2
from psycopg2 import extensions

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 4 << 20
"""The approximate size in bytes of a block, which holds at least one row. Arrow needs a millisecond per block in addition to its rows, so
smaller blocks are slower."""

_PARSERS = 2
"""The number of parsing threads. Arrow releases the GIL, but a third thread would be idle: the server is slower than two."""

_WAITING = 4
"""The number of blocks that may be in memory: waiting for a parser, being parsed, or waiting for the caller."""

_Parsed = TypeVar("_Parsed")


class Abandoned(Exception):
    """The caller closed the stream."""


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
    """The parsed blocks of one COPY, in order. Iterate it once. Always call `close`, which also ends it early."""

    def __init__(self, connection: extensions.connection, statement: bytes, parse: Callable[[Any], _Parsed]) -> None:
        """`statement` is in the encoding of the session."""
        self.rows = -1
        """The number of rows that the server reports it sent; -1 until the end."""
        self._connection = connection
        self._statement = statement
        self._parse = parse
        self._room = threading.BoundedSemaphore(_WAITING)
        self._abandoned = threading.Event()
        self._parsed: queue.SimpleQueue[Future[_Parsed] | None] = queue.SimpleQueue()
        self._parsers = ThreadPoolExecutor(_PARSERS, thread_name_prefix="copy-parse")
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="copy")

    def __iter__(self) -> Iterator[_Parsed]:
        """Raises the error of a parser or of the driver; discard all blocks of the stream then."""
        copying = self._copier.submit(self._copy)
        while (block := self._parsed.get()) is not None:
            yield block.result()
            self._room.release()
        copying.result()

    def close(self) -> None:
        """Ends the threads and waits for them; that is quick, because the server's statement is cancelled."""
        self._abandoned.set()
        if self.rows < 0 and self._connection.closed == 0:
            with contextlib.suppress(psycopg2.Error):  # if the server is gone, the copy ends without a cancel
                self._connection.cancel()
        self._copier.shutdown()
        self._parsers.shutdown(cancel_futures=True)

    def _copy(self) -> None:
        blocks = _Blocks(self._submit)
        # The driver writes row by row. A buffered writer collects the rows without running Python for each.
        writer = io.BufferedWriter(blocks, BLOCK)
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(self._statement, writer)
                writer.flush()
                if not blocks.ends_with_row:
                    raise EOFError("the server's COPY ended within a row")
                self.rows = cursor.rowcount
        finally:
            blocks.stop()
            self._parsed.put(None)

    def _submit(self, block: object) -> None:
        while not self._room.acquire(timeout=0.5):
            if self._abandoned.is_set():
                raise Abandoned
        if self._abandoned.is_set():
            raise Abandoned
        self._parsed.put(self._parsers.submit(self._parse, block))
