"""The same rows as CSV, JSON, JSON lines and Parquet, plain and gzipped, land as the same rows, or are rejected for the same reasons.

The rows are hostile: quotes and line ends, numbers and dates at the edges of their types and beyond, texts that look like numbers. What the
formats cannot agree on is documented: an empty field of CSV is null.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.contract import conform
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, decimal, double, super_, timestamptz, varchar
from stori_pipeline.model.types import date as date_type
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.decoding import unzipped
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.dropping import FILE, Drops
from stori_pipeline_tests.readers.scaffolded_drops import parquet_bytes, read, suggested

Row = dict[str, Any]

TABLE = Table(
    Source("feed", "s3_drop", "A feed."),
    "rows",
    (
        Column("id", varchar(256), nullable=False),
        Column("zip", varchar(16)),
        Column("amount", decimal(18, 2)),
        Column("number", bigint),
        Column("ratio", double),
        Column("flag", boolean),
        Column("day", date_type),
        Column("at", timestamptz),
        Column("note", varchar(24)),
        Column("country", varchar(24), path="address.country"),
        Column("doc", super_),
    ),
    ("id",),
    Objects("rows/"),
)

_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_TEXTS = (
    st.sampled_from(['"', "a,b", "a;b", "two\r\nlines", "\n", " padded ", "NULL", "null", "\\N", "'", "ż🚀", "\ufeff", "\0", "x" * 30])
    | _ANY_TEXT
)
_ANY_DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)
_UTC = st.just(timezone.utc)
_FIRST, _LAST = datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "zip": st.sampled_from(["01234", "00501", "1e5", "+5", "1.10", "true"]) | _TEXTS,
    "amount": st.decimals(-(10**20), 10**20, places=3) | st.decimals(-(10**15), 10**15, places=2) | st.just(Decimal("-0.00")),
    "number": st.integers(-(2**65), 2**65) | st.sampled_from([2**63 - 1, -(2**63), 2**63, 0]),
    "ratio": st.floats() | st.sampled_from([1e27, 1e28, -0.0, 5e-324, 0.1]),
    "flag": st.booleans(),
    "day": st.dates() | st.sampled_from([date.min, date.max]),
    "at": st.datetimes(timezones=_UTC) | st.sampled_from([_FIRST, _LAST]),
    "note": _TEXTS,
    "country": _TEXTS,
    "doc": _ANY_DOCUMENT,
}


@st.composite
def rows_of(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]]) -> list[Row]:
    """Rows with an id of their own each, in which any value may be missing."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        row = {name: draw(st.none() | each) for name, each in values.items()}
        found.append({"id": f"{number} {draw(_TEXTS)}", **row})
    return found


# --- writing ---------------------------------------------------------------------------------------------------------


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "doc":
        return json_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value if isinstance(value, str) else str(value)


def _csv(rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["address.country" if name == "country" else name for name in rows[0]])
    writer.writerows([[_as_text(name, value) for name, value in row.items()] for row in rows])
    return out.getvalue().encode()


def _object(row: Row) -> str:
    nested = {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items() if name != "country"}
    return json_text({**nested, "address": {"country": row["country"]}} if "country" in row else nested)


def _array(rows: Sequence[Row]) -> bytes:
    return f"[{', '.join(map(_object, rows))}]".encode()


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(f"{_object(row)}\n" for row in rows).encode()


def _envelope(rows: Sequence[Row]) -> bytes:
    return f'{{"total": {len(rows)}, "data": [{", ".join(map(_object, rows))}]}}'.encode()


_ARROW = {
    "amount": pa.decimal128(38, 3), "number": pa.decimal128(38, 0), "ratio": pa.float64(), "flag": pa.bool_(), "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
}  # fmt: skip


