"""Suggested definitions of dropped files, and columns of files that no definition names.

Belongs here: what follows from samples of files. Does not belong here: fetching them (`sampling`), reading tables (`reading`), or the text
of a definition (`readers.scaffolding`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import names_for
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.suggestions import Suggestion, for_column, for_values
from stori_pipeline.model.types.type import Role
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.json_rows import literal, path_of
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.bucket import Bucket
from stori_pipeline.readers.s3_drop.headers import folded, own_places
from stori_pipeline.readers.s3_drop.parquet_values import BASE64, is_bytes, plain_path
from stori_pipeline.readers.s3_drop.sampling import FileSample, samples
from stori_pipeline.readers.sampled_drift import unnamed, wider
from stori_pipeline.readers.scaffolding import SuggestedColumn, SuggestedTable, text
from stori_pipeline.readers.suggested_columns import Sampled, for_json, handed_as_json, has_path, suggested_column, uncovered, without_path

_DRIFT_FILES = 3
_DRIFT_ROWS = 500


@dataclass
class Merged:
    """The samples of several files as one: the rows by the fields' names, and what the files declare."""

    sampled: Sampled
    types: dict[str, list[pa.DataType]]
    kinds: dict[str, set[str]]
    """The formats of the files that have a field."""


def merged(files: Sequence[FileSample]) -> Merged:
    """The fields of all files. A column of CSV or Parquet whose name differs from one of another file in case or white space is the same
    column, if no file has both."""
    found = Merged(Sampled(), {}, {})
    names = _names(files)
    for file in files:
        found.sampled.rows += file.rows
        labels = list(file.values)
        # As the reader will, which has all names for each file.
        own = {} if file.kind == "json" else own_places(filter(has_path, names), labels)
        name_of = {labels[place]: name for name, place in own.items()}
        for label, values in file.values.items():
            name = name_of.get(label, label)
            found.sampled.values.setdefault(name, []).extend(values)
            found.kinds.setdefault(name, set()).add(file.kind)
            if label in file.types:
                found.types.setdefault(name, []).append(file.types[label])
    found.sampled.values = {name: found.sampled.values[name] for name in names}
    return found


def _names(files: Sequence[FileSample]) -> list[str]:
    """The names of the fields of all files, as few as give each file a name for each of its columns."""
    names: dict[str, None] = {}
    alike: dict[str, list[str]] = {}
    for file in files:
        taken: set[str] = set()
        for label in file.values:
            name = label
            if label not in names and file.kind != "json" and has_path(label):
                free = (each for each in alike.get(folded(label), []) if each not in taken and each not in file.values)
                name = next(free, label)
            taken.add(name)
            if name not in names and has_path(name):
                alike.setdefault(folded(name), []).append(name)
            names.setdefault(name)
    return list(names)


def columns(found: Merged, keys: Sequence[str] = (), taken: Sequence[str] = ()) -> dict[str, SuggestedColumn]:
    """The suggested columns, by the names of the files' fields."""
    values = found.sampled.values
    fields = [name for name in values if has_path(name)]
    names = names_for(fields, taken)
    suggested = {}
    for name in fields:
        path, kind = _typed(name, found, is_key=name in keys)
        suggested[name] = suggested_column(names[name], kind, path, is_key=name in keys)
    return suggested


def _typed(name: str, found: Merged, *, is_key: bool) -> tuple[str, Suggestion]:
    """The path of a field, and its type."""
    role: Role | None = "key" if is_key else None
    values, kinds = found.sampled.values[name], found.kinds[name]
    path = path_of(name, members="json" in kinds)
    if kinds == {"json"}:
        return path, for_json(values, is_key=is_key)
    if kinds != {"parquet"}:
        return path, for_values(list(map(_as_csv, values)), handed=_handed, role=role, in_json=False)
    if not any(map(is_bytes, found.types[name])):
        return path, for_column(found.types[name], values, role=role)
    try:
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        guess = "each value is a text in UTF-8"
    except UnicodeDecodeError:
        texts, path, guess = [None if value is None else "" for value in values], f"{BASE64}{path}", "bytes, read as base64"
    of_texts = for_column([pa.string()], texts, role=role)
    return path, replace(of_texts, guess="; ".join(filter(None, (guess, of_texts.guess))))


def _as_csv(value: Any) -> Any:
    """A value of another format as CSV has it, for columns that files of both formats have."""
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, "f") if isinstance(value, Decimal) else str(value) if isinstance(value, (int, float, date)) else value


