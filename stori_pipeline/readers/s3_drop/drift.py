"""Drift of dropped files: what the newest files have and the definition does not, and the other way round.

Belongs here: holding a sample of the newest files against a definition. Does not belong here: sampling (`sampling`), or suggested columns
(`scaffolding`).
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.table import Table
from stori_pipeline.readers.json_rows import literal, steps
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.bucket import Bucket
from stori_pipeline.readers.s3_drop.headers import folded
from stori_pipeline.readers.s3_drop.parquet_values import plain_path
from stori_pipeline.readers.s3_drop.sampling import FileSample, samples
from stori_pipeline.readers.s3_drop.scaffolding import columns, merged
from stori_pipeline.readers.sampled_drift import unnamed, wider
from stori_pipeline.readers.suggested_columns import Sampled, uncovered

_FILES = 25
_ROWS = 2_500


def drift(bucket: Bucket, table: Table, objects: Objects) -> list[Drift]:
    """See `readers.Reader.drift`. Looks at the newest files and skips broken ones, which quarantine reports."""
    files, _ = samples(bucket, objects, files=_FILES, rows=_ROWS)
    found = merged([file for file in files if not file.broken])
    taken = [column.name for column in table.columns]
    # As in `formats`, names match exactly in JSON and in folded form elsewhere; a path may also lead into a struct.
    covered = {folded(name) for column in table.columns for name in (literal(plain_path(column)), steps(plain_path(column))[0])}
    in_json = {name for name, kinds in found.kinds.items() if kinds == {"json"}}
    suggested = columns(found, taken=taken).items()
    added = [column for name, column in suggested if name not in in_json and folded(name) not in covered]
    objects_only = Sampled(found.sampled.rows, {name: found.sampled.values[name] for name in in_json})
    added += uncovered(objects_only, [column.source_path for column in table.columns], [*taken, *(column.name for column in added)])
    return [
        *wider(table, found.sampled, "files"),
        *(unnamed("files", repr(column.path), column) for column in sorted(added, key=lambda column: column.path)),
        *_nowhere(table, [file for file in files if not file.broken]),
    ]


def _nowhere(table: Table, files: Sequence[FileSample]) -> list[Drift]:
    """The columns that none of the files has. An object of JSON may leave out what it has no value for, so its absence says nothing."""
    if not files or any(file.kind == "json" for file in files):
        return []
    have = {folded(label) for file in files for label in file.values}
    return [
        Drift(
            column.name,
            "dropped",
            f"none of the {len(files)} newest files has {column.source_path!r}, so the column {column.name} is null in their rows; correct "
            "its path, or remove the column",
        )
        for column in formats.fields(table)
        if not {folded(literal(plain_path(column))), folded(steps(plain_path(column))[0])} & have
    ]
