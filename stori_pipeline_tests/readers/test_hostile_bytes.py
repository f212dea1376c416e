"""No exception of a library stops more than its row, file or document: valid input with a few bytes changed, in every format.

What may happen is that rows land, that rows are rejected, or that the file is. A reader that does not know an error stops its table, and
everything behind the file with it.
"""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import bson
import pyarrow as pa
import pytest
from bson import Decimal128, ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.contract import conform, rejected_schema
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, date, decimal, double, integer, super_, timestamptz, varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.http_api.answers import Columns, parse
from stori_pipeline.readers.mongo import ChangeStream, scans
from stori_pipeline.readers.mongo.connection import decoded
from stori_pipeline.readers.mongo.documents import Documents
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.decoding import unzipped
from stori_pipeline.readers.sqs import messages
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.dropping import FILE
from stori_pipeline_tests.readers.scaffolded_drops import parquet_bytes

_COLUMNS = (
    Column("id", varchar(64), nullable=False),
    Column("amount", decimal(18, 2)),
    Column("count", integer),
    Column("ratio", double),
    Column("flag", boolean),
    Column("day", date),
    Column("at", timestamptz),
    Column("country", varchar(64), path="address.country"),
    Column("doc", super_),
)
_DROPS = Table(Source("feed", "s3_drop", "A feed."), "rows", _COLUMNS, ("id",), Objects("rows/"))
_NOW = datetime(2024, 11, 15, 8, 30, tzinfo=timezone.utc)
_ROW: dict[str, Any] = {
    "id": "row 1", "amount": "12.50", "count": 7, "ratio": 0.25, "flag": True, "day": "2024-11-15", "at": _NOW.isoformat(),
    "address": {"country": "ES", "city": "Málaga"}, "doc": {"a": [1, 1.5e3, None, "ü\\u0000"], "data": []},
}  # fmt: skip
_CSV_NAMES = ["id", "amount", "count", "ratio", "flag", "day", "at", "address.country", "doc"]
_CSV = "\r\n".join(
    [",".join(_CSV_NAMES), 'row 1,12.50,7,0.25,true,2024-11-15,2024-11-15T08:30:00Z,ES,"{""a"": [1]}"', 'row 2,,,,,,,"M""á\n",']
)
_NATIVE = {**_ROW, "amount": Decimal("12.50"), "day": _NOW.date(), "at": _NOW, "doc": [{"a": "x"}], "many": [("k", 1)]}
_SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("amount", pa.decimal128(18, 2)), ("count", pa.int32()), ("ratio", pa.float32()), ("flag", pa.bool_()),
        ("day", pa.date32()), ("at", pa.timestamp("us", "Europe/Madrid")), ("address", pa.struct([("country", pa.string())])),
        ("doc", pa.list_(pa.struct([("a", pa.string())]))), ("many", pa.map_(pa.string(), pa.int64())),
    ]
)  # fmt: skip
_PARQUET = pa.Table.from_pylist([_NATIVE, {"id": "row 2"}], schema=_SCHEMA)
_LINES = "".join(json.dumps({**_ROW, "id": f"row {number}"}) + "\n" for number in range(3))
_FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("json", _LINES.encode()),
    "array": ("json", json.dumps([_ROW, _ROW]).encode()),
    "envelope": ("json", json.dumps({"total": 2, "data": [_ROW, _ROW]}).encode()),
    "csv": ("csv", _CSV.encode()),
    "parquet": ("parquet", parquet_bytes(_PARQUET)),
    "plain parquet": ("parquet", parquet_bytes(_PARQUET, compression="none", use_dictionary=False)),
    "gzip": ("csv", gzip.compress(_CSV.encode())),
}
_TOKENS = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"]",
    b"1e99999999999999999999",
    b"-",
    b"9" * 5000,
    b"NaN",
    b"[" * 3000,
    b"\xef\xbb\xbf",
]
_CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from(_TOKENS) | st.binary(min_size=1, max_size=4)), min_size=1, max_size=4
)
Changes = list[tuple[float, int, bytes]]


def _changed(body: bytes, changes: Changes) -> bytes:
    """The body with some bytes at random places replaced by others, which may be more or fewer."""
    for place, count, new in changes:
        at = int(place * len(body))
        body = body[:at] + new + body[at + count :]
    return body


def _conformed(table: Table, rows: Any) -> None:
    landed, rejected = conform(table, rows)
    assert landed.schema == table.read_schema
    assert rejected.schema == rejected_schema()
    assert all(json.loads(raw) is not None or raw == "null" for raw in rejected.column("raw").to_pylist())


