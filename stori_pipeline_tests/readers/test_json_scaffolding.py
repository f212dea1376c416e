"""Definitions suggested for APIs and queues, whose rows are JSON: they take every row that they were made from, unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint
from stori_pipeline.readers import SourceError, reader_for, scaffold, suggest
from stori_pipeline.readers.http_api import ByDay, ByPage
from stori_pipeline.readers.json_rows import steps, value_at
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.readers.sqs.reading import Limits
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.json_server import json_server
from stori_pipeline_tests.readers.scaffolded import is_same

API = Source("shop", "http_api", "A shop.")
QUEUE = Source("web", "sqs", "The web.")
Answers = dict[str, Any]


@pytest.fixture
def api() -> Iterator[Callable[[Answers], str]]:
    """Starts a server that answers each path with a value as JSON, and an empty list after a mark; the result is its address."""
    with ExitStack() as stack:

        def start(answers: Answers) -> str:
            def answer(path: str, parameters: Mapping[str, str]) -> str | None:
                return "[]" if parameters else json.dumps(answers[path]) if path in answers else None

            return stack.enter_context(json_server(answer)).url

        yield start


def _api_table(url: str, name: str) -> tuple[str, Table]:
    text = scaffold("http_api", url, API.name, name)
    return text, pasted(text, API)


def test_members_of_an_answer_with_any_name_are_read(api: Callable[[Answers], str]) -> None:
    row = {
        "orderId": 1,
        "address.country": "FR",
        "address": {"country": "DE"},
        "$day": "x",
        "zip": "01234",
        "at": "2024-11-15 10:00:00 UTC",
    }
    url = api({"orders": [row, {"orderId": 2, "address": None}]})
    text, table = _api_table(url, "orders")
    assert table.changes == ByPage(path="orders", after="after", mark_at="orderId")
    assert (table.key, str(table["zip"].type), str(table["at"].type)) == (("order_id",), "varchar(65535)", "timestamptz")
    assert "# suggested from 2 rows of one answer; an API promises no types\n" in text
    assert "# a guess: name the columns that identify a row\n" in text
    reader = reader_for("http_api", url)
    first, second = drained(reader, table).rows
    by_path = {column.source_path: first[column.name] for column in table.columns}
    assert (by_path[r"address\.country"], by_path["address"], by_path[r"\$day"]) == ("FR", b'{"country":"DE"}', "x")
    assert (second["order_id"], second["zip"]) == (2, None)
    assert reader.drift(table) == []


def test_members_around_the_rows_of_a_day_are_read_too(api: Callable[[Answers], str]) -> None:
    document = {"date": "2024-11-15", "base": "GBP", "note": None, "api.version": 1, "rates": {"USD": 1.25, "JPY": 190}}
    url = api({"latest": document, "2024-11-15": document})
    _, table = _api_table(url, "Daily Rates")
    assert isinstance(table.changes, ByDay)
    assert (table.name, table.key) == ("daily_rates", ("day", "base", "api_version", "name"))
    found = drained(reader_for("http_api", url), table)
    assert [(row["name"], row["value"], row["note"]) for row in found.rows] == [("USD", Decimal("1.25"), None), ("JPY", Decimal(190), None)]
    assert found.rejected == []


def test_the_tables_of_an_api_cannot_be_listed_and_what_to_give_is_told(api: Callable[[Answers], str]) -> None:
    with pytest.raises(
        SourceError, match=r"an API does not list its tables. Name one: `stori scaffold shop.orders` for the list at /orders"
    ):
        suggest("http_api", api({}), "shop")


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=4,
)
_ROWS = st.lists(
    st.dictionaries(_TEXT.filter(lambda name: name != "id") | st.sampled_from(["a.b", "$day", "ID", "a b"]), _VALUES, max_size=4),
    min_size=1,
    max_size=5,
)
_SETTINGS = settings(max_examples=extent(25, 250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_SETTINGS
@given(_ROWS)
def test_any_answer_lands_unchanged(api: Callable[[Answers], str], rows: list[dict[str, Any]]) -> None:
    rows = [{**row, "id": number} for number, row in enumerate(rows)]
    url = api({"orders": rows})
    _, table = _api_table(url, "orders")
    found = drained(reader_for("http_api", url), table)
    assert found.rejected == []
    _assert_same(table, found.rows, rows)


def _assert_same(table: Table, landed: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert len(landed) == len(rows)
    by_id = {row["id"]: row for row in json.loads(json.dumps(rows), parse_float=Decimal)}
    for row in landed:
        meant = by_id.pop(row[_id_of(table).name])
        for column in table.columns:
            assert is_same(row[column.name], value_at(meant, column.source_path), is_document=column.type.is_document), column
        named = {steps(column.source_path)[0] for column in table.columns}
        assert [name for name in meant if name and name.isprintable() and name not in named] == []


def _id_of(table: Table) -> Column:
    return next(column for column in table.columns if column.source_path == "id")


@pytest.fixture
def events(local_aws: None) -> Iterator[TestQueue]:
    with queue() as source_queue:
        yield source_queue


@_SETTINGS
@given(_ROWS)
def test_any_messages_land_unchanged(events: TestQueue, rows: list[dict[str, Any]]) -> None:
    rows = [{**row, "id": number} for number, row in enumerate(rows)]
    events.send(*rows)
    table = pasted(scaffold("sqs", events.url, QUEUE.name, "visits"), QUEUE)
    found = drained(SqsReader(events.url, Limits(wait=0, hidden=600)), table)
    assert found.rejected == []
    _assert_same(table, found.rows, rows)


def test_a_queue_is_one_table_with_the_name_of_the_queue(events: TestQueue) -> None:
    events.send({"id": 1, "userName": "ann"}, "no JSON")
    found = suggest("sqs", events.url, QUEUE.name)
    (table,) = found.tables
    assert table.name == events.url.rpartition("/")[2].replace("-", "_")
    assert [column.name for column in table.columns] == ["id", "user_name"]
    known = Table(QUEUE, "visits", (Column("id", bigint, nullable=False),), ("id",), Queue())
    again = suggest("sqs", events.url, QUEUE.name, known=[known])
    assert (again.tables, again.left_out) == ((), ("web: a queue is one table, and the project has it: web.visits",))
