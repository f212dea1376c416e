"""The content of dropped files: every shape of JSON in any pieces, CSV with any header, Parquet from any writer."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.table import Column
from stori_pipeline.model.types import bigint, boolean, decimal, timestamptz, varchar
from stori_pipeline.readers.s3_drop import json_values
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.model.types.own_types import timetz
from stori_pipeline_tests.readers.dropping import FILE, TABLE, read_bytes

_SCALARS = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(float) | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)
_ROWS = st.lists(st.dictionaries(st.text().filter(lambda name: name != "data"), _VALUES, max_size=3), max_size=5)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_PIECE", 3)


@settings(max_examples=extent(50, 500))
@given(_ROWS, st.sampled_from(["", "\n", "\r\n ", "\t"]), st.booleans(), st.booleans())
def test_the_same_rows_come_out_of_every_shape(rows: list[dict[str, Any]], space: str, escaped: bool, indented: bool) -> None:
    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=escaped, indent=1 if indented else None)

    def read(json_text: str) -> list[Any]:
        path = ("data",) if json_values.envelope(io.StringIO(json_text), "data") else ()
        return json.loads(json.dumps(list(json_values.values(io.StringIO(json_text), path)), default=float))  # type: ignore[no-any-return]

    meant = json.loads(json.dumps(rows))
    assert read(space + text(rows) + space) == meant
    if rows:
        assert read((space + "\n").join(map(text, rows)) + space) == meant
    assert read(text({"data": rows}) + space) == meant
    assert read(text({"total": len(rows), "data": rows})) == meant
    assert read(f'{{{space}"data"{space}:{space}{text(rows)}, "next": null, "more": {{"a": [1]}} }}') == meant


@settings(max_examples=extent(50, 500))
@given(_ROWS.filter(bool), st.sampled_from(["array", "data"]), st.data())
def test_a_file_that_was_cut_off_is_always_refused(rows: list[dict[str, Any]], shape: str, data: st.DataObject) -> None:
    whole = json.dumps(rows if shape == "array" else {"data": rows})
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(json_values.NotJson):
        list(json_values.values(io.StringIO(cut), ["data"] if shape == "data" else []))
    with pytest.raises(json_values.NotJson):
        list(json_values.values(io.StringIO(cut)))


def test_numbers_keep_every_digit_and_documents_their_shape() -> None:
    rows, rejected = read_bytes(
        "json",
        b'\xef\xbb\xbf[{"id": 1, "amount": 1.10, "tags": "text", "a": {"b": 12345678901234567890.5}},'
        b' {"id": 2, "tags": {"x": [1.50]}, "a": 3}, 4]',
        TABLE["amount"],
        TABLE["tags"],
        Column("deep", decimal(38, 4), path="a.b"),
    )
    assert rows == [{"id": 1, "amount": Decimal("1.10"), "tags": b'"text"', "deep": Decimal("12345678901234567890.5"), "_deleted": False}]
    assert [(row["code"], row["column"]) for row in rejected] == [("type", "deep"), ("document", "")]
    assert rejected[0]["raw"].endswith('"$line": 2, "$format": "json", "row": {"a":3,"id":2,"tags":{"x":[1.50]}}}')


def test_a_csv_header_matches_in_any_spelling() -> None:
    body = '\ufeff ID ,TRANSACTION   DETAILS,"Value.Date"\r\n 7 ,"  double  spaces, ""quoted""\nsecond line ", 2024-11-15 \r\n\r\n8,,\r\n'
    rows, rejected = read_bytes("csv", body.encode(), Column("transaction_details", varchar(64)), Column("value_date", timestamptz))
    assert rejected == []
    assert [tuple(row.values())[:3] for row in rows] == [
        (7, '  double  spaces, "quoted"\nsecond line ', datetime(2024, 11, 15, tzinfo=timezone.utc)),
        (8, None, None),
    ]
    _, rejected = read_bytes("csv", b"id,flag\nx,maybe\n", Column("flag", boolean))
    assert json.loads(rejected[0]["raw"])["row"] == {"id": "x", "flag": "maybe"}
    assert rejected[0]["reason"].count(";") == 1


def test_spaces_in_csv_are_part_of_a_text_type_of_a_project_and_of_no_other() -> None:
    label = replace(varchar(16), name="label(16)")
    rows, rejected = read_bytes("csv", b"id,label,starts\n1, a , 08:00:00+01 \n", Column("label", label), Column("starts", timetz))
    assert rejected == []
    assert (rows[0]["label"], rows[0]["starts"]) == (" a ", "08:00:00+01")


def test_parquet_values_are_exact_plain_or_gzipped() -> None:
    at = datetime(2024, 11, 15, 8, 30, 0, 123456, tzinfo=timezone.utc)
    nanos = [int(at.timestamp()) * 10**9 + 123_456_000 + extra for extra in (0, 1)]
    table = pa.table(
        {
            "Id": pa.array([1, 2], pa.int64()),
            "amount": pa.array([Decimal("1.10"), None], pa.decimal128(5, 2)),
            "AT": pa.array(nanos, pa.timestamp("ns", tz="UTC")),
            "tags": pa.array([[1, 2], []], pa.list_(pa.int64())),
            "unread": pa.array(["x", "y"]),
        }
    )
    written = io.BytesIO()
    pq.write_table(table, written)
    for body in (written.getvalue(), gzip.compress(written.getvalue())):
        rows, rejected = read_bytes("parquet", body, TABLE["amount"], Column("at", timestamptz), TABLE["tags"])
        assert rows == [{"id": 1, "amount": Decimal("1.10"), "at": at, "tags": b"[1,2]", "_deleted": False}]
        assert [(row["code"], row["column"]) for row in rejected] == [("scale", "at")]
    broken = bytearray(written.getvalue())
    broken[4:60] = bytes(56)
    with pytest.raises(BrokenFile):
        read_bytes("parquet", bytes(broken), TABLE["amount"])


def test_the_files_own_facts_are_columns() -> None:
    facts = (Column("key", varchar(64), path="$key"), Column("line", bigint, path="$line"), Column("etag", varchar(64), path="$etag"))
    rows, _ = read_bytes("json", b'{"id": 1, "$key": "mine", "key": "mine"} {"id": 2}', *facts, Column("at", timestamptz, path="$modified"))
    assert [tuple(row.values())[1:5] for row in rows] == [(FILE.key, 1, "e", FILE.modified), (FILE.key, 2, "e", FILE.modified)]


def test_a_large_array_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_PIECE", 1 << 16)
    body = io.StringIO("[" + ",".join(json.dumps({"id": n, "note": "x" * 200}) for n in range(20_000)) + "]")
    size = len(body.getvalue())
    tracemalloc.start()
    try:
        assert sum(1 for _ in json_values.values(body)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 4_000_000
    assert peak < 1_000_000


def test_a_text_without_json_is_refused_after_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_PIECE", 1 << 10)
    monkeypatch.setattr(json_values, "LONGEST", 10_000)

    class Endless(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            return "x" * (size or 1)

    with pytest.raises(json_values.NotJson, match="more than 10000 characters"):
        list(json_values.values(Endless()))
