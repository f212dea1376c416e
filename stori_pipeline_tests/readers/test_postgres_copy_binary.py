"""Both formats of COPY give the same rows, the same rejected rows and the same reasons.

Does not belong here: what the decoder makes of bytes by itself (`copy_decoder/tests`).
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import copy_decoder
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, double, integer, smallint, super_, time, timestamptz, varchar
from stori_pipeline.readers import SourceError, reader_for
from stori_pipeline.readers.postgres import Xmin, binary_stream, reading
from stori_pipeline.readers.postgres.copy_binary import BinaryParser, decoder, in_known_types
from stori_pipeline.readers.postgres.copy_text import BlockParser
from stori_pipeline.readers.postgres.session import Address
from stori_pipeline.readers.postgres.stream import Copy, Stream
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.extent import extent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2 import extensions

    from stori_pipeline_tests.conftest import SourceDatabase

TABLE = Table(
    Source(name="shop", kind="postgres", description="A shop."),
    "everything",
    (
        Column("id", bigint, nullable=False),
        Column("narrow", integer),
        Column("narrower", smallint),
        Column("price", decimal(9, 2)),
        Column("exact", decimal(38, 37)),
        Column("vast", decimal(38, 0)),
        Column("about", double),
        Column("day", date),
        Column("at", timestamptz),
        Column("clock", time),
        Column("sold", boolean),
        Column("name", varchar(12)),
        Column("needed", varchar(40), nullable=False),
        Column("document", super_),
    ),
    ("id",),
    Xmin(),
)
SENT = ["bigint"] * 3 + ["numeric"] * 3 + ["float8", "date", "timestamptz", "time", "boolean", "text", "text", "jsonb"]

_BIG = st.integers(-(2**63), 2**63 - 1)
_INTEGERS = st.one_of(_BIG, st.sampled_from([0, 2**15, 2**15 - 1, -(2**15), -(2**15) - 1, 2**31, 2**31 - 1, -(2**31), -(2**31) - 1]))
_NUMERICS = st.one_of(
    st.from_regex(r"-?[0-9]{1,7}(\.[0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,45}(\.[0-9]{1,45})?", fullmatch=True),
    st.builds("{}e{}".format, st.integers(-99_999, 99_999), st.integers(-60, 300)),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "-0.00", "0.0010", "9999999.99", "9" * 38, "1" + "0" * 38, "1e-16383"]),
)
_DAYS = st.one_of(
    st.dates().map(str),
    st.sampled_from(["infinity", "-infinity", "4713-01-01 BC", "0001-01-01", "0001-12-31 BC", "10000-01-01", "5874897-12-31"]),
    st.builds("{:04d}-02-28{}".format, st.integers(1, 4_000), st.sampled_from(["", " BC"])),
)
_INSTANTS = st.one_of(
    st.datetimes().map(lambda each: f"{each}+00"),
    st.sampled_from(["infinity", "-infinity", "4713-01-01 12:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "0001-01-01 00:00:00+00"]),
    st.builds("{:04d}-03-01 00:00:00.{:06d}+00{}".format, st.integers(1, 4_000), st.integers(0, 999_999), st.sampled_from(["", " BC"])),
)
_DOUBLES = st.one_of(st.floats().map(repr), st.sampled_from(["1e23", "5e-324", "-0.0", "1e15", "123456789012345680", "1e28", "9.99e27"]))
_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_TEXTS = st.one_of(_ANY_TEXT, st.sampled_from(["\\N", "\\", "\t", "a\nb", "\r", "\b\f\v", "", " ", "\ufeffmark", "é" * 7]))
_SCALARS = st.none() | st.booleans() | st.integers() | _ANY_TEXT
_JSON = st.one_of(
    st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner), max_leaves=5).map(json.dumps),
    st.sampled_from(["null", '"a  \\\\ b"', '{"a" : [1.10, 1e300]}', "[" * 201 + "]" * 201, "1" * 310]),
)  # fmt: skip
_TIMES = st.one_of(st.times().map(str), st.sampled_from(["24:00:00", "00:00:00", "12:30:00.5"]))


def _row() -> st.SearchStrategy[tuple[Any, ...]]:
    each = [_INTEGERS, _INTEGERS, _INTEGERS, _NUMERICS, _NUMERICS, _NUMERICS, _DOUBLES, _DAYS, _INSTANTS, _TIMES]
    values = [*each, st.booleans(), _TEXTS, _TEXTS, _JSON]
    plain: list[Any] = [
        st.integers(-9, 9), st.just(1), st.just(1), st.just("7.50"), st.just("0.5"), st.just("12"), st.just("0.5"), st.just("2024-02-29"),
        st.just("2024-02-29 12:00:00.5+00"), st.just("12:00"), st.just(True), st.just("ok"), st.just("ok"), st.just('{"a": 1}'),
    ]  # fmt: skip
    # Mostly values that fit, so that most rows do; otherwise nearly every row would have a misfit.
    return st.tuples(
        *(st.one_of(good, good, st.none() if i else good, odd) for i, (good, odd) in enumerate(zip(plain, values, strict=True)))
    )


@pytest.fixture
def connection(source_db: SourceDatabase) -> Iterator[extensions.connection]:
    with closing(Address(source_db.reader_url).connect()) as opened:
        yield opened


def _query(cursor: extensions.cursor, rows: list[tuple[Any, ...]]) -> str:
    form = "(" + ", ".join(f"%s::{sent}" for sent in SENT) + ")"
    return "VALUES " + ", ".join(cursor.mogrify(form, row).decode() for row in rows)


def _read(stream: Stream[list[Chunk]]) -> tuple[list[Any], list[Any], int]:
    with closing(stream):
        chunks = [chunk for block in stream for chunk in block]
    rows = pa.Table.from_batches([chunk.rows for chunk in chunks], TABLE.read_schema)
    for batch in rows.to_batches():
        batch.validate(full=True)
    rejected, before = [], 0
    for chunk in chunks:
        rejected += [{**each, "seq": each["seq"] + before} for each in chunk.rejected.to_pylist()]  # as a landing counts
        before += chunk.rows.num_rows
    return rows.to_pylist(), rejected, stream.rows


def _both(connection: extensions.connection, rows: list[tuple[Any, ...]]) -> tuple[Any, Any]:
    with connection.cursor() as cursor:
        query = _query(cursor, rows)
    text = Stream([Copy(connection, f"COPY ({query}) TO STDOUT".encode())], BlockParser(TABLE).parse)
    statement = f"COPY ({in_known_types(TABLE, query)}) TO STDOUT (FORMAT binary)".encode()
    binary = binary_stream.BinaryStream([Copy(connection, statement)], BinaryParser(TABLE, copy_decoder).parse)
    binary.decoder, binary.columns = copy_decoder, len(TABLE.columns)
    return _read(text), _read(binary)


def _numbered(value: Any) -> str:
    return repr(value)  # which tells -0.0 from 0.0


def test_both_formats_give_the_same_rows_and_reasons(connection: extensions.connection) -> None:
    @settings(max_examples=extent(25, 2_000))
    @given(st.lists(_row(), min_size=1, max_size=40))
    def search(rows: list[tuple[Any, ...]]) -> None:
        text, binary = _both(connection, rows)
        assert _numbered(binary) == _numbered(text)
        assert binary[2] == len(rows)

    search()


def test_a_misfit_in_a_large_block_leaves_its_neighbours(connection: extensions.connection) -> None:
    good = (1, 1, 1, "7.50", "0.5", "12", "0.5", "2024-02-29", "2024-02-29 12:00+00", "12:00", True, "ok", "a" * 40, "{}")
    rows = [(i, *good[1:]) for i in range(2_000)]
    rows[1_000] = (1_000, 2**40, *good[2:])
    rows[1_500] = (1_500, *good[1:7], "infinity", *good[8:])
    text, binary = _both(connection, rows)
    assert binary == text
    assert len(binary[0]) == 1_998
    assert [each["code"] for each in binary[1]] == ["range", "not_finite"]


def test_a_reading_uses_the_decoder_and_an_error_of_the_server_is_explained(
    source_db: SourceDatabase, connection: extensions.connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[object] = []

    class Watched(binary_stream.BinaryStream):
        def _copy(self, connection: extensions.connection, statement: bytes) -> int:
            used.append(self)
            return super()._copy(connection, statement)

    monkeypatch.setattr(reading, "BinaryStream", Watched)
    table = Table(TABLE.source, "parcels", (Column("id", integer, nullable=False), Column("n", decimal(9, 2))), ("id",), Xmin())
    with closing(psycopg2.connect(source_db.admin_url)) as admin, admin, admin.cursor() as cursor:
        cursor.execute("CREATE TABLE parcels (id integer PRIMARY KEY, n numeric(9, 2)); INSERT INTO parcels VALUES (1, 2.50), (2, NULL)")
    with reader_for("postgres", source_db.reader_url).read(table, None) as found:
        assert [row["id"] for chunk in found for row in chunk.rows.to_pylist()] == [1, 2]
    assert len(used) == 1
    failing = Copy(connection, b"COPY (SELECT 1/0) TO STDOUT (FORMAT binary)")
    stream = binary_stream.BinaryStream([failing], BinaryParser(table, copy_decoder).parse)
    stream.decoder, stream.columns = copy_decoder, 2
    with closing(stream), pytest.raises(SourceError, match="division by zero"), Address(source_db.reader_url).errors(connection, "x", "y"):
        list(stream)


def test_without_the_decoder_the_text_path_serves_and_says_so_once(
    source_db: SourceDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    execute(source_db.admin_url, "CREATE TABLE parcels (id integer PRIMARY KEY)", "INSERT INTO parcels VALUES (1), (2)")
    table = Table(TABLE.source, "parcels", (Column("id", integer, nullable=False),), ("id",), Xmin())
    monkeypatch.setitem(sys.modules, "copy_decoder", None)  # so its import fails
    decoder.cache_clear()
    logger = logging.getLogger(decoder.__module__)
    monkeypatch.setattr(logger, "propagate", False)  # what the loggers above let through depends on the tests before
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    try:
        with caplog.at_level("INFO", logger.name):
            for _ in range(2):
                with reader_for("postgres", source_db.reader_url).read(table, None) as found:
                    assert [row["id"] for chunk in found for row in chunk.rows.to_pylist()] == [1, 2]
        assert [record.message for record in caplog.records if "copy-decoder is not installed" in record.message] == [
            "copy-decoder is not installed, so Postgres is read in text format, which takes twice the processor time"
        ]
    finally:
        decoder.cache_clear()
