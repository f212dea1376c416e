"""Uploads to S3 while more bytes are written: a bounded thread pool, and a file that uploads itself in pieces.

Belongs here: threads, back-pressure, and passing an error from a thread to the caller. Does not belong here: what the bytes are (`parts`),
or what an error of S3 means (`bucket`).
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
    """A file that becomes the object `key` when it is finished, not before.

    It holds one piece in memory and submits full pieces to the pool. A file smaller than a piece is uploaded in one request at the end.
    Only one thread at a time may write to it.
    """

    def __init__(self, bucket: Bucket, key: str, pool: BoundedPool, piece_bytes: int) -> None:
        self._bucket = bucket
        self._uploads = pool
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
        if self._aborted:  # an abandoned Parquet writer still writes its footer
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
        self._pieces.append(self._uploads.submit(self._bucket.upload_piece, self.key, self._upload, number, body))

    def seal(self) -> None:
        """Submits the last piece. Write nothing after this."""
        if self._upload and self._waiting:
            self._send()

    def finish(self) -> None:
        """Completes the upload and checks the size of the object.

        Raises:
            LakeError: the object is missing, or its size differs from the bytes written.
        """
        failure: LakeError | None = None
        if self._upload:
            try:
                self._bucket.complete_upload(self.key, self._upload, [piece.result() for piece in self._pieces])
            except LakeError as error:
                # If the response to a completion is lost, the client repeats the request, and S3 refuses it. Only this upload uses the
                # key, so an object of the right size means that the first request succeeded.
                failure = error
        else:
            self._bucket.put(self.key, b"".join(self._waiting))
        stored = self._bucket.size(self.key)
        if stored == self.size:
            return
        if failure is not None:
            raise failure
        size = "no object" if stored is None else f"{stored} bytes"
        raise LakeError(f"uploading {self._bucket.url(self.key)}: wrote {self.size} bytes but found {size}; run again")

    def abort(self) -> None:
        """Abandons the upload: no object appears, and S3 keeps no piece of it."""
        self._aborted = True
        self._waiting = []
        if self._upload:
            for piece in self._pieces:
                piece.cancel()
            wait(self._pieces)  # S3 would keep, and charge for, a piece that arrives after the abort
            self._bucket.abort_upload(self.key, self._upload)
