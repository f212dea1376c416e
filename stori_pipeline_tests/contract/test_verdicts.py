"""Which rows fit a definition: the page of verdicts, line by line, and the rejection of rows."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline import model
from stori_pipeline.contract import CODES, RAW_CHARACTERS, Misfit, Refused, conform, raw_text, rejected_schema, row_of_raw
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import Type
from stori_pipeline.readers.mongo import ChangeStream

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "types.md").read_text(encoding="utf-8")
SOURCE = Source("shop", "mongodb", "A shop.")
NAMES = {
    "Decimal": Decimal,
    "date": date,
    "time": time,
    "datetime": datetime,
    "timedelta": timedelta,
    "timezone": timezone,
    "UUID": UUID,
}


def _said(text: str, names: dict[str, Any]) -> Any:
    """The value that a cell of the page denotes."""
    return eval(text.strip("`"), dict(names))  # noqa: S307  (the page is part of this repository)


def _lines() -> Iterator[tuple[str, str, str, str]]:
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0].startswith("`"):
            yield cells[0], cells[1], cells[2], cells[3]


VERDICTS = list(_lines())
TYPES: dict[str, Any] = vars(model)


def _table(kind: Type, **column: Any) -> Table:
    columns = (Column("id", model.integer, nullable=False), Column("value", kind, **column))
    return Table(SOURCE, "items", columns, ("id",), ChangeStream())


def test_the_page_has_every_type_and_every_verdict() -> None:
    assert {cells[0].strip("`").partition("(")[0] for cells in VERDICTS} == {
        "bigint", "integer", "smallint", "decimal", "double", "varchar", "boolean", "date", "timestamptz", "time", "super_"
    }  # fmt: skip
    assert {cells[2] for cells in VERDICTS} == {"exact", "rounded", "to text", "quarantined"}


def test_the_page_explains_the_codes_and_no_others() -> None:
    page = (ROOT / "docs" / "quarantine.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| `(\w+)` \| ([^|`]+) \|$", page.partition("## Codes")[2], re.MULTILINE)
    assert dict(codes) == CODES


def test_every_code_is_given_by_the_contract_or_a_reader_and_no_other_is() -> None:
    given: set[str] = set()
    for file in (ROOT / "stori_pipeline").rglob("*.py"):
        given |= set(re.findall(r"(?:Refused|Misfit|MisfitError)\(\s*\"(\w+)\"", file.read_text(encoding="utf-8")))
        given |= set(re.findall(r"unfit_code=\"(\w+)\"", file.read_text(encoding="utf-8")))
    assert given == set(CODES)


@pytest.mark.parametrize(("kind", "value", "verdict", "outcome"), VERDICTS, ids=[" ".join(cells[:3]) for cells in VERDICTS])
@pytest.mark.parametrize("company", ["alone", "in company"])
def test_a_value_gets_the_verdict_on_the_page(kind: str, value: str, verdict: str, outcome: str, company: str) -> None:
    # In company of a value that never fits, the column is converted value by value; alone, at once where that is possible.
    rows: list[dict[str, object]] = [{"id": 1, "value": _said(value, NAMES)}]
    if company == "in company":
        rows.append({"id": 2, "value": Misfit("type", "never fits")})
    batch, rejected = conform(_table(_said(kind, TYPES)), rows)
    assert batch.num_rows + rejected.num_rows == len(rows)
    if verdict == "quarantined":
        assert batch.num_rows == 0
        assert rejected.column("code")[0].as_py() == outcome.strip("`")
        assert rejected.column("column")[0].as_py() == "value"
        assert json.loads(rejected.column("raw")[0].as_py())
    else:
        landed, meant = batch.column("value").to_pylist()[0], _said(outcome, NAMES)
        assert (landed, str(landed)) == (meant, str(meant))


ORDERS = Table(
    SOURCE,
    "orders",
    (
        Column("id", model.bigint, nullable=False),
        Column("name", model.varchar(8), nullable=False),
        Column("price", model.decimal(8, 2)),
        Column("tags", model.super_),
    ),
    ("id",),
    ChangeStream(),
)


def test_rows_keep_their_order_and_misfits_are_rejected() -> None:
    rows: list[Any] = [
        {"id": 1, "name": "a", "price": 1, "tags": [1]},
        {"id": 2, "name": None},
        {"id": 3, "name": "c", "other": "ignored"},
        "not a row",
        {"id": None, "name": "d"},
        {"name": "e"},
        Refused("document", "an element is a number", "[5]", "tags"),
        {"id": 4, "name": "too long a name", "price": "x"},
        {"id": 5, "name": "f", "price": Misfit("type", "details holds a str")},
        {"id": 6, "name": "g"},
    ]
    batch, rejected = conform(ORDERS, rows)
    assert batch.schema == ORDERS.read_schema
    assert rejected.schema == rejected_schema()
    batch.validate(full=True)
    assert batch.column("id").to_pylist() == [1, 3, 6]
    assert [(r["code"], r["column"]) for r in rejected.to_pylist()] == [
        ("missing", "name"),
        ("document", ""),
        ("key_missing", "id"),
        ("key_missing", "id"),
        ("document", "tags"),
        ("too_long", "name"),
        ("type", "price"),
    ]


def test_the_reason_names_every_column_that_does_not_fit_and_both_lengths() -> None:
    _, rejected = conform(ORDERS, [{"id": 4, "name": "too long a name", "price": "x"}])
    (reason,) = rejected.column("reason").to_pylist()
    assert reason == "name: 15 bytes, but varchar(8) holds 8; price: 'x' (str) is not a decimal(8,2)"


def test_a_deleted_row_needs_its_key_and_nothing_else() -> None:
    batch, rejected = conform(ORDERS, [{"id": "7", "_deleted": True, "price": "junk"}, {"_deleted": True}, {"id": 8, "name": "h"}])
    assert batch.to_pylist() == [
        {"id": 7, "name": None, "price": None, "tags": None, "_deleted": True},
        {"id": 8, "name": "h", "price": None, "tags": None, "_deleted": False},
    ]
    assert rejected.column("code").to_pylist() == ["key_missing"]


def test_conform_of_no_rows_returns_two_empty_batches() -> None:
    batch, rejected = conform(ORDERS, [])
    assert (batch.num_rows, batch.schema, rejected.num_rows, rejected.schema) == (0, ORDERS.read_schema, 0, rejected_schema())


def test_a_column_of_nulls_only_stays_a_column_of_nulls() -> None:
    batch, _ = conform(ORDERS, [{"id": n, "name": "a"} for n in range(3)])
    assert batch.column("tags").to_pylist() == [None] * 3


def test_raw_keeps_the_row_as_it_was_read() -> None:
    row = {
        "id": None,
        "price": Decimal("1.10"),
        "at": datetime(2026, 11, 21, tzinfo=timezone.utc),
        "day": date(2026, 11, 21),
        "bytes": b"abc",
        "nan": float("nan"),
        "nested": {"list": [1, float("inf")]},
        "nul": "a\0b",
        "half": "\ud800",
    }
    _, rejected = conform(ORDERS, [row])
    assert json.loads(rejected.column("raw")[0].as_py()) == {
        "id": None,
        "price": 1.1,
        "at": "2026-11-21T00:00:00+00:00",
        "day": "2026-11-21",
        "bytes": {"$base64": "YWJj"},
        "nan": "nan",
        "nested": {"list": [1, "inf"]},
        "nul": "a\0b",
        "half": "\ud800",
    }


def test_raw_is_the_text_that_the_reader_gives() -> None:
    _, rejected = conform(ORDERS, [{"_raw": '{"_id": 1}'}, {"_raw": lambda: '{"_id": 2}'}])
    assert rejected.column("raw").to_pylist() == ['{"_id": 1}', '{"_id": 2}']


def test_raw_beyond_its_limit_has_the_beginning_of_each_value() -> None:
    whole = {"id": "x", "text": "y" * 20_000_000}
    assert json.loads(raw_text(whole)) == whole
    huge = {"id": "x", "text": "y" * (RAW_CHARACTERS + 1)}
    assert json.loads(raw_text(huge)) == {
        "id": "x",
        "text": "y" * 1000 + f"… ({RAW_CHARACTERS + 1} characters)",
        "$shortened": True,
    }
    assert row_of_raw(raw_text(huge)) is None


def test_raw_of_a_too_deep_row_is_still_json() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert "nested too deeply" in json.loads(raw_text({"a": deep}))
    finally:
        while deep:  # taken apart by hand: freeing it whole would recurse
            deep = deep.pop()


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.text(alphabet=st.characters()),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))])),
    st.datetimes(),
    st.binary(),
    st.uuids(),
)
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
_KINDS = [
    model.bigint,
    model.smallint,
    model.boolean,
    model.date,
    model.timestamptz,
    model.double,
    model.super_,
    model.decimal(18, 6),
    model.varchar(16),
]


@given(kind=st.sampled_from(_KINDS), values=st.lists(_VALUES, max_size=6))
def test_every_row_lands_or_is_rejected_whatever_rows_are_beside_it(kind: Type, values: list[Any]) -> None:
    table = _table(kind)
    rows = [{"id": number, "value": value} for number, value in enumerate(values)]
    batch, rejected = conform(table, rows)
    batch.validate(full=True)
    assert batch.num_rows + rejected.num_rows == len(rows)
    assert set(rejected.column("code").to_pylist()) <= CODES.keys()
    apart = [conform(table, [row]) for row in rows]
    assert batch.to_pylist() == [row for fits, _ in apart for row in fits.to_pylist()]
    before = list(itertools.accumulate((fits.num_rows for fits, _ in apart), initial=0))
    wrong = [row | {"seq": before[place]} for place, (_, each) in enumerate(apart) for row in each.to_pylist()]
    assert rejected.to_pylist() == wrong


def _again(raw: str) -> dict[str, object]:
    row = row_of_raw(raw)
    assert row is not None
    return row


@given(kind=st.sampled_from(_KINDS), value=_VALUES)
def test_a_rejected_row_that_nobody_edited_does_not_fit_when_it_is_read_again(kind: Type, value: Any) -> None:
    """Otherwise a replay would land a value that the source does not have."""
    table = _table(kind)
    _, rejected = conform(table, [{"id": 1, "value": value}])
    for raw in rejected.column("raw").to_pylist():
        again, _ = conform(table, [_again(raw)])
        assert again.to_pylist() == []


def test_a_value_that_its_reader_could_not_pass_on_is_no_null_when_it_is_read_again() -> None:
    _, rejected = conform(ORDERS, [{"id": 1, "name": "a", "price": Misfit("range", "beyond any decimal")}])
    (raw,) = rejected.column("raw").to_pylist()
    again, rejected_again = conform(ORDERS, [_again(raw)])
    assert again.num_rows == 0
    assert rejected_again.column("code").to_pylist() == ["range"]
    mended = json.loads(raw) | {"price": 1.5}
    fitting, _ = conform(ORDERS, [_again(json.dumps(mended))])
    assert fitting.column("price").to_pylist() == [Decimal("1.50")]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**11), max_value=10**11))
def test_a_decimal_that_fits_lands_to_the_last_digit_from_native_and_text(value: Decimal) -> None:
    batch, _ = conform(_table(model.decimal(18, 6)), [{"id": 1, "value": value}, {"id": 2, "value": format(value, "f")}])
    assert batch.column("value").to_pylist() == [value, value]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e11, max_value=1e11).map(lambda x: round(x, 2))))
def test_a_float_price_lands_as_the_decimal_it_shows(values: list[float]) -> None:
    batch, rejected = conform(_table(model.decimal(18, 6)), [{"id": n, "value": value} for n, value in enumerate(values)])
    assert rejected.num_rows == 0
    assert [float(value) for value in batch.column("value").to_pylist()] == values
