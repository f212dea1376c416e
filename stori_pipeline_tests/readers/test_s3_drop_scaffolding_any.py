"""Whatever dropped files hold, the definition that is suggested for them takes every row, unchanged."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.table import Column, Table
from stori_pipeline.pipeline import sync
from stori_pipeline.readers.json_rows import literal, steps
from stori_pipeline.readers.s3_drop.headers import labels, shown
from stori_pipeline.readers.suggested_columns import has_path
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.dropping import Drops
from stori_pipeline_tests.readers.scaffolded import is_same
from stori_pipeline_tests.readers.scaffolded_drops import csv_text, parquet_bytes, read, suggested
from stori_pipeline_tests.stores import Stores

if TYPE_CHECKING:
    pass


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_ALIKE = ["id", "ID", "Id", "a b", "a_b", "a.b", "A B", "\ta b", "id#1", "ID#2", "$key", "", "select", "Größe", "1st"]
_NAMES = st.lists(st.sampled_from(_ALIKE) | _TEXT, min_size=1, max_size=5)
_CELLS: Sequence[st.SearchStrategy[str]] = [
    st.integers(-(10**40), 10**40).map(str),
    st.integers(0, 9_999).map(lambda n: f"{n:05}"),
    st.decimals(-(10**20), 10**20, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["True", "false", "TRUE", "t"]),
    st.datetimes().map(lambda at: f"{at} UTC"),
    st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.just(""),
    _TEXT,
]
_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=4,
)
_FOLDERS = count()
_SETTINGS = settings(max_examples=extent(25, 250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def _csv_files(draw: st.DrawFn) -> list[tuple[list[str], list[list[str]]]]:
    files = []
    for _ in range(draw(st.integers(1, 3))):
        header = draw(_NAMES)
        kinds = [draw(st.sampled_from(_CELLS)) for _ in header]
        cells = [st.just("") | kind for kind in kinds]
        files.append((header, draw(st.lists(st.tuples(*cells).map(list), min_size=1, max_size=4))))
    return files


@_SETTINGS
@given(_csv_files(), st.sampled_from(",;\t"))
def test_any_csv_lands_unchanged(drops: Drops, files: list[tuple[list[str], list[list[str]]]], delimiter: str) -> None:
    folder = f"folder {next(_FOLDERS)}"
    for number, (header, rows) in enumerate(files):
        drops.put(f"{folder}/{number}.csv", csv_text([header, *rows], delimiter))
    assume(any(_is_told_apart(header) for header, _ in files))
    text, table = suggested(drops, folder)
    assume("; give its files a folder" not in text)  # a file with one column, whose texts are parted by something else
    found = drained(drops.reader, table)
    refused = {json.loads(row["raw"])["key"] for row in found.rejected if row["code"] == "file"}
    assert len(refused) == len(found.rejected)
    assert all(f"# {key} cannot be read: " in text for key in refused)
    landed = {(row["file"], row["line"]): row for row in found.rows}
    for number, (header, rows) in enumerate(files):
        assert (f"{folder}/{number}.csv" in refused) != _is_told_apart(header)
        for line, cells in enumerate(rows if _is_told_apart(header) else [], start=1):
            meant = [cell for label, cell in zip(labels(header), cells, strict=True) if cell and has_path(shown(label))]
            assert _unmatched(table, landed.pop((f"{folder}/{number}.csv", line)), meant) == [], (files, delimiter, text)
    assert landed == {}


def _is_told_apart(header: Sequence[str]) -> bool:
    """Whether each column of a file has a name that can be written, and that no other one looks like."""
    names = [shown(label) for label in labels(header) if has_path(shown(label))]
    return len(set(names)) == len(names) > 0


def _unmatched(table: Table, row: Mapping[str, Any], meant: Sequence[Any]) -> list[Any]:
    """The values of the source that no column of the row has, and those of the row that the source does not have."""
    left = [(column, row[column.name]) for column in table.columns[2:] if row[column.name] is not None]
    lost = []
    for value in meant:
        found = next((each for each in left if _holds(*each, value)), None)
        if found is None:
            lost.append(value)
        else:
            left.remove(found)
    return [*lost, *left]


def _holds(column: Column, landed: Any, value: Any) -> bool:
    """Whether a column has a value, which may be another column's and then no date or number at all."""
    try:
        return is_same(landed, value, is_document=column.type.is_document)
    except (ValueError, ArithmeticError):
        return False


