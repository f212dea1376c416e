"""Blocks of COPY's text: Arrow and the contract give the same rows, and Python parses no row without need."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.contract import conform
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import Type, bigint, decimal, double, integer, super_, time, timestamptz, varchar
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.postgres import Xmin, copy_text
from stori_pipeline.readers.postgres.copy_text import BlockParser

SOURCE = Source(name="shop", kind="postgres", description="A shop.")


def _edges(kind: Type) -> Table:
    return Table(SOURCE, "edges", (Column("id", integer, nullable=False), Column("value", kind)), ("id",), Xmin())


def test_bytes_that_are_not_text_are_rejected_row_by_row() -> None:
    """A database in SQL_ASCII checks nothing and sends what it has."""
    (chunk,) = BlockParser(_edges(varchar(10))).parse(b"1\tok\n2\t\xff\xfe\n3\tok\n")
    assert [row["id"] for row in chunk.rows.to_pylist()] == [1, 3]
    (rejected,) = chunk.rejected.to_pylist()
    assert rejected["code"] == "unicode"
    assert "2" in rejected["raw"]
    assert r"\xff\xfe" in rejected["reason"]


def test_decimals_with_trailing_zeros_are_not_parsed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: every row of a table with a quotient, or with more places than its definition, went through the contract."""

    def never(*_: object) -> None:
        raise AssertionError("a row went through the contract")

    monkeypatch.setattr(copy_text, "conform", never)
    parser = BlockParser(_edges(decimal(9, 2)))
    for block, meant in (
        (b"1\t0.1\n2\t0.01\n", ["0.10", "0.01"]),
        (b"1\t0.01000000000000000000\n2\t-7.50\n3\t\\N\n4\t100.000\n5\t-0.000\n", ["0.01", "-7.50", None, "100.00", "0.00"]),
        (b"1\t1234567.89\n", ["1234567.89"]),
    ):
        (chunk,) = parser.parse(block)
        found = chunk.rows.column(1).to_pylist()
        assert found == [value and Decimal(value) for value in meant]
    monkeypatch.undo()
    (chunk,) = parser.parse(b"1\t0.0010\n2\t0.0100\n3\tNaN\n4\t10000000.0\n")
    assert chunk.rows.column(1).to_pylist() == [Decimal("0.01")]
    assert [row["code"] for row in chunk.rejected.to_pylist()] == ["scale", "not_finite", "range"]


def test_times_and_columns_of_nulls_are_not_parsed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: every row of a table with a time went through the contract, and so did a block without a value in a column of doubles."""

    def never(*_: object) -> None:
        raise AssertionError("a row went through the contract")

    monkeypatch.setattr(copy_text, "conform", never)
    parser = BlockParser(_edges(time))
    (chunk,) = parser.parse(b"1\t07:55:00\n2\t10:30:00.5\n3\t\\N\n4\t23:59:59.999999\n5\t00:00:00.000001\n")
    assert chunk.rows.column(1).to_pylist() == ["07:55:00.000000", "10:30:00.500000", None, "23:59:59.999999", "00:00:00.000001"]
    for kind in (time, double):
        (chunk,) = BlockParser(_edges(kind)).parse(b"1\t\\N\n2\t\\N\n")
        assert chunk.rows.column(1).to_pylist() == [None, None]
    monkeypatch.undo()
    (chunk,) = parser.parse(b"1\t07:55:00\n2\t24:00:00\n")
    assert chunk.rows.column(1).to_pylist() == ["07:55:00.000000"]
    assert chunk.rejected.column("code").to_pylist() == ["range"]


# ---- Arrow's way and the contract's, on anything at all

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | _TEXT | st.decimals(-1000, 1000, places=3).map(float),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)
_EVERYTHING = Table(
    SOURCE,
    "everything",
    (
        Column("id", bigint, nullable=False),
        Column("name", varchar(24)),
        Column("doc", super_),
        Column("amount", decimal(9, 2)),
        Column("at", timestamptz),
        Column("ratio", double),
    ),
    ("id",),
    Xmin(),
)
_ROW = st.tuples(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.none() | _TEXT,
    # As jsonb writes it, spaces after colons and commas included.
    st.none() | _JSON.map(lambda value: json.dumps(json.loads(json_text(value), parse_float=str), ensure_ascii=False)),
    st.none()
    | st.decimals(allow_nan=True, allow_infinity=True).map(lambda value: format(value, "f"))
    | st.decimals(-(10**8), 10**8, places=2).map(str)
    | st.decimals(-(10**8), 10**8, places=2).map(lambda value: f"{value:.20f}"),  # as a quotient is written
    st.none() | st.sampled_from(["infinity", "0044-03-15 00:00:00+00 BC"]) | st.datetimes().map(lambda at: f"{at.isoformat(' ')}+00"),
    st.none() | st.floats().map(repr),
)

_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def _copy_text(rows: list[tuple[str | None, ...]]) -> bytes:
    """The rows as COPY writes them."""
    lines = ("\t".join("\\N" if v is None else "".join(_ESCAPED.get(c, c) for c in v) for v in row) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("places", [3, 38, 39, 40, 71, 200])
def test_a_number_with_too_many_places_for_arrow_is_rejected_and_not_zero(places: int) -> None:
    row = ("1", None, None, "0." + "0" * (places - 1) + "9", None, None)
    names = [column.name for column in _EVERYTHING.columns]
    (chunk,) = BlockParser(_EVERYTHING).parse(_copy_text([row]))
    fitting, rejected = conform(_EVERYTHING, [dict(zip(names, row, strict=True))])
    assert chunk.rows.num_rows == fitting.num_rows == 0
    assert chunk.rejected.column("code").to_pylist() == rejected.column("code").to_pylist() == ["scale"]


@given(st.lists(_ROW, min_size=1, max_size=6))
def test_a_block_parses_into_the_same_rows_as_the_contract(rows: list[tuple[str | None, ...]]) -> None:
    names = [column.name for column in _EVERYTHING.columns]
    expected, rejected = conform(_EVERYTHING, [dict(zip(names, row, strict=True)) for row in rows])
    parser = BlockParser(_EVERYTHING)
    chunks = parser.parse(_copy_text(rows))
    assert pa.Table.from_batches([chunk.rows for chunk in chunks]).to_pylist() == expected.to_pylist()
    assert pa.Table.from_batches([chunk.rejected for chunk in chunks]).to_pylist() == rejected.to_pylist()
    one_by_one = [chunk for row in rows for chunk in parser.parse(_copy_text([row]))]
    assert pa.Table.from_batches([chunk.rows for chunk in one_by_one]).to_pylist() == expected.to_pylist()
