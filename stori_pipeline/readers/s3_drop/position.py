"""Which files are new since a position, and the position after them.

Belongs here: pure functions over listings. Does not belong here: any call to S3 (`bucket`).
"""

# Why not simply the newest (LastModified, key). LastModified is in whole seconds, so that after a file was read another may appear
# in the same second under a lower key; and the LastModified of a large upload in pieces is when it *began*, so that it appears as old
# as it took long. So a position remembers each file of the last day (`LAG`) before the newest, by a short hash of its key, its ETag and
# its LastModified, and how many files there were before that. A file of that day that is not remembered is new; so is one that was
# overwritten. Should there be more of the earlier ones than there were, some turned up later than `LAG` allows for; since it cannot be
# told which, all files are then read again, as changes: that repeats rows and loses none. What this cannot see is an upload of over a day
# that overwrote a file or appeared when another earlier file went.
#
# A position is `{"bound", "before", "seen"}`: an instant in ISO 8601 or null, a number, and hashes of 15 digits each, at most
# `REMEMBERED` of them (some 350 kB) unless a single second had more files. Where a day has more, what is remembered begins later.

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from stori_pipeline.model.reading import Position
from stori_pipeline.readers.s3_drop.bucket import Dropped

LAG = timedelta(days=1)
"""How much later than its LastModified says a file may appear without everything being read again."""

REMEMBERED = 20_000
"""How many files a position remembers."""


def identity(file: Dropped) -> str:
    """What tells this version of a file from others."""
    version = "\0".join((file.key, file.etag, file.modified.isoformat()))
    return hashlib.md5(version.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:15]


def new_files(files: Sequence[Dropped], since: Position | None) -> list[Dropped]:
    """Those of a listing that the position does not cover, in their order."""
    if since is None or since["bound"] is None:
        return list(files)
    bound = datetime.fromisoformat(since["bound"])
    if sum(file.modified < bound for file in files) > since["before"]:
        return list(files)
    seen = frozenset(since["seen"])
    return [file for file in files if file.modified >= bound and identity(file) not in seen]


def reached(files: Sequence[Dropped], missed: Collection[Dropped], since: Position | None, remembered: int = REMEMBERED) -> Position:
    """The position after all files of a listing but the missed ones, which went or changed while they were being read."""
    read = [file for file in files if file not in missed]
    if not read:
        return {"bound": since["bound"] if since else None, "before": 0, "seen": []}
    bound = read[-1].modified - LAG
    if since is not None and since["bound"] is not None:
        bound = max(bound, datetime.fromisoformat(since["bound"]))  # a newest file that was removed makes nothing new of the others
    near = [file for file in read if file.modified >= bound]
    if len(near) > remembered:
        bound = near[-remembered].modified
        if near[-remembered - 1].modified == bound:
            # Only whole seconds are remembered: from the next on, unless this second is the last.
            bound = next((file.modified for file in near[-remembered:] if file.modified > bound), bound)
        near = [file for file in near if file.modified >= bound]
    return {"bound": bound.isoformat(), "before": len(read) - len(near), "seen": [identity(file) for file in near]}
