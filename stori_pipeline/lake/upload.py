"""Getting bytes into S3 while more of them are being made: bounded threads, and a file that uploads itself in pieces.

Belongs here: threads, back-pressure, and the way an error takes from a thread to the caller. Does not belong here: what the
bytes are (`parts`) or what a failing S3 means (`bucket`).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from stori_pipeline.lake.bucket import Bucket, LakeError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

P = ParamSpec("P")
T = TypeVar("T")


class BoundedPool:
    """A few threads before which at most `depth` tasks are unfinished: who submits one more, waits.

    The first failure of any task is raised by every later `submit` and by `join`, in the thread that calls them, so that
    none is lost. Leaving the context drops what has not begun and waits for what has.
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
    """A file to write to, that becomes the object `key` when it is finished, and not before.

    It holds one piece in memory; full pieces go to the crew. What stays under one piece goes up in one request at the end.
    Written to by one thread at a time.
    """

    def __init__(self, bucket: Bucket, key: str, crew: BoundedPool, piece_bytes: int) -> None:
        self._bucket = bucket
        self._crew = crew
        self._piece_bytes = piece_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._upload = ""
        self._pieces: list[Future[CompletedPartTypeDef]] = []
        self._aborted = False
        self.key = key
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: ReadableBuffer) -> int:
        content = bytes(data)
        if self._aborted:  # a Parquet writer that is given up still writes its footer
            return len(content)
        self._waiting.append(content)
        self._waiting_bytes += len(content)
        self.size += len(content)
        if self._waiting_bytes >= self._piece_bytes:
            self._send()
        return len(content)

    def _send(self) -> None:
        if not self._upload:
            self._upload = self._bucket.start_upload(self.key)
        body = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        number = len(self._pieces) + 1
        self._pieces.append(self._crew.submit(self._bucket.upload_piece, self.key, self._upload, number, body))

    def seal(self) -> None:
        """Sends the last piece on its way; nothing is written after this."""
        if self._upload and self._waiting:
            self._send()

    def finish(self) -> None:
        """Makes the object appear, and checks that it has the size that was written.

        Raises:
            LakeError: it has not.
        """
        failure: LakeError | None = None
        if self._upload:
            try:
                self._bucket.complete_upload(self.key, self._upload, [piece.result() for piece in self._pieces])
            except LakeError as error:
                # A completion whose answer was lost is refused when the client repeats it. The name is this upload's alone,
                # so an object of the right size under it was made by the first try.
                failure = error
        else:
            self._bucket.put(self.key, b"".join(self._waiting))
        stored = self._bucket.size(self.key)
        if stored == self.size:
            return
        if failure is not None:
            raise failure
        found = "no object" if stored is None else f"{stored} bytes"
        raise LakeError(f"uploading {self._bucket.url(self.key)}: wrote {self.size} bytes but found {found}; run again")

    def abort(self) -> None:
        """Gives it up: no object appears, and S3 keeps no piece of it."""
        self._aborted = True
        self._waiting = []
        if self._upload:
            for piece in self._pieces:
                piece.cancel()
            wait(self._pieces)  # a piece that arrives after the abort would be kept, and paid for; the client bounds each in time
            self._bucket.abort_upload(self.key, self._upload)
