"""The star tables of totesys as functions: what their columns depend on, and special values.

`test_recomputed` tests that they agree with the source as a whole.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import polars as pl
import pytest

from stori_pipeline.model.star import Star
from stori_pipeline.star import totesys
from stori_pipeline_tests.shipped import STARS
from stori_pipeline_tests.star.lineage import TABLES, assert_lineage, inputs, own_columns

UTC = timezone.utc


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_a_columns_values_depend_on_exactly_its_lineage(star: Star) -> None:
    assert_lineage(star)


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_texts_are_as_long_as_in_the_source(star: Star) -> None:
    for name, of in star.lineage().items():
        width = star.table[name].type.max_bytes
        for full_name, column in of:
            source = TABLES[full_name][column].type.max_bytes
            assert width is None or source is None or width >= source, f"{name} of {full_name}.{column}"


def test_every_star_table_is_described() -> None:
    assert len(STARS) == 11
    for name, star in STARS.items():
        assert star.name == name
        assert star.table.description
        assert all(column.description for column in star.table.columns)


def _rows(name: str, **frames: pl.DataFrame) -> list[dict[str, Any]]:
    star = STARS[name]
    return star.make(**{name: frame.lazy() for name, frame in frames.items()}).select(own_columns(star)).collect().to_dicts()


def test_staff_of_a_department_that_is_late_or_has_no_location_are_not_lost() -> None:
    staff = pl.DataFrame(
        {"staff_id": [1, 2, 3], "first_name": "Ann", "last_name": "O'Keefe", "department_id": [1, 2, 9], "email_address": "a@b"}
    )
    department = pl.DataFrame({"department_id": [1, 2], "department_name": ["Finance", "Dispatch"], "location": ["Manchester", None]})
    assert [
        (row["staff_id"], row["department_name"], row["location"]) for row in _rows("dim_staff", staff=staff, department=department)
    ] == [
        (1, "Finance", "Manchester"),
        (2, "Dispatch", "Unknown"),
        (3, "Unknown", "Unknown"),
    ]


def test_currencies_have_iso_names_and_unknown_ones_have_their_code() -> None:
    currency = pl.DataFrame({"currency_id": [1, 2, 3, 4], "currency_code": ["GBP", "USD", "EUR", "XXQ"]})
    assert [row["currency_name"] for row in _rows("dim_currency", currency=currency)] == ["Pound Sterling", "US Dollar", "Euro", "XXQ"]


def test_an_instant_is_split_and_only_a_full_date_is_a_date() -> None:
    texts = ["2024-11-15", "2024-02-30", "2024-2-3", "15/11/2024", "0000-01-01", "", None, "9999-12-31"]
    at = [datetime(2022, 12, 15, 11, 25, 10, 0, UTC), datetime(2022, 12, 15, 11, 25, 10, 123000, UTC)] * 4
    frame = inputs(STARS["fact_payment"])["payment"].collect()
    frame = pl.concat([frame, frame]).with_columns(pl.Series("payment_date", texts), pl.Series("created_at", at))
    result = _rows("fact_payment", payment=frame)
    assert [row["payment_date"] for row in result] == [date(2024, 11, 15), *[None] * 6, date(9999, 12, 31)]
    assert {(row["created_date"], row["created_time"]) for row in result} == {
        (date(2022, 12, 15), "11:25:10.000000"),
        (date(2022, 12, 15), "11:25:10.123000"),
    }
    assert not {"company_ac_number", "counterparty_ac_number"} & set(own_columns(STARS["fact_payment"]))


def _facts(**days: list[date]) -> dict[str, pl.DataFrame]:
    """The three facts with no dates but those given."""
    frames = {}
    for name in STARS["dim_date"].inputs:
        at = days.get(name, [])
        frames[name] = pl.DataFrame(dict.fromkeys(totesys.DAYS[name], at), schema=dict.fromkeys(totesys.DAYS[name], pl.Date()))
    return frames


def test_the_calendar_has_every_day_of_each_year_of_a_fact() -> None:
    assert _rows("dim_date", **_facts()) == []
    days = _rows("dim_date", **_facts(fact_payment=[date(2024, 12, 31)], fact_sales_order=[date(2023, 5, 1), date(9999, 1, 1)]))
    assert [row["date_id"].year for row in days] == [2023] * 365 + [2024] * 366 + [9999] * 365
    leap = days[365 + 59]
    assert leap == {
        "date_id": date(2024, 2, 29),
        "year": 2024,
        "month": 2,
        "day": 29,
        "day_of_week": 4,
        "day_name": "Thursday",
        "month_name": "February",
        "quarter": 1,
    }
    assert all(row["day_of_week"] == row["date_id"].isoweekday() for row in days)
    assert all(row["quarter"] == (row["date_id"].month + 2) // 3 for row in days)
    assert {row["day_name"] for row in days if row["day_of_week"] == 7} == {"Sunday"}
