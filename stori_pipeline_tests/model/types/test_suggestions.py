"""Which type a suggested definition names: the first that takes every value unchanged."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.types import Type
from stori_pipeline.model.types.suggestions import WIDE_TEXT, Suggestion, for_column, for_values, type_named


@pytest.mark.parametrize(
    ("texts", "python"),
    [
        (["2024-11-15T10:00:00Z", "2024-11-15 10:00"], "timestamptz"),
        (["2024-11-15 10:00:00 UTC"], "timestamptz"),
        (["2024-11-15"], "date"),
        (["2024-02-30"], WIDE_TEXT),
        (["2024-11-15T10:00:00Z", "2024-11-15"], WIDE_TEXT),
        (["2024-11-15 10:00 to 11:00"], WIDE_TEXT),
        (["2024-11-15 10:00:00.123456789"], WIDE_TEXT),
        (["12", "13"], WIDE_TEXT),
        (["true"], WIDE_TEXT),
        (["x"], WIDE_TEXT),
        ([], WIDE_TEXT),
    ],
)
def test_a_text_in_json_is_an_instant_or_a_day_but_no_number(texts: list[str], python: str) -> None:
    assert for_values(texts).python == python


@pytest.mark.parametrize(
    ("texts", "python"),
    [
        (["12", " -7 ", "0"], "bigint"),
        (["12", "01234"], WIDE_TEXT),
        (["-0"], "decimal(38, 10)"),
        (["+5"], WIDE_TEXT),
        (["9223372036854775808"], "decimal(38, 10)"),
        (["True", "false", "TRUE"], "boolean"),
        (["1.50", "2.25", "7"], "decimal(38, 10)"),
        (["100.0", "99.95"], "decimal(38, 10)"),
        (["1.9", "1.10"], WIDE_TEXT),
        (["0.000000000000000001", "1"], "decimal(38, 27)"),
        (["0.000000000000000001", "1000000000000000000000000000"], WIDE_TEXT),
        (["1e5"], WIDE_TEXT),
        (["1,50"], WIDE_TEXT),
        (["2024-01-05", "05.01.2024"], WIDE_TEXT),
    ],
)
def test_a_text_in_csv_is_a_number_only_if_the_number_can_be_written_back(texts: list[str], python: str) -> None:
    assert for_values(texts, handed=_padded, in_json=False).python == python


def _padded(kind: Type, text: str) -> str:
    return text if kind.is_text else text.strip()


@pytest.mark.parametrize(
    ("values", "python"),
    [
        ([1, 2], "bigint"),
        ([1, 2**63], "decimal(38, 10)"),
        ([2**200], WIDE_TEXT),
        ([1, 2.5], "double"),
        ([2**53 + 1, 2.5], "decimal(38, 10)"),
        ([1e-5, 1e300], WIDE_TEXT),
        ([float("nan")], WIDE_TEXT),
        ([Decimal("1.10"), 1], "decimal(38, 10)"),
        ([Decimal("1e-18"), Decimal("1e27")], WIDE_TEXT),
        ([True, False], "boolean"),
        ([True, 1], "super_"),
        ([1, "1"], "super_"),
        ([{"a": 1}, {}], "super_"),
        ([[1], "x"], "super_"),
        ([datetime(2026, 1, 1, tzinfo=timezone.utc)], "timestamptz"),
        ([date(2026, 1, 1)], "date"),
        ([time(7, 55)], "time"),
        ([None, None], WIDE_TEXT),
    ],
)
def test_the_values_of_a_field_have_a_type_that_takes_all_of_them(values: list[Any], python: str) -> None:
    assert for_values(values, handed=_as_json).python == python


def _as_json(kind: Type, value: Any) -> Any:
    return json.dumps(value) if kind.is_document and isinstance(value, str) else value


def test_a_text_that_is_longer_than_any_varchar_is_a_document() -> None:
    assert for_values(["x" * 65_536], handed=_as_json) == Suggestion("super_")


def test_what_a_source_does_not_guarantee_is_marked_as_a_guess() -> None:
    assert for_values(["a"]).comment == ""
    assert for_values([1.5]).comment == ""
    assert for_values([None]).comment == "a guess: no row has a value"
    assert for_values(["2024-11-15"] * 3 + ["2024-11-16"]).comment == "a guess: each of 2 texts reads as a date"
    assert for_values([1, 2]).comment == "a guess: each of 2 numbers is whole"
    assert for_values([1, "1"], handed=_as_json).comment == "a guess: values of 2 types"


def test_a_value_that_no_type_takes_is_told() -> None:
    found = for_values(["ok", "a\0b"], handed=_as_json)
    assert found.python == WIDE_TEXT
    assert found.comment == r"1 of 2 different values go to quarantine: 'a\x00b' has a NUL character"


def test_a_key_has_a_type_that_can_be_one() -> None:
    assert for_values([1, "a"], role="key").python == WIDE_TEXT
    assert for_values([1.5, 2], role="key").python == "decimal(38, 10)"
    assert for_values([{"a": 1}], role="key").python == WIDE_TEXT


@pytest.mark.parametrize(
    ("arrow", "values", "python"),
    [
        ([pa.string()], ["2024-11-15"], WIDE_TEXT),
        ([pa.dictionary(pa.int8(), pa.string())], ["a"], WIDE_TEXT),
        ([pa.int8()], [1], "bigint"),
        ([pa.uint64()], [2**64 - 1], "decimal(20, 0)"),
        ([pa.float32()], [0.1], "double"),
        ([pa.float64()], [float("nan")], WIDE_TEXT),
        ([pa.time64("us")], [time(1)], "time"),
        ([pa.decimal128(9, 2)], [Decimal("1.10")], "decimal(9, 2)"),
        ([pa.decimal128(5, 5)], [Decimal("0.00001")], "decimal(5, 5)"),
        ([pa.int64(), pa.float64()], [1, 1.5], "double"),
        ([pa.int64(), pa.string()], [1, "x"], WIDE_TEXT),
        ([pa.null()], [None], WIDE_TEXT),
        ([pa.null(), pa.int32()], [None, 7], "bigint"),
        ([pa.list_(pa.int64())], [[1]], "super_"),
    ],
)
def test_a_column_of_parquet_has_its_declared_type_if_that_takes_its_values(
    arrow: list[pa.DataType], values: list[Any], python: str
) -> None:
    assert for_column(arrow, values).python == python


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)


@given(st.lists(ANY_JSON, min_size=1, max_size=6))
def test_whatever_the_values_the_suggested_type_takes_them(values: list[Any]) -> None:
    found = for_values(values, handed=_as_json)
    kind = type_named(found.python)
    assert found.warning == ""
    for value in values:
        if value is not None:
            kind.convert(_as_json(kind, value))