@settings(max_examples=extent(60, 3_000))
@pytest.mark.parametrize("name", _FILES)
@given(changes=_CHANGES)
def test_hostile_bytes_in_a_file_reject_its_rows_or_the_file(name: str, changes: Changes) -> None:
    """Regression: a date that Python cannot hold, or an unknown zone, stopped the table."""
    kind, body = _FILES[name]
    try:
        with unzipped(io.BytesIO(_changed(body, changes))) as plain:
            rows = list(formats.rows(_DROPS, kind, plain, replace(FILE, size=len(body)), Objects("rows/")))
    except BrokenFile as error:
        assert str(error)
    else:
        _conformed(_DROPS, rows)


@settings(max_examples=extent(100, 3_000))
@given(_CHANGES)
def test_hostile_bytes_in_a_message_reject_that_message(changes: Changes) -> None:
    """Regression: a number whose exponent no Decimal holds stopped the queue."""
    body = _changed(json.dumps(_ROW).encode(), changes).decode(errors="replace")
    sent = [Message("1", "h", 1, json.dumps(_ROW)), Message("2", "h", 2, body), Message("3", "h", 3, json.dumps(_ROW))]
    rows = list(messages.rows(_DROPS, sent, {}))
    assert len(rows) == len(sent)
    _conformed(_DROPS, rows)


@settings(max_examples=extent(100, 3_000))
@given(_CHANGES)
def test_hostile_bytes_in_an_answer_refuse_it_or_reject_its_rows(changes: Changes) -> None:
    body = _changed(json.dumps({"date": "2024-11-15", "rows": [_ROW, _ROW]}).encode(), changes)
    try:
        document = parse(body, "feed.rows at /latest")
    except SourceError as error:
        assert "feed.rows at /latest" in str(error)
    else:
        rows = document.get("rows") if isinstance(document, dict) else [document]
        _conformed(_DROPS, [Columns(_DROPS).row(each, document, {}) for each in (rows if isinstance(rows, list) else [rows])])


_DOCUMENTS = Table(
    Source("app", "mongodb", "An application."), "rows", (*_COLUMNS[1:], replace(_COLUMNS[0], path="_id")), ("id",), ChangeStream()
)
_BSON = bson.encode(
    {
        **_ROW,
        "_id": ObjectId("5597a1627df886b33f839f9e"),
        "amount": Decimal128("12.50"),
        "at": _NOW,
        "uuid": bson.Binary(b"0123456789abcdef", 4),
    }
)
_MILLISECONDS = bson.datetime_ms.DatetimeMS
_REFERENCE = bson.encode({"_id": 2, "doc": {"$ref": "ccc", "$id": 1}})
_ODD = {
    "a reference to a number": _REFERENCE.replace(b"\x02$ref\0\x04\0\0\0ccc\0", b"\x01$ref\0" + bytes(8)),
    "a uuid of three bytes": bson.encode({"_id": 2, "doc": bson.Binary(b"abc", 4), "count": bson.Binary(b"abc", 3)}),
    "a uuid of three bytes as key": bson.encode({"_id": bson.Binary(b"abc", 4)}),
    "a regular expression": bson.encode({"_id": 2, "doc": bson.Regex("(", "z"), "amount": bson.MinKey()}),
    "a date beyond all years": bson.encode({"_id": 2, "at": _MILLISECONDS(2**62), "doc": [_MILLISECONDS(-(2**62))]}),
    "half a character": _BSON.replace("á".encode(), b"\xff\xfe").replace(b"2024-11-15\0", b"2024-11-\xff\xfe\0"),
}


@pytest.mark.parametrize("name", _ODD)
def test_an_odd_document_is_rejected_alone_or_lands(name: str) -> None:
    good = bson.encode({"_id": 1, "count": 1}), bson.encode({"_id": 3, "count": 3})
    documents = decoded(good[0] + _ODD[name] + good[1])
    rows = scans.rows_of(Documents(_DOCUMENTS), documents, None)
    landed, rejected = conform(_DOCUMENTS, rows)
    assert {"1", "3"} <= set(landed.column("id").to_pylist())
    assert landed.num_rows + rejected.num_rows == 3


@settings(max_examples=extent(100, 3_000))
@given(_CHANGES)
def test_hostile_bytes_in_a_document_reject_that_document(changes: Changes) -> None:
    """The bytes of its values, not its lengths, without which nobody knows where the next document begins."""
    body = _changed(_BSON[4:-1], [(place, len(new), new) for place, _, new in changes])[: len(_BSON) - 5].ljust(len(_BSON) - 5, b"\1")
    good = [bson.encode({"_id": number}) for number in (1, 2)]
    documents = decoded(good[0] + _BSON[:4] + body + b"\0" + good[1])
    rows = scans.rows_of(Documents(_DOCUMENTS), documents, None)
    landed, rejected = conform(_DOCUMENTS, rows)
    assert {"1", "2"} <= set(landed.column("id").to_pylist())
    assert landed.num_rows + rejected.num_rows == 3
    assert isinstance(RawBSONDocument(good[0])["_id"], int)
