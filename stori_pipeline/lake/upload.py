"""Uploads to S3 while more bytes are written: a bounded thread pool, and a file that uploads itself in pieces.

Belongs here: threads, back-pressure, and passing an error from a thread to the caller. Does not belong here: what the bytes are (`parts`),
or what an error of S3 means (`errors`).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.lake.errors import LakeError, explained

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from obstore import WritableFile

_PORTION = 1 << 20
"""The bytes that are passed on at once; a Parquet writer writes many small portions."""

P = ParamSpec("P")
T = TypeVar("T")


class BoundedPool:
    """A thread pool with at most `depth` unfinished tasks. `submit` waits for room.

    Every later `submit`, and `join`, raise the first failure of a task in the caller's thread, so no failure is lost. The end of the
    context drops tasks that have not begun, and waits for the others.
    """

    def __init__(self, name: str, threads: int, depth: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(depth)
        self._depth = depth
        self._failure: BaseException | None = None

    def submit(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self._room.acquire()
        if self._failure is not None:
            self._room.release()
            raise self._failure
        future = self._pool.submit(task, *args, **kwargs)
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: Future[T]) -> None:
        if not future.cancelled() and self._failure is None:
            self._failure = future.exception()
        self._room.release()

    def join(self) -> None:
        """Waits until every task is finished; raises the first failure."""
        for _ in range(self._depth):
            self._room.acquire()
        for _ in range(self._depth):
            self._room.release()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> BoundedPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class Upload(io.RawIOBase):
    """A file that becomes the object `key` when it is sealed or finished, not before.

    It uploads full pieces while more is written, and holds a piece and those on their way in memory. A file smaller than a piece is
    uploaded in one request at the end. Only one thread at a time may write to it.
    """

    def __init__(self, bucket: Bucket, key: str, pool: BoundedPool, piece_bytes: int) -> None:
        self._bucket = bucket
        self._uploads = pool
        self._writer: WritableFile | None = bucket.writer(key, piece_bytes)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sealed: Future[LakeError | None] | None = None
        self._aborted = False
        self.key = key
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: ReadableBuffer) -> int:
        content = bytes(data)
        if self._aborted:  # an abandoned Parquet writer still writes its footer
            return len(content)
        self._waiting.append(content)
        self._waiting_bytes += len(content)
        self.size += len(content)
        if self._waiting_bytes >= _PORTION:
            self._send()
        return len(content)

    def _send(self) -> None:
        body = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        if self._writer is not None:
            with explained("uploading", self._bucket.name, self.key):
                self._writer.write(body)

    def seal(self) -> None:
        """Completes the upload on a thread of the pool, so that the file no longer takes memory. Write nothing after this."""
        self._sealed = self._uploads.submit(self._complete)

    def _complete(self) -> LakeError | None:
        """Returns the failure, because it may not be one: see `finish`."""
        try:
            self._send()
            if self._writer is not None:
                with explained("completing", self._bucket.name, self.key):
                    self._writer.close()
        except FileNotFoundError as error:
            return LakeError(f"completing {self._bucket.url(self.key)}: S3 has no such upload; run again").with_traceback(
                error.__traceback__
            )
        except LakeError as error:
            return error
        return None

    def finish(self) -> None:
        """Completes the upload, if it is not sealed, and checks the size of the object.

        Raises:
            LakeError: the object is missing, or its size differs from the bytes written.
        """
        # If the response to a completion is lost, the client repeats the request, and S3 refuses it. Only this upload uses the key, so an
        # object of the right size means that the first request succeeded.
        failure = self._sealed.result() if self._sealed is not None else self._complete()
        stored = self._bucket.size(self.key)
        if stored == self.size:
            return
        if failure is not None:
            raise failure
        size = "no object" if stored is None else f"{stored} bytes"
        raise LakeError(f"uploading {self._bucket.url(self.key)}: wrote {self.size} bytes but found {size}; run again")

    def abort(self) -> None:
        """Abandons the upload: S3 keeps no piece of it, and no object that was sealed."""
        self._aborted = True
        was_written = self.size > self._waiting_bytes
        self._waiting = []
        if self._sealed is not None:
            self._sealed.cancel()
            wait([self._sealed])
            self._bucket.delete([self.key])
        self._writer = None  # which also ends the requests that are on their way
        if was_written:
            self._bucket.abort_uploads(self.key)
