"""Definitions suggested for dropped files: they take every row that they were made from, unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, suggest
from stori_pipeline.readers.json_rows import literal
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline.readers.scaffolding import definition
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.dropping import Drops
from stori_pipeline_tests.readers.scaffolded_drops import SOURCE, csv_text, parquet_bytes, read, suggested

if TYPE_CHECKING:
    pass


def _types(table: Table) -> dict[str, str]:
    return {column.source_path: str(column.type) for column in table.columns if not column.source_path.startswith(("$key", "$line"))}


# --- names of columns ------------------------------------------------------------------------------------------------


def test_repeated_names_in_other_capitals_of_another_file_are_told_apart(drops: Drops) -> None:
    """Regression: the suggestion took `ID#1` for the `id#1` of the other file, and the reader refused the file."""
    drops.put("f/0.csv", "id\t\tID\tID\n7\tTrue\t\t-31.37\n")
    drops.put("f/1.csv", "id\tid\n00135\t\n\tx\n")
    _, table = suggested(drops, "f")
    rows = sorted(read(drops, table).rows, key=lambda row: (row["file"], row["line"]))
    by_path = [{column.source_path: row[column.name] for column in table.columns if row[column.name] is not None} for row in rows]
    assert [{path: value for path, value in row.items() if path not in ("$key", "$line")} for row in by_path] == [
        {"id": 7, "#1": True, "ID#2": Decimal("-31.37")},
        {"id#1": "00135"},
        {"id#2": "x"},
    ]


def test_alike_names_of_several_files_are_matched_as_the_suggestion_does(drops: Drops) -> None:
    """Regression: the suggestion took `a b` for the `a_b` of another file, and the reader, for which it was like `a.b`, too, refused it."""
    drops.put("f/0.csv", "a b,a.b\n1,x\n")
    drops.put("f/1.csv", "a_b\n2\n")
    drops.put("f/2.csv", "A.B\n3\n")
    drops.put("f/3.csv", "a.b,\ta.b\nlong text,y\n")
    drops.put("f/4.csv", "a.b,a_b\nanother,z\n")
    text, table = suggested(drops, "f")
    found = drained(drops.reader, table)
    rows = [{name: row[name] for name in table.read_schema.names[2:-1] if row[name] is not None} for row in found.rows]
    assert sorted(map(str, (value for row in rows for value in row.values()))) == ["1", "2", "3", "another", "x", "z"]
    assert "# f/3.csv cannot be read: its columns 'a.b' and '\\ta.b' look the same" in text
    assert [json.loads(row["raw"])["key"] for row in found.rejected] == ["f/3.csv"]


# --- prefixes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["feed", "feed/"])
def test_a_folder_is_not_its_neighbour_whose_name_begins_alike(drops: Drops, name: str) -> None:
    drops.put("feed/1.csv", "id,a\n1,x\n")
    drops.put("feed_de/1.csv", "id,b\n2,y\n")
    text, table = suggested(drops, name)
    assert 'changes=Objects("feed/")' in text
    assert _types(table) == {"id": "bigint", "a": "varchar(65535)"}
    assert read(drops, table).values("id") == [1]


@pytest.mark.parametrize(("prefix", "ids"), [("feed", [1]), ("feed/", [1]), ("feed*", [1, 2]), ("feed_", [2]), ("", [1, 2])])
def test_a_prefix_is_a_folder_unless_it_ends_with_a_star(drops: Drops, prefix: str, ids: list[int]) -> None:
    drops.put("feed/1.csv", "id\n1\n")
    drops.put("feed_/1.csv", "id\n2\n")
    _, table = suggested(drops, "feed*")
    assert read(drops, Table(SOURCE, "feed", table.columns, table.key, Objects(prefix))).values("id") == ids


def test_a_prefix_that_is_no_folder_is_refused_with_what_to_write(drops: Drops) -> None:
    drops.put("sales/2024-11.csv", "id\n1\n")
    _, table = suggested(drops, "sales/")
    with pytest.raises(SourceError, match=r"Objects\('sales/2024-\*'\) for every file whose key begins so"):
        drained(drops.reader, Table(SOURCE, "sales", table.columns, table.key, Objects("sales/2024-")))


@pytest.mark.parametrize("delimiter", ["", "ab", "\n", '"'])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(DefinitionError, match="must be one character"):
        Objects("feed/", delimiter=delimiter)


def test_each_folder_of_a_bucket_is_suggested_and_the_rest_is_told(drops: Drops) -> None:
    drops.put("feed/2024/11/1.csv", "id\n1\n")
    drops.put("feed_de/1.json", '[{"id": 1}]')
    drops.put("Order Items/1.csv", "id\n1\n")
    drops.put("known/1.csv", "id\n1\n")
    drops.put("broken/1.txt", "?")
    drops.put("top.csv", "id\n1\n")
    columns = suggested(drops, "feed")[1].columns
    known = replace(Table(SOURCE, "feed", columns, ("file", "line"), Objects("known")), aliases=("feed_de",))
    found = suggest("s3_drop", f"s3://{drops.bucket}", SOURCE.name, known=[known])
    assert {table.name: pasted(definition(table), SOURCE).changes for table in found.tables} == {
        "feed_2": Objects("feed/"),
        "feed_de_2": Objects("feed_de/"),
        "order_items": Objects("Order Items/"),
    }
    assert [line.partition(";")[0] for line in found.left_out] == [
        "top.csv: it and all other files in no folder (1)",
        f"s3://{drops.bucket}/broken/: there is no readable file, so no definition can be suggested",
    ]
    assert "broken/1.txt: its name ends with none of .json, .jsonl" in found.left_out[1]
    again = suggest("s3_drop", f"s3://{drops.bucket}", SOURCE.name, names=["known"], known=[known])
    assert [table.name for table in again.tables] == ["known"]


# --- CSV -------------------------------------------------------------------------------------------------------------


def test_texts_that_look_like_numbers_are_kept_as_they_are(drops: Drops) -> None:
    drops.put("feed/1.csv", "id,created_at,zip,flag,empty\n1,2024-01-05 10:00:00 UTC,01234,True,\n2,2024-01-06 11:00:00 UTC,02134,FALSE,\n")
    text, table = suggested(drops, "feed")
    assert _types(table) == {
        "id": "bigint",
        "created_at": "timestamptz",
        "zip": "varchar(65535)",
        "flag": "boolean",
        "empty": "varchar(65535)",
    }
    assert [(row["zip"], row["flag"], row["created_at"]) for row in read(drops, table).rows] == [
        ("01234", True, datetime(2024, 1, 5, 10, tzinfo=timezone.utc)),
        ("02134", False, datetime(2024, 1, 6, 11, tzinfo=timezone.utc)),
    ]
    assert '# a guess: each of 2 texts reads as a timestamptz\n        Column("created_at", timestamptz),' in text
    assert '# a guess: no row has a value\n        Column("empty", varchar(65535)),' in text
    assert "# suggested from 2 rows of 1 of 1 files, which is all\n" in text


def test_a_column_that_differs_in_each_row_is_the_key_and_marked(drops: Drops) -> None:
    drops.put("feed/1.csv", "id,a\n1,x\n2,x\n")
    text, table = suggested(drops, "feed")
    assert table.key == ("id",)
    assert '# a guess: 2 of 2 rows differ in it; if rows may repeat it, write ("file", "line")\n    key=("id",),' in text
    drops.put("feed/2.csv", "id,a\n2,y\n")
    text, table = suggested(drops, "feed")
    assert table.key == ("file", "line")
    assert "# the place of a row in its file; if other columns identify a row, name them, and" in text
    assert len(read(drops, table).rows) == 3


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_of_csv_is_found(drops: Drops, delimiter: str) -> None:
    rows = [["id", "Price, net", "note"], ["1", "1,50", 'a "quoted"\nnote'], ["2", "12,00", ""]]
    drops.put("feed/1.csv", b"\xef\xbb\xbf" + csv_text(rows, delimiter).encode())
    drops.put("feed/2.csv", "id,other\n3,x\n")
    drops.put("feed/3.csv", csv_text([rows[0], ["4", "", ""]], delimiter))
    text, table = suggested(drops, "feed")
    assert table.changes == Objects("feed/", delimiter=delimiter, decimal=",")
    assert "# suggested from 3 rows of 2 of 3 files\n" in text
    assert "# feed/2.csv has another delimiter, ','; give its files a folder of their own\n" in text
    found = drained(drops.reader, table)
    meant = [(1, Decimal("1.50"), 'a "quoted"\nnote'), (2, Decimal("12.00"), None), (4, None, None)]
    assert [(row["id"], row["price_net"], row["note"]) for row in found.rows] == meant
    assert [row["code"] for row in found.rejected] == ["file"]


def test_columns_of_equal_names_in_any_spelling_are_all_read(drops: Drops) -> None:
    drops.put("feed/1.csv", "customerId,customer_id,Customer ID,Customer id,x,x,,\n1,2,3,4,5,6,7,8\n")
    drops.put("feed/2.csv", "CUSTOMERID,x\n9,10\n")
    _, table = suggested(drops, "feed")
    assert len({column.name for column in table.columns}) == len(table.columns)
    by_path = [{column.source_path: row[column.name] for column in table.columns} for row in read(drops, table).rows]
    assert [by_path[0][name] for name in ("customer_id", "Customer ID", "Customer id", "x#1", "x#2", "#1", "#2")] == [2, 3, 4, 5, 6, 7, 8]
    assert (by_path[0]["CUSTOMERID"], by_path[1]["CUSTOMERID"], by_path[1]["x"]) == (1, 9, 10)


def test_a_broken_file_is_named_and_the_others_are_used(drops: Drops) -> None:
    drops.put("feed/1.csv", "id\n1\n")
    drops.put("feed/2.csv", "id,a\n1\n")
    text, table = suggested(drops, "feed")
    assert "# feed/2.csv cannot be read: line 2 has 1 fields, but the header has 2\n" in text
    assert list(_types(table)) == ["id"]


def test_a_field_of_csv_may_be_a_long_document(drops: Drops) -> None:
    document = json.dumps({"a": "x" * 200_000})
    drops.put("feed/1.csv", csv_text([["id", "doc"], ["bf1", document]], ","))
    _, table = suggested(drops, "feed")
    assert _types(table)["doc"] == "super"
    assert json.loads(read(drops, table).rows[0]["doc"]) == json.loads(document)


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_members_with_any_name_are_read(drops: Drops) -> None:
    row = {"id": 1, "address.country": "FR", "address": {"country": "DE"}, "$line": 7, "a\\.b": 2, "Order Date": "2024-11-15", "ID": "x"}
    drops.put("feed/1.json", json.dumps([row]))
    drops.put(
        "feed/2.ndjson", f"{json.dumps({**row, 'id': 2})}\n{json.dumps({'id': 3, 'mixed': 1})}\n{json.dumps({'id': 4, 'mixed': 'a'})}\n"
    )
    _, table = suggested(drops, "feed")
    by_path = [{column.source_path: row[column.name] for column in table.columns} for row in read(drops, table).rows]
    assert by_path[0][r"address\.country"] == "FR"
    assert json.loads(by_path[0]["address"]) == {"country": "DE"}
    assert (by_path[0][r"\$line"], by_path[0]["$line"], by_path[0][r"a\\\.b"]) == (7, 1, 2)
    assert [row["mixed"] for row in by_path] == [None, None, b"1", b'"a"']
    assert _types(table)["Order Date"] == "date"
    assert drops.reader.drift(table) == []


def test_drift_names_a_flat_member_by_a_path_that_reads_it(drops: Drops) -> None:
    drops.put("feed/1.json", json.dumps([{"id": 1, "a": {"b": 1}}]))
    _, table = suggested(drops, "feed")
    drops.put("feed/2.json", json.dumps([{"id": 2, "a.b": 2}]))
    (line,) = drops.reader.drift(table)
    assert line.text.endswith(r'add Column("a_b", bigint, path="a\\.b")')


# --- Parquet ---------------------------------------------------------------------------------------------------------


PARQUET: Mapping[str, tuple[pa.Array, str, list[Any]]] = {
    "time64": (pa.array([time(7, 55, 0, 1)], pa.time64("us")), "time", ["07:55:00.000001"]),
    "time64 ns": (pa.array([1_000], pa.time64("ns")), "time", ["00:00:00.000001"]),
    "time64 finer": (pa.array([1], pa.time64("ns")), "varchar(65535)", ["00:00:00.000000001"]),
    "texts in bytes": (pa.array([b"x", b"\xc3\xa9"], pa.binary()), "varchar(65535)", ["x", "é"]),
    "bytes": (pa.array([b"\xff\x00"], pa.binary()), "varchar(65535)", ["/wA="]),
    "bytes of 2": (pa.array([b"\xff\x00"], pa.binary(2)), "varchar(65535)", ["/wA="]),
    "float32": (pa.array([19.99, 0.1], pa.float32()), "double", [19.99, 0.1]),
    "not a number": (pa.array([float("nan"), 1.5]), "varchar(65535)", ["nan", "1.5"]),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), "decimal(20,0)", [Decimal(2**64 - 1)]),
    "wide decimal": (pa.array([Decimal("1e-18"), Decimal("1e27")], pa.decimal256(60, 18)), "varchar(65535)", ["0." + "0" * 17 + "1"]),
    "small decimal": (pa.array([Decimal("0.00012")], pa.decimal128(5, 5)), "decimal(5,5)", [Decimal("0.00012")]),
    "ns": (pa.array([1_000], pa.timestamp("ns")), "timestamptz", [datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc)]),
    "finer": (pa.array([1], pa.timestamp("ns")), "varchar(65535)", ["1970-01-01 00:00:00.000000001"]),
    "duration": (pa.array([timedelta(seconds=1)], pa.duration("us")), "bigint", [1_000_000]),
    "null": (pa.nulls(1), "varchar(65535)", [None]),
    "dictionary": (pa.array(["a"]).dictionary_encode(), "varchar(65535)", ["a"]),
    "struct": (pa.array([{"a": time(1), "b": b"\xff"}]), "super", [b'{"a":"01:00:00","b":"/w=="}']),
    "list": (pa.array([[1, None]]), "super", [b"[1,null]"]),
    "map": (pa.array([[("k", 1), ("j", 2)]], pa.map_(pa.string(), pa.int64())), "super", [b'{"j":2,"k":1}']),
    "a.b": (pa.array([1]), "bigint", [1]),
    "$line": (pa.array([5]), "bigint", [5]),
}


@pytest.fixture(scope="module")
def parquet_file() -> bytes:
    rows = max(len(array) for array, _, _ in PARQUET.values())
    padded = {
        name: pa.concat_arrays([_decoded(array), pa.nulls(rows - len(array), _decoded(array).type)])
        for name, (array, _, _) in PARQUET.items()
    }
    return parquet_bytes(pa.table(padded))


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def test_every_type_of_parquet_lands_unchanged(drops: Drops, parquet_file: bytes) -> None:
    drops.put("feed/1.parquet", parquet_file)
    _, table = suggested(drops, "feed")
    columns = {literal(column.source_path.removeprefix("$base64.")): column for column in table.columns[2:]}
    rows = read(drops, table).rows
    assert {name: str(columns[name].type) for name in PARQUET} == {name: kind for name, (_, kind, _) in PARQUET.items()}
    assert {name: [row[columns[name].name] for row in rows[: len(lands)]] for name, (_, _, lands) in PARQUET.items()} == {
        name: lands for name, (_, _, lands) in PARQUET.items()
    }


def test_an_int96_keeps_years_beyond_2262_and_refuses_to_lose_nanoseconds(drops: Drops) -> None:
    far = datetime(9999, 12, 31, tzinfo=timezone.utc)
    drops.put("feed/1.parquet", _int96(pa.table({"id": [1, 2], "at": pa.array([far, None], pa.timestamp("us", "UTC"))})))
    _, table = suggested(drops, "feed")
    assert [row["at"] for row in read(drops, table).rows] == [far, None]
    drops.put("feed/2.parquet", _int96(pa.table({"id": [3], "at": pa.array([1], pa.timestamp("ns"))})))
    found = drained(drops.reader, table)
    assert [(row["code"], row["column"]) for row in found.rejected] == [("scale", "at")]


def _int96(table: pa.Table) -> bytes:
    return parquet_bytes(table, use_deprecated_int96_timestamps=True)


def test_an_instant_beyond_pythons_years_rejects_its_own_row_and_is_told(drops: Drops) -> None:
    instants = pa.array([253_402_300_800_000_000, 0], pa.timestamp("us"))
    drops.put("feed/1.parquet", parquet_bytes(pa.table({"id": [1, 2], "at": instants})))
    text, table = suggested(drops, "feed")
    assert str(table["at"].type) == "timestamptz"
    assert "# 1 of 2 values go to quarantine: a timestamp[us] outside the years 1 to 9999\n" in text
    found = drained(drops.reader, table)
    assert ([row["id"] for row in found.rows], [row["code"] for row in found.rejected]) == ([2], ["range"])


def test_parquet_files_whose_columns_differ_are_one_table(drops: Drops) -> None:
    drops.put("feed/1.parquet", parquet_bytes(pa.table({"Id": [1], "n": pa.array([1], pa.int32()), "x": pa.array([1])})))
    drops.put("feed/2.parquet", parquet_bytes(pa.table({"id": [2], "n": pa.array([1.5]), "x": pa.array(["a"]), "new": pa.nulls(1)})))
    _, table = suggested(drops, "feed")
    assert _types(table) == {"id": "bigint", "n": "double", "x": "varchar(65535)", "new": "varchar(65535)"}
    assert [(row["id"], row["n"], row["x"]) for row in read(drops, table).rows] == [(1, 1.0, "1"), (2, 1.5, "a")]