def _handed(kind: Type, value: Any) -> Any:
    return formats.cell(value, verbatim=kind.is_text) if isinstance(value, str) else handed_as_json(kind, value)


# --- a definition ----------------------------------------------------------------------------------------------------


def suggested_table(bucket: Bucket, prefix: str, name: str) -> SuggestedTable:
    """A suggested definition of the files of a folder.

    Args:
        prefix: the folder, or the beginning of keys with `*` at its end.
        name: our name for the table.

    Raises:
        SourceError: no file can be read.
    """
    objects = Objects(folder(prefix))
    files, count = samples(bucket, objects)
    readable = [file for file in files if not file.broken]
    if not any(file.rows for file in readable):
        raise SourceError(
            f"s3://{bucket.name}/{prefix}: there is no readable file, so no definition can be suggested; drop one first"
            + "".join(f". {file.file.key}: {file.broken}" for file in files[:1] if file.broken)
        )
    delimiter = Counter(file.delimiter for file in readable if file.kind == "csv").most_common(1)
    objects = replace(objects, delimiter=delimiter[0][0] if delimiter else ",")
    used = [file for file in readable if file.kind != "csv" or file.delimiter == objects.delimiter]
    found = merged(used)
    key = found.sampled.key()
    own = [column.name for column in formats.FILE_COLUMNS]
    suggested = columns(found, [key] if key else [], own)
    return SuggestedTable(
        name=name,
        columns=(*_FILE_COLUMNS, *suggested.values()),
        key=(suggested[key].name,) if key else tuple(own),
        changes=_strategy(objects),
        package="stori_pipeline.readers.s3_drop",
        notes=tuple(_notes(files, used, count, found)),
        key_notes=(_key_note(found.sampled, key),),
    )


def folder(prefix: str) -> str:
    """The prefix of a definition for what someone calls a folder."""
    return prefix if not prefix or prefix.endswith(("/", "*")) else f"{prefix}/"


_FILE_COLUMNS = tuple(
    SuggestedColumn(column.name, str(column.type), nullable=False, path=column.source_path) for column in formats.FILE_COLUMNS
)


def _strategy(objects: Objects) -> str:
    more = [] if objects.delimiter == "," else [f"delimiter={text(objects.delimiter)}"]
    return f"Objects({', '.join([text(objects.prefix), *more])})"


def _key_note(sampled: Sampled, key: str) -> str:
    if key:
        return f'a guess: {sampled.rows:,} of {sampled.rows:,} rows differ in it; if rows may repeat it, write ("file", "line")'
    return "the place of a row in its file; if other columns identify a row, name them, and declare them nullable=False"


def _notes(files: Sequence[FileSample], used: Sequence[FileSample], count: int, found: Merged) -> list[str]:
    is_all = len(used) == count and all(file.is_whole for file in used)
    others = [file for file in files if not file.broken and file not in used]
    return [
        f"suggested from {found.sampled.rows:,} rows of {len(used):,} of {count:,} files" + (", which is all" if is_all else ""),
        *(f"{file.file.key} cannot be read: {file.broken}" for file in files if file.broken),
        *(f"{file.file.key} has another delimiter, {file.delimiter!r}; give its files a folder of their own" for file in others),
        *without_path(found.sampled),
    ]


# --- drift -----------------------------------------------------------------------------------------------------------


def drift(bucket: Bucket, table: Table, objects: Objects) -> list[Drift]:
    """See `readers.Reader.drift`. Looks at the newest files and skips broken ones, which quarantine reports."""
    files, _ = samples(bucket, objects, files=_DRIFT_FILES, rows=_DRIFT_FILES * _DRIFT_ROWS)
    found = merged([file for file in files if not file.broken])
    taken = [column.name for column in table.columns]
    # As in `formats`, names match exactly in JSON and in folded form elsewhere.
    covered = {folded(literal(plain_path(column))) for column in table.columns}
    in_json = {name for name, kinds in found.kinds.items() if kinds == {"json"}}
    suggested = columns(found, taken=taken).items()
    added = [column for name, column in suggested if name not in in_json and folded(name) not in covered]
    objects_only = Sampled(found.sampled.rows, {name: found.sampled.values[name] for name in in_json})
    added += uncovered(objects_only, [column.source_path for column in table.columns], [*taken, *(column.name for column in added)])
    return [
        *wider(table, found.sampled, "files"),
        *(unnamed("files", repr(column.path), column) for column in sorted(added, key=lambda column: column.path)),
    ]
