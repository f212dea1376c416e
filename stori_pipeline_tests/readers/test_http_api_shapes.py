"""HTTP APIs of other shapes than that of the rates: what a definition can describe, and unexpected responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, super_, varchar
from stori_pipeline.model.types import date as date_type
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable, reader_for, scaffold
from stori_pipeline.readers.http_api import ByDay, ByPage, Plausible, RequestLimits
from stori_pipeline.readers.http_api.reader import HttpApiReader
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.json_server import JsonServer, json_server

SOURCE = Source("shop", "http_api", "A shop.")
START = date(2024, 11, 11)
Serve = Callable[[Mapping[str, Any]], JsonServer]


def table(changes: Changes, *columns: Column, key: str = "id") -> Table:
    return Table(SOURCE, "orders", (Column("id", bigint, nullable=False), *columns), (key,), changes)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that answer each path with a value as JSON, or with a text as it is; the path is that of the request, with `?` and
    its parameters where it has any."""
    with ExitStack() as stack:

        def start(answers: Mapping[str, Any]) -> JsonServer:
            def answer(path: str, parameters: Mapping[str, str]) -> str | None:
                query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
                value = answers.get(f"{path}?{query}" if query else path)
                return value if value is None or isinstance(value, str) else json.dumps(value)

            return stack.enter_context(json_server(answer))

        yield start


# ---- by day


def test_an_empty_answer_for_one_day_of_three_is_quarantined_as_that_day(serve: Serve) -> None:
    """Regression: neither a row nor a reason, and the position went past the day."""
    days: dict[str, Any] = {
        f"2024-11-{number}": {"date": f"2024-11-{number}", "rates": {"1": 1.5} if number != 12 else {}} for number in (11, 12, 13)
    }
    answers = {**days, "latest": days["2024-11-13"]}
    server = serve(answers)
    changes = ByDay(START, latest="latest", day_at="date", rows_at="rates", entry=("id", "rate"))
    rates = replace(table(changes, Column("day", date_type, nullable=False, path="$day"), Column("rate", decimal(9, 2))), key=("day", "id"))
    first = drained(reader_for("http_api", server.url), rates)
    assert [str(row["day"]) for row in first.rows] == ["2024-11-11", "2024-11-13"]
    assert [(row["code"], json.loads(row["raw"])["date"]) for row in first.rejected] == [("day", "2024-11-12")]
    # The newest day may be filled later, and is read again then; an older one is when someone asks for it.
    answers["2024-11-14"] = answers["latest"] = {"date": "2024-11-14", "rates": {}}
    second = drained(reader_for("http_api", server.url), rates, first.until)
    assert ([row["code"] for row in second.rejected], second.until["through"]) == (["day"], "2024-11-14")
    answers["2024-11-14"] = answers["latest"] = {"date": "2024-11-14", "rates": {"1": 2}}
    third = drained(reader_for("http_api", server.url), rates, second.until)
    assert ([str(row["day"]) for row in third.rows], third.rejected) == (["2024-11-14"], [])
    again = [drained(reader_for("http_api", server.url), rates, third.until, day=date(2024, 11, day)) for day in (12, 20)]
    assert [(row["code"], read.rows) for read in again for row in read.rejected] == [("day", []), ("day", [])]


def test_a_value_comes_from_the_row_or_else_from_the_response(serve: Serve) -> None:
    rows = [{"id": 1, "who": {"name": "ann"}, "note": {"a": 1}}, {"id": 2, "shop": "own", "note": "text"}, "no object"]
    server = serve({"latest": {"meta": {"on": "20241111"}, "shop": "leeds", "data": {"rows": rows}}})
    orders = table(
        ByDay(START, latest="latest", day_at="meta.on", day_format="%Y%m%d", rows_at="data.rows"),
        Column("day", date_type, path="$day"),
        Column("name", varchar(16), path="who.name"),
        Column("shop", varchar(16)),
        Column("note", super_),
    )
    read = drained(reader_for("http_api", server.url), orders)
    day = {"day": START, "_deleted": False}
    assert read.rows == [
        {"id": 1, "name": "ann", "shop": "leeds", "note": b'{"a":1}', **day},
        {"id": 2, "name": None, "shop": "own", "note": b'"text"', **day},
    ]
    assert [(row["code"], json.loads(row["raw"])) for row in read.rejected] == [("document", "no object")]


