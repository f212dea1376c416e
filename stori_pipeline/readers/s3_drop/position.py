"""Which files are new since a position, and the position after them.

Belongs here: pure functions over listings. Does not belong here: any call to S3 (`bucket`).
"""

# The newest (LastModified, key) is not enough. LastModified has whole seconds, so a file with a lower key may appear in the same second
# after the first was read; and the LastModified of a multipart upload is when it *began*, so a long upload appears with an old time.
#
# So a position remembers each file of the last day (`LAG`) before the newest, by a short hash of its key, its ETag and its LastModified,
# and the number of files before that day. A file of that day is new if its hash is not remembered; an overwritten file has another hash. If
# there are more files before that day than remembered, some appeared later than `LAG`. It is unknown which, so all files are read again, as
# changes; this repeats rows and loses none. One case is not detected: an upload of over a day that overwrites a file, or that appears while
# another file of before that day is removed.
#
# A position is `{"bound", "before", "seen"}`: an instant in ISO 8601 or null, a number, and hashes of 15 digits each, at most `REMEMBERED`
# of them (some 350 kB) unless one second has more files. If a day has more files, the remembered time is shorter.

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from stori_pipeline.model.reading import Position
from stori_pipeline.readers.s3_drop.bucket import Dropped

LAG = timedelta(days=1)
"""How much later than its LastModified a file may appear; if one appears later than that, all files are read again."""

REMEMBERED = 20_000
"""The number of files that a position remembers."""


def identity(file: Dropped) -> str:
    """A short hash that identifies this version of a file."""
    version = "\0".join((file.key, file.etag, file.modified.isoformat()))
    return hashlib.md5(version.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:15]


def has_read(since: Position | None) -> bool:
    """Whether any file was there at a position, or before it."""
    return since is not None and since["bound"] is not None


def new_files(files: Sequence[Dropped], since: Position | None) -> list[Dropped]:
    """The files of a listing that the position does not cover, in order."""
    if since is None or since["bound"] is None:
        return list(files)
    bound = datetime.fromisoformat(since["bound"])
    if sum(file.modified < bound for file in files) > since["before"]:
        return list(files)
    seen = frozenset(since["seen"])
    return [file for file in files if file.modified >= bound and identity(file) not in seen]


def reached(files: Sequence[Dropped], missed: Collection[Dropped], since: Position | None, remembered: int = REMEMBERED) -> Position:
    """The position after all files of a listing except `missed`, which were removed or overwritten before they could be read."""
    read = [file for file in files if file not in missed]
    if not read:
        return {"bound": since["bound"] if since else None, "before": 0, "seen": []}
    bound = read[-1].modified - LAG
    if since is not None and since["bound"] is not None:
        bound = max(bound, datetime.fromisoformat(since["bound"]))  # the bound must not move back if the newest file was removed
    near = [file for file in read if file.modified >= bound]
    if len(near) > remembered:
        bound = near[-remembered].modified
        if near[-remembered - 1].modified == bound:
            # A second is remembered with all its files or not at all: begin with the next second, if there is one.
            bound = next((file.modified for file in near[-remembered:] if file.modified > bound), bound)
        near = [file for file in near if file.modified >= bound]
    return {"bound": bound.isoformat(), "before": len(read) - len(near), "seen": [identity(file) for file in near]}
