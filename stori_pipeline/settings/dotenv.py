"""What `.env` holds, and which values of the environment are copies of it.

Belongs here: the file, and telling its values from those of the environment proper. `dagster dev` and the command copy `.env` into the
environment when they start, and the processes that they start inherit the copy. So that a changed file is read by all of them, the first
that reads it marks the copies in a variable that they inherit, too. Does not belong here: what a setting means (`declared`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

MARKS = "_STORI_DOTENV"
"""The variable with the marks: the file, and a digest of each value that was copied from it."""


def values() -> dict[str, str]:
    """The values in `.env` of the working directory, as they are now; none if there is no such file."""
    try:
        status = (file := Path.cwd() / ".env").stat()
    except OSError:
        return {}
    return dict(_read(file, status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=2)
def _read(file: Path, changed: int, size: int) -> Mapping[str, str]:  # noqa: ARG001  (both are part of the cache's key)
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value is not None}


def mark() -> frozenset[str]:
    """The names whose value in the environment is a copy of what `.env` holds or held; marks those that are not marked yet."""
    file, environ, now = str(Path.cwd() / ".env"), os.environ, values()
    marks = _marks(file)
    copied = {name: digest for name, digest in marks.items() if digest == _digest(environ.get(name, ""))}
    copied |= {name: _digest(value) for name, value in now.items() if environ.get(name) == value}
    if copied != marks:
        environ[MARKS] = json.dumps({"file": file, "copied": copied})
    return frozenset(copied)


def _marks(file: str) -> dict[str, str]:
    try:
        marks = json.loads(os.environ.get(MARKS, "{}"))
        return dict(marks["copied"]) if marks.get("file") == file else {}
    except (ValueError, KeyError, TypeError):
        return {}  # not written by this module


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=8).hexdigest()


def merged() -> tuple[dict[str, str], frozenset[str]]:
    """The environment, with the present values of `.env` where it has none of its own; and the names whose value is from the file."""
    copied, now = mark(), values()
    proper = {name: value for name, value in os.environ.items() if name not in copied}
    return {**now, **proper}, frozenset(now) - frozenset(proper)
