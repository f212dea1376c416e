"""Objects opened side by side, ahead of their turn, within a bound of memory.

Belongs here: which objects are opened when. Does not belong here: the requests (`s3`), and what is read from an object (`copy`). COPY of
many small files takes as long as their requests; one after another, each would wait for the one before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from redshift_local.load.s3 import RangedObject, S3Object, Store

AT_ONCE = 8
"""The objects that are opened and not yet read, at most."""

WHOLE = 2 * 1024 * 1024
"""Bytes; an object up to this size is fetched whole when it is opened."""

FOOTER = 64 * 1024
"""Bytes at the end of a larger object that are fetched then; usually they contain the complete footer."""

_Opening = tuple[S3Object, "Future[RangedObject | None]"]


def opened(objects: Sequence[S3Object], store: Store) -> Iterator[tuple[S3Object, RangedObject]]:
    """The objects that exist, in order, each opened. Memory holds the fetched bytes of AT_ONCE of them.

    Raises:
        RedshiftError: the object whose turn it is cannot be opened.
    """
    tasks: SimpleQueue[_Opening | None] = SimpleQueue()
    threads = min(AT_ONCE, len(objects))
    for _ in range(threads):
        # The interpreter does not wait for them when it ends, as it would for the threads of an executor.
        threading.Thread(target=_open_all, args=(tasks, store), name="copy-opener", daemon=True).start()
    waiting: deque[_Opening] = deque()
    try:
        for number, s3_object in enumerate(objects):
            for following in objects[number + len(waiting) : number + AT_ONCE]:
                waiting.append((following, Future()))
                tasks.put(waiting[-1])
            file = waiting.popleft()[1].result()
            if file is not None:
                yield s3_object, file
    finally:
        for _, future in waiting:
            future.cancel()
        for _ in range(threads):
            tasks.put(None)


def _open_all(tasks: SimpleQueue[_Opening | None], store: Store) -> None:
    while (task := tasks.get()) is not None:
        s3_object, future = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(store.open(s3_object, WHOLE if s3_object.size <= WHOLE else FOOTER))
        except BaseException as error:  # noqa: BLE001 - raised again when its turn comes, a panic of a library included
            future.set_exception(error)
        del task, future  # with the bytes that it holds
