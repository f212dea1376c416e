"""The star tables of totesys as functions: what their columns depend on, and the values that need thought.

That they agree with the source as a whole is for the independent recomputation in SQL to say.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from stori_pipeline import catalog
from stori_pipeline.model.changes import History
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column
from stori_pipeline.star import STARS, totesys

UTC = timezone.utc
TABLES = {table.full_name: table for table in (*catalog.TABLES, *(star.table for star in STARS.values()))}
_OWN = {"_batch": 1, "_seq": 0, "_deleted": False}


def _sample(column: Column, row: int) -> Any:
    """A value of row `row`: integers count, so that every reference to a row finds one."""
    kind = column.type.name.partition("(")[0]
    if column.name.endswith("_date") and kind == "varchar":
        return f"2024-06-{row + 1:02}"
    if kind == "varchar":
        return ["GBP", "USD", "EUR", "JPY"][row] if column.name == "currency_code" else f"{column.name} {row}"
    at = datetime(2024, 3, 1 + row, 9, 30, tzinfo=UTC)
    return {"integer": row + 1, "decimal": Decimal(row), "boolean": True, "timestamptz": at, "date": at.date(), "time": "10:00:00.000000"}[
        kind
    ]


def _changed(value: Any) -> Any:
    """Another value of the same kind; a date moves to another year."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value.replace("2024", "2025") if value.startswith("2024") else f"{value}!"
    return value + (timedelta(days=400, hours=1) if isinstance(value, (date, datetime)) else 1)


def _inputs(star: Star, changed: tuple[str, str] = ("", "")) -> dict[str, pl.LazyFrame]:
    """Four rows of every input, the values of one (input, column) changed."""
    frames = {}
    for parameter, name in star.inputs.items():
        rows = [{column.name: _sample(column, row) for column in TABLES[name].columns} for row in range(4)]
        if changed[0] == name:
            rows = [row | {changed[1]: _changed(row[changed[1]])} for row in rows]
        frames[parameter] = pl.DataFrame([row | _OWN for row in rows], schema_overrides={"_seq": pl.Int64}).lazy()
    return frames


def _columns(star: Star) -> list[str]:
    own = (star.table.key[0], "_observed_at", "_removed") if isinstance(star.table.changes, History) else ()
    return [column.name for column in star.table.columns if column.name not in own]


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_a_columns_values_depend_on_what_its_lineage_says_and_on_nothing_else(star: Star) -> None:
    before = star.make(**_inputs(star)).select(_columns(star)).collect()
    assert before.height >= 4
    lineage = star.lineage()
    for name in star.inputs.values():
        for column in TABLES[name].columns:
            after = star.make(**_inputs(star, (name, column.name))).select(_columns(star)).collect()
            moved = {each for each in _columns(star) if not before[each].equals(after[each])}
            assert moved == {each for each in _columns(star) if (name, column.name) in lineage[each]}, f"{name}.{column.name}"


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_texts_have_the_room_that_they_have_in_the_source(star: Star) -> None:
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


def _made(name: str, **frames: pl.DataFrame) -> list[dict[str, Any]]:
    star = STARS[name]
    return star.make(**{name: frame.lazy() for name, frame in frames.items()}).select(_columns(star)).collect().to_dicts()


def test_staff_of_a_department_that_is_late_or_has_no_location_are_not_lost() -> None:
    staff = pl.DataFrame(
        {"staff_id": [1, 2, 3], "first_name": "Ann", "last_name": "O'Keefe", "department_id": [1, 2, 9], "email_address": "a@b"}
    )
    department = pl.DataFrame({"department_id": [1, 2], "department_name": ["Finance", "Dispatch"], "location": ["Manchester", None]})
    assert [
        (row["staff_id"], row["department_name"], row["location"]) for row in _made("dim_staff", staff=staff, department=department)
    ] == [
        (1, "Finance", "Manchester"),
        (2, "Dispatch", "Unknown"),
        (3, "Unknown", "Unknown"),
    ]


def test_currencies_have_the_standards_names_and_unknown_ones_their_code() -> None:
    currency = pl.DataFrame({"currency_id": [1, 2, 3, 4], "currency_code": ["GBP", "USD", "EUR", "XXQ"]})
    assert [row["currency_name"] for row in _made("dim_currency", currency=currency)] == ["Pound Sterling", "US Dollar", "Euro", "XXQ"]


def test_an_instant_is_split_and_only_a_whole_date_is_a_date() -> None:
    texts = ["2024-11-15", "2024-02-30", "2024-2-3", "15/11/2024", "0000-01-01", "", None, "9999-12-31"]
    at = [datetime(2022, 12, 15, 11, 25, 10, 0, UTC), datetime(2022, 12, 15, 11, 25, 10, 123000, UTC)] * 4
    frame = _inputs(STARS["fact_payment"])["payment"].collect()
    frame = pl.concat([frame, frame]).with_columns(pl.Series("payment_date", texts), pl.Series("created_at", at))
    made = _made("fact_payment", payment=frame)
    assert [row["payment_date"] for row in made] == [date(2024, 11, 15), *[None] * 6, date(9999, 12, 31)]
    assert {(row["created_date"], row["created_time"]) for row in made} == {
        (date(2022, 12, 15), "11:25:10.000000"),
        (date(2022, 12, 15), "11:25:10.123000"),
    }
    assert not {"company_ac_number", "counterparty_ac_number"} & set(_columns(STARS["fact_payment"]))


def _facts(**days: list[date]) -> dict[str, pl.DataFrame]:
    """The three facts with no dates but those given."""
    frames = {}
    for name in STARS["dim_date"].inputs:
        at = days.get(name, [])
        frames[name] = pl.DataFrame(dict.fromkeys(totesys.DAYS[name], at), schema=dict.fromkeys(totesys.DAYS[name], pl.Date()))
    return frames


def test_the_calendar_has_the_whole_of_every_year_that_a_fact_needs() -> None:
    assert _made("dim_date", **_facts()) == []
    days = _made("dim_date", **_facts(fact_payment=[date(2024, 12, 31)], fact_sales_order=[date(2023, 5, 1), date(9999, 1, 1)]))
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