@_SETTINGS
@given(st.lists(st.dictionaries(_TEXT | st.sampled_from(["id", "ID", "a.b", "$key", "a"]), _ANY_JSON, max_size=4), min_size=1, max_size=6))
def test_any_json_lands_unchanged(drops: Drops, objects: list[dict[str, Any]]) -> None:
    folder = f"folder {next(_FOLDERS)}"
    drops.put(f"{folder}/1.json", json.dumps(objects[:3]))
    if objects[3:]:
        drops.put(f"{folder}/2.ndjson", "\n".join(map(json.dumps, objects[3:])) + "\n")
    _, table = suggested(drops, folder)
    landed = read(drops, table).rows
    assert len(landed) == len(objects)
    for row, each in zip(landed, objects, strict=True):
        meant = json.loads(json.dumps(each), parse_float=Decimal)
        for column in table.columns[2:]:
            (name,) = steps(column.source_path)
            assert is_same(row[column.name], meant.pop(name, None), is_document=column.type.is_document), column
        assert [name for name in meant if name and name.isprintable()] == []


_ARROW: Sequence[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.decimal128(38, 20), st.decimals(-(10**17), 10**17, places=20)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), _TEXT),
    (pa.binary(), st.binary(max_size=8)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(timezone.utc))),
    (pa.list_(pa.string()), st.lists(_TEXT, max_size=3)),
    (pa.struct([("a", pa.int32()), ("b", pa.string())]), st.fixed_dictionaries({"a": st.integers(0, 9), "b": _TEXT})),
]


@st.composite
def _arrow_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 4))
    can_be_named = _TEXT.filter(lambda name: has_path(shown(name).strip()))
    names = draw(st.lists(can_be_named, min_size=1, max_size=5, unique_by=shown))
    kinds = [draw(st.sampled_from(_ARROW)) for _ in names]
    return pa.table(
        {name: pa.array([draw(st.none() | values) for _ in range(rows)], kind) for name, (kind, values) in zip(names, kinds, strict=True)}
    )


@_SETTINGS
@given(_arrow_tables())
def test_any_parquet_lands_unchanged(drops: Drops, table: pa.Table) -> None:
    folder = f"folder {next(_FOLDERS)}"
    names = [shown(label) for label in labels(table.column_names)]
    drops.put(f"{folder}/1.parquet", parquet_bytes(table))
    _, found = suggested(drops, folder)
    landed = read(drops, found).rows
    assert len(landed) == table.num_rows
    for row, meant in zip(landed, table.rename_columns(names).to_pylist(), strict=True):
        for column in found.columns[2:]:
            value = meant[literal(column.source_path.removeprefix("$base64."))]
            assert _is_same_in_parquet(row[column.name], value, column), (column, row[column.name], value)
        assert len(found.columns) - 2 == len(names)


def _is_same_in_parquet(landed: Any, meant: Any, column: Column) -> bool:
    if isinstance(meant, bytes):
        return bool(landed == (base64.b64encode(meant) if column.source_path.startswith("$base64.") else meant).decode())
    if isinstance(meant, time):
        return bool(landed == meant.isoformat("microseconds"))
    return is_same(landed, meant, is_document=column.type.is_document)


def test_rows_that_come_later_land_unchanged(drops: Drops, stores: Stores) -> None:
    """Rows of the same kinds, with longer texts and larger numbers than those that the definition was made from."""
    columns: dict[str, tuple[str, str, str]] = {
        "id": ("1", "2", "9000000000000000000"),
        "price": ("1.50", "0.25", "1234567890123456789.99"),
        "zip": ("01234", "x", "99999"),
        "text": ("a", "b", "żółw" * 9_000),
        "at": ("2024-01-05 10:00:00 UTC", "2024-01-05 10:00:00", "2026-12-31 23:59:59.999999 UTC"),
        "day": ("2024-01-05", "2024-01-06", "9999-12-31"),
        "flag": ("True", "False", "true"),
        "later": ("", "", "a text after all"),
    }
    first, second, third = ([values[number] for values in columns.values()] for number in range(3))
    drops.put("feed/1.csv", csv_text([[*columns], first, second], ","))
    _, table = suggested(drops, "feed")
    sync.land(table, drops.reader, stores.lake, run_id="first")
    drops.put("feed/2.csv", csv_text([[*columns], third], ","))
    landed = sync.land(table, drops.reader, stores.lake, run_id="second").manifest
    assert landed is not None
    assert (landed.rows, landed.rejected) == (1, 0)
    stores.load(table)
    assert compare.verify(table, comparable_source(drops.reader, stores.lake), stores.warehouse).equal
    rows = stores.query(f"SELECT id, price, zip, text, flag, later FROM {table.full_name} ORDER BY id")
    assert rows[2] == (9_000_000_000_000_000_000, Decimal("1234567890123456789.99"), "99999", "żółw" * 9_000, True, "a text after all")
    assert rows[0][2] == "01234"