def _parquet(rows: Sequence[Row]) -> bytes:
    columns: dict[str, pa.Array] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "country":
            columns["address"] = pa.array([{"country": value} for value in values], pa.struct([("country", pa.string())]))
        elif name == "doc":
            columns[name] = pa.array([None if value is None else json_text(value) for value in values], pa.string())
        else:
            kind = _ARROW.get(name, pa.string())
            columns[name] = pa.array([Decimal(value) if name == "number" and value is not None else value for value in values], kind)
    return parquet_bytes(pa.table(columns))


WRITERS: dict[str, tuple[str, Callable[[Sequence[Row]], bytes]]] = {
    "1.csv": ("csv", _csv),
    "2.json": ("json", _array),
    "3.ndjson": ("json", _lines),
    "4.json": ("json", _envelope),
    "5.parquet": ("parquet", _parquet),
}


# --- reading ---------------------------------------------------------------------------------------------------------

Found = tuple[dict[str, Row], dict[str, tuple[str, str]]]


def _read(kind: str, body: bytes) -> Found:
    """The landed rows by their id, and the code and column of each that was rejected."""
    with unzipped(io.BytesIO(body)) as file:
        landed, rejected = conform(TABLE, list(formats.rows(TABLE, kind, file, replace(FILE, size=len(body)), Objects("rows/"))))
    rows = {row["id"]: {name: _without_empty(value) for name, value in row.items()} for row in landed.to_pylist()}
    return rows, {json.loads(each["raw"])["row"]["id"]: (each["code"], each["column"]) for each in rejected.to_pylist()}


def _without_empty(value: Any) -> Any:
    """The value, None for an empty text, which CSV does not have."""
    return None if value == "" and isinstance(value, str) else value


@settings(max_examples=extent(100, 3_000))
@given(rows_of(VALUES), st.booleans())
def test_the_same_rows_in_any_format_land_as_the_same_rows_or_reasons(rows: list[Row], zipped: bool) -> None:
    found = {name: _read(kind, gzip.compress(write(rows)) if zipped else write(rows)) for name, (kind, write) in WRITERS.items()}
    landed, rejected = found["2.json"]
    assert len(landed) + len(rejected) == len(rows)
    for name, each in found.items():
        assert each == (landed, rejected), name


# --- suggested definitions -------------------------------------------------------------------------------------------

_FITTING = {
    "zip": st.integers(0, 99_999).map(lambda number: f"{number:05}"),
    "amount": st.decimals(-(10**15), 10**15, places=2),
    "number": st.integers(-(2**63), 2**63 - 1),
    "ratio": st.integers(-(10**9), 10**9).map(lambda number: number / 8),
    "flag": st.booleans(),
    "day": st.dates(),
    "at": st.datetimes(timezones=_UTC) | st.sampled_from([_FIRST, _LAST]),
    "note": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
}
_FOLDERS = count()
_SOME_WRITERS = st.lists(st.sampled_from(sorted(WRITERS)), min_size=1, max_size=3, unique=True)


@settings(max_examples=extent(15, 400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of(_FITTING), _SOME_WRITERS, st.booleans())
def test_a_suggested_definition_takes_the_same_rows_from_every_format(
    drops: Drops, rows: list[Row], names: list[str], zipped: bool
) -> None:
    folder = f"folder {next(_FOLDERS)}"
    rows = [{**row, "id": row["id"].replace("\0", "0")} for row in rows]
    for name in names:
        body = WRITERS[name][1](rows)
        drops.put(f"{folder}/{name}", gzip.compress(body) if zipped else body)
    _, table = suggested(drops, folder)
    by_file: dict[str, list[Row]] = {}
    for row in sorted(read(drops, replace(table, key=("file", "line"))).rows, key=lambda row: (row["file"], row["line"])):
        by_file.setdefault(row["file"], []).append({name: _without_empty(value) for name, value in row.items() if name != "file"})
    assert by_file.keys() == {f"{folder}/{name}" for name in names}
    first = by_file[f"{folder}/{names[0]}"]
    assert len(first) == len(rows)
    for name, each in by_file.items():
        assert each == first, name