@pytest.mark.clock
def test_without_latest_the_last_day_that_the_api_has_is_found(serve: Serve) -> None:
    today = datetime.now(timezone.utc).date()
    days = [today - timedelta(days=back) for back in (6, 5, 3)]
    answers: dict[str, Any] = {f"v1/orders?key=x&on={day}": [{"id": number}] for number, day in enumerate(days)}
    server = serve(answers)
    orders = table(ByDay(days[0], path="orders?on={day}"), Column("day", date_type, path="$day"))
    reader = reader_for("http_api", f"{server.url}/v1?key=x")
    first = drained(reader, orders)
    assert [(row["id"], row["day"]) for row in first.rows] == list(enumerate(days))
    assert [(row["code"], json.loads(row["raw"])) for row in first.rejected] == [("day", {"date": str(today - timedelta(days=4))})]
    assert drained(reader, orders, first.until).rows == []
    assert reader.head(orders, first.until) == ""
    answers[f"v1/orders?key=x&on={days[-1]}"] = [{"id": 2}, {"id": 3}]
    assert reader.head(orders, first.until) != ""
    second = drained(reader, orders, first.until)
    assert second.values("id") == [2, 3]
    answers.clear()
    with pytest.raises(SourceError, match=r"shop\.orders at /orders.*knows no day from"):
        drained(reader, orders, second.until)


def test_values_are_plausible_by_the_rules_of_the_definition(serve: Serve) -> None:
    monday = [{"shop": "a", "item": "x", "price": 10}, {"shop": "a", "item": "y", "price": 100}, {"shop": "b", "item": "x", "price": 5}]
    tuesday = [{"shop": "a", "item": "x", "price": 19}, {"shop": "a", "item": "y", "price": 201}, {"shop": "b", "item": "x", "price": 4}]
    answers = {"2024-11-11": {"day": "2024-11-11", "rows": monday}, "latest": {"day": "2024-11-12", "rows": tuesday}}
    rule = Plausible("price", per=("shop", "item"), above=4, factor=2)
    columns = (
        Column("shop", varchar(8), nullable=False),
        Column("item", varchar(8), nullable=False),
        Column("day", date_type, nullable=False),
        Column("price", decimal(9, 2)),
    )
    changes = ByDay(START, latest="latest", day_at="day", rows_at="rows", rules=(rule,))
    orders = Table(SOURCE, "prices", columns, ("shop", "item", "day"), changes)
    read = drained(reader_for("http_api", serve(answers).url), orders)
    assert [(row["shop"], row["item"], row["price"]) for row in read.rows] == [
        ("a", "x", Decimal(10)),
        ("a", "y", Decimal(100)),
        ("b", "x", Decimal(5)),
        ("a", "x", Decimal(19)),
    ]
    assert [row["reason"] for row in read.rejected] == [
        "price: 201 is at least 2 times more or less than 100, the last plausible value of an earlier day",
        "price: 4 is not more than 4",
    ]


def test_a_definition_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"write \{day\} where the day belongs"):
        ByDay(START, path="orders")
    with pytest.raises(DefinitionError, match="say in day_at where the response names its day"):
        ByDay(START, latest="latest")
    for factor, above in ((1, 0), (10, -1)):
        with pytest.raises(DefinitionError, match=r"Plausible\('price'\): factor must be 2 or more"):
            Plausible("price", factor=factor, above=above)
    with pytest.raises(DefinitionError, match=r"table shop\.orders: its Plausible names 'price', which is not one of its columns"):
        table(ByDay(START, rules=(Plausible("price"),)))


