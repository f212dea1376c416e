"""The reader of files that others drop into a bucket.

Belongs here: the functions of the protocol. Does not belong here: how they work (`position`, `reading`, `formats`, `scaffolding`).
Files have no rows with which a mirror could be compared, so this reader is not `Comparable`; the mirror is compared with the lake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from stori_pipeline.contract import Refused
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import names_for
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, changes_of
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.s3_drop import CHANGES, Objects, drift, position, quarantined, reading, scaffolding, setup
from stori_pipeline.readers.s3_drop.bucket import Bucket
from stori_pipeline.readers.scaffolding import SuggestedTable, Suggestions, suggest_each
from stori_pipeline.readers.suggested_columns import taken_names


class S3DropReader:
    """Reads the files under a prefix of the bucket that the address names, `s3://bucket`. See `readers.Reader`.

    A table is all files under one prefix, in any mixture of JSON, CSV and Parquet, each plain or gzipped. A broken file is one row in
    quarantine (code `file`) and does not stop the others; it is read again when it is overwritten. Removing a file deletes no row, nor does
    a new version that lacks rows of the old one. A full refresh can read only the files that the bucket still has.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return f"S3DropReader({self._url!r})"

    def _opened(self, table: Table) -> tuple[Bucket, Objects]:
        objects = changes_of(table, CHANGES)
        return Bucket(self._url, table.full_name, table.source.name), objects

    def head(self, table: Table, since: Position | None) -> str:
        """Takes a request per thousand files."""
        bucket, objects = self._opened(table)
        if since is None or "before" not in since:
            return "new"
        new = position.new_files(bucket.of_table(objects), since)
        return f"{len(new)} {sum(int(position.identity(file), 16) for file in new):x}" if new else ""

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        bucket, objects = self._opened(table)
        if since is not None and "before" not in since:
            raise PositionLost(f"{table.full_name}: its position is not one of dropped files; a new generation must be read")
        if day is not None:
            yield reading.DayOfFilesReading(bucket, table, objects, since, day)
        else:
            yield reading.DropReading(bucket, table, objects, since)

    def rows_again(self, table: Table, rejected: Sequence[Refused], since: Position) -> list[Again]:  # noqa: ARG002  (a row names its file)
        """See `ReadsQuarantine`. Asks the bucket only for broken files."""
        objects = changes_of(table, CHANGES)
        return [quarantined.rows_again(lambda: self._opened(table)[0], table, objects, each) for each in rejected]

    def describe(self, source: str) -> str:
        return setup.describe(self._url, source)

    def drift(self, table: Table) -> list[Drift]:
        bucket, objects = self._opened(table)
        return drift.drift(bucket, table, objects)


def suggest(url: str, *, source: str, names: Sequence[str], known: Sequence[Table], progress: Callable[[str], object]) -> Suggestions:
    """See `readers.suggest`; tables are the bucket's folders."""
    bucket = Bucket(url, source, source)
    read = [each.changes.key_prefix for each in known if isinstance(each.changes, Objects)]
    folders, files = ([], []) if names else bucket.top()
    wanted = list(names) or [each for each in folders if not any(each.startswith(prefix) for prefix in read)]
    prefixes = {Objects(each).key_prefix for each in wanted}
    taken = taken_names(known, lambda each: isinstance(each.changes, Objects) and each.changes.key_prefix in prefixes)
    ours = names_for(wanted, taken, prefix="t_")
    left_out = []
    if files and "" not in read:
        left_out.append(f'{files[0]}: it and all other files in no folder ({len(files):,}); Objects("") reads every file of the bucket')

    def suggested(folder: str) -> SuggestedTable:
        return scaffolding.suggested_table(bucket, folder, ours[folder])

    return suggest_each(wanted, suggested, progress, asked=bool(names), left_out=left_out)
