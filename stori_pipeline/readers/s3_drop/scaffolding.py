"""Suggested definitions of dropped files.

Belongs here: what follows from samples of files. Does not belong here: fetching them (`sampling`), reading tables (`reading`), or the text
of a definition (`readers.scaffolding`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stori_pipeline.contract import Misfit
from stori_pipeline.imports import later
from stori_pipeline.model.names import names_for
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.suggestions import Suggestion, for_column, for_values, type_named
from stori_pipeline.model.types.type import Role
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.json_rows import path_of
from stori_pipeline.readers.s3_drop import Objects, csv_values, formats
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.bucket import Bucket
from stori_pipeline.readers.s3_drop.headers import folded, own_places, shown
from stori_pipeline.readers.s3_drop.parquet_values import BASE64, is_bytes
from stori_pipeline.readers.s3_drop.sampling import FileSample, samples
from stori_pipeline.readers.scaffolding import SuggestedColumn, SuggestedTable, text
from stori_pipeline.readers.suggested_columns import Sampled, for_json, handed_as_json, has_path, suggested_column, without_path

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")


@dataclass
class Merged:
    """The samples of several files as one: the rows by the fields' names, and what the files declare."""

    sampled: Sampled
    types: dict[str, list[pa.DataType]]
    kinds: dict[str, set[str]]
    """The formats of the files that have a field."""
    decimal: str = "."
    """The character before the places of a number in CSV."""


def merged(files: Sequence[FileSample]) -> Merged:
    """The fields of all files that are not broken. A column of CSV or Parquet whose name is like one of another file is the same column,
    if it is clear which. A file of which that is not clear, however its columns are named, is broken from here on."""
    for file in files:
        if file.kind != "json" and not file.broken:
            file.broken = _unclear(file)
    files = [file for file in files if not file.broken]
    found = Merged(Sampled(), {}, {})
    names = _names(files)
    for file in files:
        found.sampled.rows += file.rows
        name_of = _names_in(file, names)
        for label, values in file.values.items():
            name = name_of.get(label, label)
            found.sampled.values.setdefault(name, []).extend(values)
            found.kinds.setdefault(name, set()).add(file.kind)
            if label in file.types:
                found.types.setdefault(name, []).append(file.types[label])
    in_order = dict.fromkeys([*names, *found.sampled.values])
    found.sampled.values = {name: found.sampled.values[name] for name in in_order if name in found.sampled.values}
    return found


def _names_in(file: FileSample, names: Iterable[str]) -> dict[str, str]:
    """The name of each column of a file, by its label, as the reader finds it by the names of all files.

    Raises:
        BrokenFile: it is not clear which name a column has.
    """
    if file.kind == "json":
        return {}
    labelled = list(file.values)
    return {labelled[place]: name for name, place in own_places(filter(has_path, names), labelled).items()}


def _unclear(file: FileSample) -> str:
    """Why no names can tell the columns of a file apart; "" if its own names can."""
    own = [shown(label) for label in file.values if has_path(shown(label))]
    try:
        known = _names_in(file, own)
    except BrokenFile as error:
        return str(error)
    if len(known) < len(own):
        return "several of its columns have names that look the same"
    return "" if own or not file.values else "none of its columns has a name that can be written"


def _names(files: Sequence[FileSample]) -> list[str]:
    """The names of the fields of all files, as few as tell the columns of each file apart."""
    names: dict[str, None] = {}
    for file in files:
        alike = {folded(name): name for name in names if has_path(name)}
        for label in file.values:
            name = label if file.kind == "json" else shown(label)
            if name not in names and (file.kind == "json" or folded(name) not in alike or not has_path(name)):
                names.setdefault(name)
    # Where a name of another file does not say which column is meant, the file's own names do.
    while more := {shown(label) for file in files if not _is_told_apart(file, names) for label in file.values} - names.keys():
        names |= dict.fromkeys(more)
    return list(names)


def _is_told_apart(file: FileSample, names: Iterable[str]) -> bool:
    try:
        found = _names_in(file, names)
    except BrokenFile:
        return False
    return file.kind == "json" or all(label in found for label in file.values if has_path(shown(label)))


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
        as_texts = _of_texts(list(map(_as_csv, values)), _Cells(found.decimal, only_csv=kinds == {"csv"}), role)
        is_number = type_named(as_texts.python).is_text and (numbers := _as_numbers(values))
        return path, for_json(numbers, is_key=is_key) if is_number else as_texts
    if not any(map(is_bytes, found.types[name])):
        return path, for_column(found.types[name], values, role=role)
    try:
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        guess = "each value is a text in UTF-8"
    except UnicodeDecodeError:
        texts, path, guess = [None if value is None else "" for value in values], f"{BASE64}{path}", "bytes, read as base64"
    of_texts = for_column([pa.string()], texts, role=role)
    return path, replace(of_texts, guess="; ".join(filter(None, (guess, of_texts.guess))))


def _as_numbers(values: Sequence[Any]) -> list[Any]:
    """The values as numbers, if a file of another format declares numbers and the texts of CSV are some; else none. How many zeros such a
    text has at its end says nothing then."""
    texts = [value for value in values if isinstance(value, str)]
    declared = any(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in values)
    if not (declared and all(map(_PLAIN_NUMBER.fullmatch, texts))):
        return []
    return [Decimal(value) if isinstance(value, str) else value for value in values]


_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


@dataclass(frozen=True)
class _Cells:
    """What the reader hands to the contract for a text of a field, of CSV or of several formats."""

    decimal: str
    only_csv: bool

    def __call__(self, kind: Type, value: Any) -> Any:
        if not isinstance(value, str):
            return handed_as_json(kind, value)
        cell = csv_values.cell(value, kind, self.decimal)
        # A text of another format is taken as it is, and nothing here says which texts those are.
        return cell if self.only_csv or cell == value else Misfit("type", f"{value!r} is not the same in all formats")


