"""A `COPY … TO STDOUT` on its way: the server sends, threads parse, the caller takes, and memory stays bounded.

Belongs here: cutting the stream into blocks of whole rows, the threads, and how they end. Does not belong here: what is in a block.
"""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

import psycopg2
from psycopg2 import extensions

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 4 << 20
"""About so many bytes are parsed at a time; a block holds at least one row, however long. Arrow needs a millisecond for each block beside
its rows, which with smaller blocks is felt."""

_PARSERS = 2
"""Threads that parse. Arrow does without the interpreter's lock, but more than two have nothing to do: the server is slower."""

_WAITING = 4
"""Blocks that are parsed, or wait to be, or wait to be taken."""

_Parsed = TypeVar("_Parsed")


class _Abandoned(Exception):
    """The caller went away; the stream may stop."""


class _Blocks(io.RawIOBase):
    """The end of the stream: takes bytes in any portions and hands on whole rows, a block at a time."""

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
        """Takes no more: what a buffer in front still holds is meant for nobody."""
        self._take = None

    @property
    def whole(self) -> bool:
        return not self._rest


class Stream(Generic[_Parsed]):
    """The blocks of one COPY, parsed, in order. To be iterated once; `close` ends it early and must be called either way."""

    def __init__(self, connection: extensions.connection, statement: str, parse: Callable[[bytes], _Parsed]) -> None:
        self.rows = -1
        """How many rows the server says it sent; known at the end."""
        self._connection = connection
        self._statement = statement
        self._parse = parse
        self._room = threading.BoundedSemaphore(_WAITING)
        self._abandoned = threading.Event()
        self._parsed: queue.SimpleQueue[Future[_Parsed] | None] = queue.SimpleQueue()
        self._parsers = ThreadPoolExecutor(_PARSERS, thread_name_prefix="copy-parse")
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="copy")

    def __iter__(self) -> Iterator[_Parsed]:
        """Raises whatever a parser or the driver raised; then nothing of the stream may be kept."""
        copying = self._copier.submit(self._copy)
        while (block := self._parsed.get()) is not None:
            yield block.result()
            self._room.release()
        copying.result()

    def close(self) -> None:
        """Ends the threads, and waits for that: a moment, since what the server still does is cancelled."""
        self._abandoned.set()
        if self.rows < 0 and self._connection.closed == 0:
            with contextlib.suppress(psycopg2.Error):  # no server to cancel it any more: then the copy ends by that
                self._connection.cancel()
        self._copier.shutdown()
        self._parsers.shutdown(cancel_futures=True)

    def _copy(self) -> None:
        blocks = _Blocks(self._submit)
        # The driver hands over row by row. A buffered writer gathers them without a line of Python per row.
        writer = io.BufferedWriter(blocks, BLOCK)
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(self._statement, writer)
                writer.flush()
                if not blocks.whole:
                    raise EOFError("the server's COPY ended within a row")
                self.rows = cursor.rowcount
        finally:
            blocks.stop()
            self._parsed.put(None)

    def _submit(self, block: bytes) -> None:
        while not self._room.acquire(timeout=0.5):
            if self._abandoned.is_set():
                raise _Abandoned
        if self._abandoned.is_set():
            raise _Abandoned
        self._parsed.put(self._parsers.submit(self._parse, block))
