"""What a path, a line and a value of a dropped file mean, in each format. Random files have tests of their own."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import boolean, decimal, integer, super_, timestamptz, varchar
from stori_pipeline.model.types import date as date_type
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline_tests.readers.dropping import read_bytes
from stori_pipeline_tests.readers.scaffolded_drops import parquet_bytes

_ID = Column("id", varchar(64), nullable=False)
_COUNTRY = Column("country", varchar(64), path="address.country")


def _values(found: tuple[list[dict[str, Any]], list[dict[str, Any]]], *names: str) -> list[tuple[Any, ...]]:
    rows, rejected = found
    assert rejected == []
    return [tuple(row[name] for name in names) for row in rows]


# --- the rows of a JSON file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads_data", [True, False])
def test_rows_with_an_array_data_of_their_own_are_rows(reads_data: bool) -> None:
    """Regression: the row vanished, and its inner object landed as if it were a row."""
    body = (
        b'{"id":"LABM1","name":"Array shop","active":true,"data":[]}\n'
        b'{"id":"LABM3","name":"Outer","active":true,"data":[{"id":"LABM4","name":"Inner","active":false}]}\n'
    )
    columns = [Column("name", varchar(64)), *([Column("data", super_)] if reads_data else [])]
    assert _values(read_bytes("json", body, *columns, key=_ID), "id", "name") == [("LABM1", "Array shop"), ("LABM3", "Outer")]


def test_a_lone_row_with_an_array_data_of_its_own_is_a_row() -> None:
    columns = [Column("name", varchar(64))]
    alone = b'{"id":"LABM1","name":"Array shop","data":[{"sku":1}]}'
    assert _values(read_bytes("json", alone, *columns, key=_ID), "id", "name") == [("LABM1", "Array shop")]
    envelope = b'{"total": 1, "data":[{"id":"LABM1","name":"Inner"}]}'
    assert _values(read_bytes("json", envelope, *columns, key=_ID), "id", "name") == [("LABM1", "Inner")]
    assert read_bytes("json", b'{"total": 0, "data":[]}', *columns, key=_ID) == ([], [])


def test_an_object_that_may_be_a_row_and_may_hold_rows_is_refused() -> None:
    body = b'{"id":"request 1","data":[{"id":"LABM1"}]}'
    with pytest.raises(BrokenFile, match="rows_at="):
        read_bytes("json", body, key=_ID)
    assert _values(read_bytes("json", body, key=_ID, options=Objects("", rows_at="data")), "id") == [("LABM1",)]
    assert _values(read_bytes("json", body, key=_ID, options=Objects("", rows_at="")), "id") == [("request 1",)]


def test_rows_are_where_the_definition_says_or_the_file_is_refused() -> None:
    nested = Objects("", rows_at="result.items")
    body = b'{"result": {"page": 1, "items": [{"id": "a"}, {"id": "b"}]}, "next": null}'
    assert _values(read_bytes("json", body, key=_ID, options=nested), "id") == [("a",), ("b",)]
    for other in (b'{"result": {"items": {}}}', b'{"result": []}', b'{"items": [{"id": "a"}]}'):
        with pytest.raises(BrokenFile, match="without an array at"):
            read_bytes("json", other, key=_ID, options=nested)


def test_a_line_that_is_not_json_is_rejected_alone_with_its_number() -> None:
    body = b'{"id": "1"}\n{"id": "2", "a\n\n{"id": 1e9999999999999999999}\n{"id": "5"}\nnot json\n'
    rows, rejected = read_bytes("json", body, key=_ID)
    assert [row["id"] for row in rows] == ["1", "5"]
    assert [(row["code"], row["reason"].split(" is not JSON")[0]) for row in rejected] == [
        ("line", "line 2"),
        ("line", "line 4"),
        ("line", "line 6"),
    ]
    assert json.loads(rejected[0]["raw"])["row"] == '{"id": "2", "a'
    first_line, _ = read_bytes("json", b'{"id": \n{"id": "2"}\n', key=_ID)
    assert [row["id"] for row in first_line] == ["2"]
    for cut in (b'{"id": "1"}\n{"id": "2', b'[{"id": "1"},\n{"id": }\n]', b'{\n"id": "1"\n}\n{\n"id": \n}\n', b"", b" \n"):
        with pytest.raises(BrokenFile):
            read_bytes("json", cut, key=_ID)


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_means_the_same_in_every_format() -> None:
    """Regression: from a Parquet struct and from a flat key of JSON it read null, over the former value."""
    struct = pa.table({"id": ["1"], "address": [{"country": "FR", "city": "Lyon"}]})
    flat = pa.table({"id": ["1"], "address.country": ["FR"]})
    files = [
        ("parquet", parquet_bytes(struct)),
        ("parquet", parquet_bytes(flat)),
        ("json", b'[{"id": "1", "address": {"country": "FR"}}]'),
        ("json", b'[{"id":"1","name":"Flat","active":true,"address.country":"FR","address.city":"Lyon"}]'),
        ("csv", b"id,address.country\n1,FR\n"),
    ]
    for kind, body in files:
        assert _values(read_bytes(kind, body, _COUNTRY, key=_ID), "id", "country") == [("1", "FR")], (kind, body)


def test_a_value_that_a_row_has_twice_is_not_chosen_between() -> None:
    both = b'[{"id": "1", "address": {"country": "FR"}, "address.country": "DE"}, {"id": "2", "address": {}, "address.country": "DE"}]'
    rows, rejected = read_bytes("json", both, _COUNTRY, key=_ID)
    assert [(row["id"], row["country"]) for row in rows] == [("2", "DE")]
    assert [(row["code"], row["column"]) for row in rejected] == [("ambiguous", "country")]


def test_a_struct_within_a_struct_and_a_null_struct_are_read() -> None:
    table = pa.table({"id": ["1", "2", "3"], "a": [{"b": {"c": 7}}, {"b": None}, None]})
    deep = Column("c", integer, path="a.b.c")
    assert _values(read_bytes("parquet", parquet_bytes(table), deep, Column("a", super_), key=_ID), "c") == [(7,), (None,), (None,)]


@pytest.mark.parametrize(
    ("kind", "body"),
    [("json", b'[{"name": "x", "nr": 1}]'), ("csv", b"nr,name\n1,x\n"), ("parquet", parquet_bytes(pa.table({"nr": [1], "name": ["x"]})))],
)
def test_a_file_with_none_of_the_columns_is_refused(kind: str, body: bytes) -> None:
    """Regression: with the file and the line as key, rows of nulls landed."""
    key = Column("file", varchar(1024), nullable=False, path="$key")
    with pytest.raises(BrokenFile, match=r"'amount', 'note'"):
        read_bytes(kind, body, Column("amount", integer), Column("note", varchar(9)), key=key)


# --- CSV -------------------------------------------------------------------------------------------------------------


def test_a_line_of_csv_that_cannot_be_read_is_rejected_alone_with_its_number() -> None:
    body = b'id,note\n1,a\n2\n3,"x"y\n4,"two\nlines"\n5,"two\nlines",more\n6,b\n'
    rows, rejected = read_bytes("csv", body, Column("note", varchar(64)), key=_ID)
    assert [row["id"] for row in rows] == ["1", "4", "6"]
    assert [row["reason"].split(" has")[0].split(" cannot")[0] for row in rejected] == ["line 3", "line 4", "lines 7 to 8"]
    assert {row["code"] for row in rejected} == {"line"}
    kept = [json.loads(row["raw"])["row"] for row in rejected]
    assert kept == [{"header": ["id", "note"], "line": line} for line in ("2\n", '3,"x"y\n', '5,"two\nlines",more\n')]
    for cut in (b"id,note\n1,a\n2", b'id,note\n1,a\n2,"never closed\n', b"id,note\n1\n2\n", b""):
        with pytest.raises(BrokenFile):
            read_bytes("csv", cut, Column("note", varchar(64)), key=_ID)


def test_csv_of_other_countries_is_read_by_its_options() -> None:
    body = "Bericht 2024\n\nid;Straße;Betrag\n1;Müllerweg;12,50\n2;;-3\n3;x;1.234\n".encode("cp1252")
    options = Objects("", delimiter=";", encoding="cp1252", decimal=",", header_line=3)
    columns = [Column("street", varchar(64), path="Straße"), Column("amount", decimal(9, 2), path="Betrag")]
    rows, rejected = read_bytes("csv", body, *columns, key=_ID, options=options)
    assert [(row["id"], row["street"], row["amount"]) for row in rows] == [("1", "Müllerweg", Decimal("12.50")), ("2", None, Decimal(-3))]
    assert [(row["code"], row["column"]) for row in rejected] == [("type", "amount")]
    without = Objects("", header_line=0)
    assert _values(
        read_bytes(
            "csv",
            b"7,x\n8,y\n",
            Column("note", varchar(9), path="#2"),
            key=Column("id", varchar(9), nullable=False, path="#1"),
            options=without,
        ),
        "id",
        "note",
    ) == [
        ("7", "x"),
        ("8", "y"),
    ]
    with pytest.raises(BrokenFile, match=r"not UTF-8.*encoding="):
        read_bytes("csv", "id\nMüller\n".encode("cp1252"), key=_ID)


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"delimiter": ";;"},
        {"encoding": "latin-99"},
        {"encoding": "base64"},
        {"decimal": "'"},
        {"decimal": ","},
        {"header_line": -1},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_when_the_definition_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"Objects\('feed/'\)"):
        Objects("feed/", **options)


def test_a_field_of_csv_may_be_longer_than_the_libraries_limit() -> None:
    """Regression: a field of 140 kB was called broken or cut off."""
    document = json.dumps({"a": "x" * 140_000})
    body = b'id,doc\nbf1,"' + document.replace('"', '""').encode() + b'"\n'
    ((landed,),) = _values(read_bytes("csv", body, Column("doc", super_), key=_ID), "doc")
    assert json.loads(landed) == json.loads(document)


def test_booleans_of_any_capitals_are_taken() -> None:
    assert _values(read_bytes("csv", b"id,flag\n1,True\n2,TRUE\n3,fALSE\n", Column("flag", boolean), key=_ID), "flag") == [
        (True,),
        (True,),
        (False,),
    ]


def test_an_offset_that_no_zone_has_is_no_instant() -> None:
    """Regression: another instant landed, days off."""
    rows, rejected = read_bytes("csv", b"id,at\nt11,2024-03-31T10:00:00+99:99\n", Column("at", timestamptz), key=_ID)
    assert (rows, [row["code"] for row in rejected]) == ([], ["bad_date"])


# --- Parquet ---------------------------------------------------------------------------------------------------------


def test_values_of_parquet_that_python_cannot_hold_reject_their_row_alone() -> None:
    """Regression: the table stopped, and the good files behind this one with it."""
    far = 1 << 62
    table = pa.table(
        {
            "id": ["timestamp", "date", "nested", "good"],
            "at": pa.array([far, 0, 0, 0], pa.timestamp("us")),
            "day": pa.array([0, 2**31 - 1, 0, 0], pa.date32()),
            "doc": pa.array([{"at": 0}, {"at": 0}, {"at": far}, {"at": 0}], pa.struct([("at", pa.timestamp("us"))])),
        }
    )
    rows, rejected = read_bytes(
        "parquet", parquet_bytes(table), Column("at", timestamptz), Column("day", date_type), Column("doc", super_), key=_ID
    )
    assert [row["id"] for row in rows] == ["good"]
    assert [(row["code"], row["column"]) for row in rejected] == [("range", "at"), ("range", "day"), ("type", "doc")]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+99:99", "Europe/Madrid"])
def test_a_zone_that_nobody_knows_does_not_change_the_instant(zone: str) -> None:
    at = datetime(2024, 3, 31, 10, tzinfo=timezone.utc)
    micros = int(at.timestamp()) * 1_000_000
    table = pa.table({"id": ["1"], "at": pa.array([micros], pa.int64()).cast(pa.timestamp("us", zone))})
    assert _values(read_bytes("parquet", parquet_bytes(table), Column("at", timestamptz), key=_ID), "at") == [(at,)]


_INT96 = (
    "UEFSMRUEFRQVGEwVBBUAEgAACiQBAAAAYQEAAABiFQAVEhUWLBUEFRAVBhUGHDYAKAFiGAFhEREAAAAJIAIAAAAEAQEDAhUEFTAVNEwVBBUAEgAAGFwANrRV"
    "lE4AACz+UQAAAAAAAAAAAJeKJQAVABUSFRYsFQQVEBUGFQYcAAAACSACAAAABAEBAwIVBBk8NQAYBnNjaGVtYRUEABUMJQIYAmlkJQBMHAAAABUGJQIYAmF0"
    "ABYEGRwZLCYAHBUMGTUABhAZGAJpZBUCFgQWfBaEASY8JggcNgAoAWIYAWEREQAZLBUEFQAVAgAVABUQFQIAPBYEGQYZJgAEAAAAJgAcFQYZNQAGEBkYAmF0"
    "FQIWBBaEARaMASbcASaMASksFQQVABUCABUAFRAVAgA8KQYZJgAEAAAAFoACFgQmCBaQAgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGSwc"
    "AAAcAAAA4gAAAFBBUjE="
)
"""A file of a writer that has instants as INT96, which Arrow no longer writes."""


def test_the_last_instant_of_int96_lands() -> None:
    """Regression: it was quarantined as 1816-03-30, so the true value was gone."""
    body = base64.b64decode(_INT96)
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    assert _values(read_bytes("parquet", body, Column("at", timestamptz), key=_ID), "at") == [
        (last,),
        (datetime(2024, 1, 1, tzinfo=timezone.utc),),
    ]


def test_a_float_of_32_bits_is_its_shortest_decimal() -> None:
    body = parquet_bytes(pa.table({"id": ["f"], "amount": pa.array([19.99], pa.float32())}))
    assert _values(read_bytes("parquet", body, Column("amount", decimal(10, 2)), key=_ID), "amount") == [(Decimal("19.99"),)]


def test_a_map_of_parquet_is_an_object() -> None:
    maps = pa.array([[("k", 1), ("j", 2)], [("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64()))
    body = parquet_bytes(pa.table({"id": ["1", "2"], "doc": maps}))
    assert _values(read_bytes("parquet", body, Column("doc", super_), key=_ID), "doc") == [(b'{"j":2,"k":1}',), (b'[["k",1],["k",2]]',)]