def _of_texts(values: Sequence[Any], handed: _Cells, role: Role | None) -> Suggestion:
    is_comma = handed.decimal == "," and handed.only_csv
    if is_comma and all(value is None or (isinstance(value, str) and _WITH_COMMA.fullmatch(value)) for value in values):
        with_point = [value and value.replace(",", ".") for value in values]
        as_number = for_values(with_point, handed=_Cells(".", only_csv=True), role=role, in_json=False)
        if not type_named(as_number.python).is_text:
            return as_number
    return for_values(values, handed=handed, role=role, in_json=False)


_WITH_COMMA = re.compile(r"\s*[+-]?\d+(,\d+)?\s*")


def _as_csv(value: Any) -> Any:
    """A value of another format as CSV has it, for columns that files of both formats have."""
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, "f") if isinstance(value, Decimal) else str(value) if isinstance(value, (int, float, date)) else value


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
    objects = _as_most(objects, readable)
    used = [file for file in readable if not _another_way(file, objects)]
    found = replace(merged(used), decimal=objects.decimal)
    used = [file for file in used if not file.broken]
    if not any(file.rows for file in used):
        raise SourceError(
            f"s3://{bucket.name}/{prefix}: there is no readable file, so no definition can be suggested; drop one first"
            + "".join(f". {file.file.key}: {file.broken}" for file in files[:1] if file.broken)
        )
    key = found.sampled.key()
    own = [column.name for column in formats.FILE_COLUMNS]
    suggested = columns(found, [key] if key else [], own)
    return SuggestedTable(
        name=name,
        columns=(*_FILE_COLUMNS, *suggested.values()),
        key=(suggested[key].name,) if key else tuple(own),
        changes=_strategy(objects),
        package="stori_pipeline.readers.s3_drop",
        notes=tuple(_notes(files, used, count, found, objects)),
        key_notes=(_key_note(found.sampled, key),),
    )


def folder(prefix: str) -> str:
    """The prefix of a definition for what someone calls a folder."""
    return prefix if not prefix or prefix.endswith(("/", "*")) else f"{prefix}/"


_FILE_COLUMNS = tuple(
    SuggestedColumn(column.name, str(column.type), nullable=False, path=column.source_path) for column in formats.FILE_COLUMNS
)


def _as_most(objects: Objects, files: Sequence[FileSample]) -> Objects:
    """The options by which most of the files can be read."""
    of_csv = [file for file in files if file.kind == "csv"]
    layouts = Counter((file.objects.delimiter, file.objects.header_line) for file in of_csv).most_common(1)
    delimiter, header_line = layouts[0][0] if layouts else (objects.delimiter, objects.header_line)
    encodings = Counter(file.objects.encoding for file in files if file.kind != "parquet" and file.objects.encoding != "ascii")
    decimals = Counter(file.decimal for file in of_csv if file.decimal and file.objects.delimiter == delimiter).most_common(1)
    return replace(
        objects,
        delimiter=delimiter,
        header_line=header_line,
        encoding=encodings.most_common(1)[0][0] if encodings else objects.encoding,
        decimal=decimals[0][0] if decimals else objects.decimal,
        rows_at=formats.ENVELOPE if any(file.has_envelope for file in files) else None,
    )


def _another_way(file: FileSample, objects: Objects) -> str:
    """How a file is written that the options do not read; "" if they do."""
    if file.kind == "parquet":
        return ""
    if file.objects.encoding not in ("ascii", objects.encoding):
        return f"another encoding, {file.objects.encoding!r}"
    if file.kind == "csv" and file.objects.delimiter != objects.delimiter:
        return f"another delimiter, {file.objects.delimiter!r}"
    if file.kind == "csv" and file.objects.header_line != objects.header_line:
        return f"the names of its columns in another line, {file.objects.header_line}"
    if file.kind == "csv" and file.decimal not in ("", objects.decimal):
        return f"another decimal character, {file.decimal!r}"
    return ""


_DEFAULTS = Objects("")


def _strategy(objects: Objects) -> str:
    options = ("delimiter", "encoding", "decimal", "header_line", "rows_at")
    values = {name: getattr(objects, name) for name in options if getattr(objects, name) != getattr(_DEFAULTS, name)}
    more = [f"{name}={text(value) if isinstance(value, str) else value}" for name, value in values.items()]
    return f"Objects({', '.join([text(objects.prefix), *more])})"


def _key_note(sampled: Sampled, key: str) -> str:
    if key:
        return f'a guess: {sampled.rows:,} of {sampled.rows:,} rows differ in it; if rows may repeat it, write ("file", "line")'
    return "the place of a row in its file; if other columns identify a row, name them, and declare them nullable=False"


def _notes(files: Sequence[FileSample], used: Sequence[FileSample], count: int, found: Merged, objects: Objects) -> list[str]:
    is_all = len(used) == count and all(file.is_whole for file in used)
    others = [(file, way) for file in files if not file.broken and (way := _another_way(file, objects))]
    before = objects.header_line - 1
    return [
        f"suggested from {found.sampled.rows:,} rows of {len(used):,} of {count:,} files" + (", which is all" if is_all else ""),
        *([f"a guess: the first {before:,} lines of each file come before the names of the columns"] if before > 0 else []),
        *(f"{file.file.key} cannot be read: {file.broken}" for file in files if file.broken),
        *(f"{file.file.key} has {way}; give its files a folder of their own" for file, way in others),
        *without_path(found.sampled),
    ]