def test_request_limits_are_those_of_the_definition(serve: Serve) -> None:
    server = serve({"latest": {"day": str(START), "rows": [{"id": 1}] * 100}})
    changes = ByDay(START, latest="latest", day_at="day", rows_at="rows")
    small = table(replace(changes, limits=RequestLimits(answer_bytes=100)))
    with pytest.raises(SourceError, match="more than 100 bytes"):
        drained(reader_for("http_api", server.url), small)
    once = table(replace(changes, limits=RequestLimits(attempts=1)))
    with pytest.raises(SourceUnavailable, match="does not answer"):
        drained(reader_for("http_api", "http://127.0.0.1:1"), once)


# ---- by page

BY_PAGE = ByPage("orders", after="after", mark_at="id", rows_at="data")


def test_a_list_is_read_to_its_end_and_continued_from_there(serve: Serve) -> None:
    answers: dict[str, Any] = {
        "orders": {"data": [{"id": 1}, {"id": 2}]},
        "orders?after=2": {"data": [{"id": 3}]},
        "orders?after=3": {"data": []},
    }
    server, orders = serve(answers), table(BY_PAGE)
    reader = reader_for("http_api", server.url)
    first = drained(reader, orders)
    assert (first.kind, first.values("id"), first.until) == ("snapshot", [1, 2, 3], {"after": "3", "page": "2"})
    assert reader.head(orders, first.until) == ""
    server.requests.clear()
    assert drained(reader, orders, first.until).rows == []
    assert server.requests == [("orders", {"after": "3"})]
    answers |= {"orders?after=3": {"data": [{"id": 4, "colour": "red"}]}, "orders?after=4": {"data": []}}
    assert reader.head(orders, first.until) != ""
    second = drained(reader, orders, first.until)
    assert (second.kind, second.values("id")) == ("changes", [4])
    # The first page does not show the new member, the last one that was read does.
    assert isinstance(reader, HttpApiReader)
    assert reader.drift(orders) == []
    (line,) = reader.past_drift(orders, second.until)
    assert 'add Column("colour", varchar(65535))' in line.text


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"orders": {"data": [{"id": 1}]}, "orders?after=1": {"data": [{"id": 1}]}}, "does the API take the parameter 'after'"),
        ({"orders": {"data": [{"number": 1}]}}, "the last row of the page has no mark at 'id'"),
        ({"orders": {"rows": []}}, "has no array at 'data'"),
        ({}, "no such page"),
    ],
)
def test_a_list_that_cannot_be_paged_is_refused(serve: Serve, answers: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=rf"shop\.orders at /orders: .*{message}"):
        drained(reader_for("http_api", serve(answers).url), table(BY_PAGE))


def test_a_position_of_the_other_strategy_is_lost(serve: Serve) -> None:
    reader = reader_for("http_api", serve({"orders": {"data": []}, "latest": {"day": str(START), "rows": []}}).url)
    by_day = table(ByDay(START, latest="latest", day_at="day", rows_at="rows"))
    for one, other in ((by_day, table(BY_PAGE)), (table(BY_PAGE), by_day)):
        until = drained(reader, one).until
        assert reader.head(other, until) == "new"
        with pytest.raises(PositionLost, match=r"shop\.orders.*new generation"):
            drained(reader, other, until)


def test_a_scaffolded_list_can_be_read(serve: Serve) -> None:
    server = serve({"orders": {"data": [{"id": 1, "buyerName": "ann"}]}, "orders?after=1": {"data": []}})
    definition = pasted(scaffold("http_api", server.url, "shop", "orders"), SOURCE)
    assert (definition.changes, definition.key) == (BY_PAGE, ("id",))
    read = drained(reader_for("http_api", server.url), definition)
    assert [(row["id"], row["buyer_name"]) for row in read.rows] == [(1, "ann")]
    with pytest.raises(SourceError, match=r"shop\.nothing: the API has neither /latest nor /nothing"):
        scaffold("http_api", server.url, "shop", "nothing")
    with pytest.raises(SourceError, match=r"at /latest: its answer names no day"):
        scaffold("http_api", serve({"latest": {"rows": []}}).url, "shop", "orders")
