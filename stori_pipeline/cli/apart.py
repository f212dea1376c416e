"""Asks several questions side by side, each in the process that imports what it needs.

Belongs here: forking, and collecting answers. Does not belong here: any question (`quiet`).
"""

# Most of what a short command costs is importing drivers, which threads of one interpreter do one after another. So each group of questions
# is asked in a forked child. A process is forked only where that is safe: on Linux, and while it has one thread.

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress

Group = Mapping[str, Callable[[], str]]

_SECONDS = 15  # for which an answer is waited for

HERE = "here"
"""The group that this process asks itself."""


class Unanswered(RuntimeError):
    """A child failed, or did not answer in time."""


def answers(groups: Mapping[str, Group]) -> list[str]:
    """The answers that are not "", of all groups.

    Raises:
        Unanswered: a child failed, or did not answer within 15 seconds.
        Exception: whatever a question raises that this process asks.
    """
    if sys.platform != "linux" or threading.active_count() > 1 or len(os.sched_getaffinity(0)) < 2:
        return [answer for group in groups.values() for answer in _asked(group)]
    children = {name: _child(group) for name, group in groups.items() if name != HERE}
    try:
        found = _asked(groups.get(HERE, {}))
        end = time.monotonic() + _SECONDS
        for name, (_, pipe) in children.items():
            found += _read(name, pipe, end)
        return found
    finally:
        for pid, pipe in children.values():
            os.close(pipe)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it has answered, or is not waited for any longer
            os.waitpid(pid, 0)


def _asked(group: Group) -> list[str]:
    return [answer for ask in group.values() if (answer := ask())]


def _child(group: Group) -> tuple[int, int]:
    """Asks the group in a child. Returns its pid and the pipe with its answers."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads of libraries, which a child does not use
        pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:  # the child leaves by `_exit` alone: everything else belongs to its parent
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(_asked(group)).encode())
        code = 0
    finally:
        os._exit(code)


def _read(name: str, pipe: int, end: float) -> list[str]:
    text = b""
    while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
        if not (piece := os.read(pipe, 65_536)):
            break
        text += piece
    try:
        found: list[str] = json.loads(text)
    except ValueError:
        raise Unanswered(f"the process that asks {name} failed, or did not answer within {_SECONDS} s") from None
    return found
