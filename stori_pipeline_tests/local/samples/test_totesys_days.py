"""Days of totesys on a real Postgres: the truth they tell is what the tables show, and no write says more than it did."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta
from typing import Any

import psycopg2
import pytest

from stori_pipeline.catalog.totesys import TABLES
from stori_pipeline.clock import utc_now
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.totesys import DayTruth, Totesys, create_schema, late_order, simulate_day, traffic, write_past
from stori_pipeline.model.reading import Position
from stori_pipeline.readers import reader_for
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.drained import drained

pytestmark = pytest.mark.clock

Rows = dict[tuple[str, int], dict[str, Any]]

FRIDAY, MONDAY = date(2022, 12, 2), date(2022, 12, 5)


def rows(url: str) -> Rows:
    """Every row by its table and key, and the transaction that wrote it."""
    found: Rows = {}
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for table in TABLES:
            names = [column.name for column in table.columns]
            cursor.execute(f'SELECT {", ".join(names)} FROM "{table.name}"')
            found |= {(table.name, row[0]): dict(zip(names, row, strict=True)) for row in cursor}
    return found


def changed(before: Rows, after: Rows) -> set[tuple[str, int]]:
    assert before.keys() <= after.keys(), "nothing is ever deleted"
    return {key for key, row in after.items() if before.get(key) != row}


@pytest.fixture
def url(source_db: SourceDatabase) -> str:
    write_past(source_db.admin_url, until=date(2022, 12, 1))
    return source_db.admin_url


def test_each_commit_changed_exactly_the_rows_it_says(url: str) -> None:
    before = start = rows(url)
    commits, kinds = [], set()
    for commit in traffic(url, date(2024, 11, 18), seed=3):
        after = rows(url)
        assert changed(before, after) == {(change.table, change.key) for change in commit}
        for change in commit:
            old, new = before.get((change.table, change.key)), after[change.table, change.key]
            if change.kind == "insert":
                assert old is None
                assert new["created_at"] == new["last_updated"]
            else:
                assert old is not None
                different = {name for name in new if new[name] != old[name]}
                assert different == {"paid", "last_updated"} if change.table == "payment" else len(different) == 1
            kinds.add((change.table, change.kind))
        commits.append(commit)
        before = after
    assert 20 < len(commits) < 45
    assert kinds >= {(table, "insert") for table in ("sales_order", "purchase_order", "transaction", "payment")}
    assert {kind for _, kind in kinds} >= {"insert", "silent"}
    assert len(changed(start, before)) == len({(change.table, change.key) for commit in commits for change in commit})


def test_a_week_adds_up_to_what_the_tables_show(url: str) -> None:
    before = rows(url)
    days = [date(2022, 12, day) for day in range(2, 10)]
    truths = {day: simulate_day(url, day, seed=1) for day in days}
    after = rows(url)
    for table in ("sales_order", "purchase_order", "payment", "design", "transaction"):
        keys = set().union(*(truth.keys(table) for truth in truths.values()))
        assert {key for name, key in changed(before, after) if name == table} == keys
        assert sum(truth.versions[table] for truth in truths.values()) >= len(keys)

    weekend = [day for day in days if day.weekday() >= 5]
    assert len(weekend) == 2
    assert all(truths[day].commits == () for day in weekend)
    assert all(any(change.kind == "silent" for change in truths[day].changes) for day in days if day not in weekend)
    due = {key for (table, key), row in before.items() if table == "payment" and row["payment_date"] == "2022-12-02" and not row["paid"]}
    paid = {change.key for change in truths[FRIDAY].commits[0] if change.kind == "update"}
    assert paid == due != set()
    assert len({after["payment", key]["last_updated"] for key in paid}) == 1
    payments = [row for (table, _), row in after.items() if table == "payment"]
    assert all(date.fromisoformat(row["payment_date"]).weekday() < 5 for row in payments if row["paid"])
    assert any(not row["paid"] for row in payments if row["payment_date"] == "2022-12-03"), "the weekend's are passed over"

    truth = truths[MONDAY]
    assert truth.keys("payment", last=1) | truth.keys("payment", first=1) == truth.keys("payment")
    sales, purchases = (
        [change for change in truth.changes if (change.table, change.kind) == (table, "insert")]
        for table in ("sales_order", "purchase_order")
    )
    stamps = [after[change.table, change.key]["created_at"] for change in sales + purchases]
    assert {at.date() for at in stamps} == {MONDAY}
    assert len(truth.keys("transaction")) == len(sales) + len(purchases)


def test_the_same_day_on_the_same_past_gives_the_same_rows(url: str, source_db: SourceDatabase) -> None:
    found = []
    for _ in range(2):
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute('DROP TABLE payment, "transaction", sales_order, purchase_order, design, staff, counterparty, currency')
            cursor.execute('DROP TABLE department, payment_type, address; DROP TYPE "PaymentTypeName", "TransactionType"')
        write_past(url, until=date(2022, 12, 1))
        found.append((simulate_day(url, FRIDAY, seed=7), rows(url)))
    assert found[0] == found[1]
    assert simulate_day(url, MONDAY, seed=8).commits != simulate_day(url, MONDAY, seed=7).commits


def test_a_late_order_is_stamped_before_what_was_there_first(url: str) -> None:
    before = rows(url)
    with late_order(url, FRIDAY, seed=1) as late:
        assert rows(url) == before
        truth = simulate_day(url, MONDAY, seed=1)
        between = rows(url)
    after = rows(url)
    assert changed(between, after) == {(change.table, change.key) for change in late}
    assert {change.table for change in late} >= {"sales_order", "purchase_order", "transaction", "payment"}
    assert not {(change.table, change.key) for change in late} & {(change.table, change.key) for change in truth.changes}
    newest = max(row["last_updated"] for row in between.values())
    assert all(after[change.table, change.key]["last_updated"] < newest for change in late)


def test_the_pipeline_reads_exactly_the_rows_that_the_truth_names(url: str, source_db: SourceDatabase) -> None:
    reader = reader_for("postgres", source_db.reader_url)
    positions: dict[str, Position] = {table.name: drained(reader, table).until for table in TABLES}

    def read() -> dict[str, set[int]]:
        found = {}
        for table in TABLES:
            drain = drained(reader, table, positions[table.name])
            assert drain.rejected == []
            assert len(drain.rows) == len(set(drain.values(table.key[0]))), "each row once, however often it was written"
            found[table.name], positions[table.name] = set(drain.values(table.key[0])), drain.until
        return found

    with late_order(url, FRIDAY, seed=1) as late:
        whole = DayTruth(FRIDAY, tuple(traffic(url, FRIDAY, seed=1)))
        assert read() == {table.name: whole.keys(table.name) for table in TABLES}
        first = []
        for commit in (monday := traffic(url, MONDAY, seed=1)):
            first.append(commit)
            if len(first) == 4:
                break
        assert read() == {table.name: DayTruth(MONDAY, tuple(first)).keys(table.name) for table in TABLES}
        rest = DayTruth(MONDAY, tuple(monday))
    later = DayTruth(MONDAY, (late, *rest.commits))
    assert read() == {table.name: later.keys(table.name) for table in TABLES}
    assert not any(read().values())


@pytest.mark.parametrize("how", ["told to", "after an error"])
def test_a_late_order_may_roll_back(url: str, how: str) -> None:
    before = rows(url)
    if how == "told to":
        with late_order(url, FRIDAY, seed=1, commit=False):
            pass
    else:
        with pytest.raises(RuntimeError, match="in between"), late_order(url, FRIDAY, seed=1):
            raise RuntimeError("in between")
    assert rows(url) == before


def test_every_live_write_does_what_it_says_while_others_are_held(url: str) -> None:
    began = utc_now().replace(tzinfo=None) - timedelta(milliseconds=1)  # the application keeps milliseconds
    with Totesys.open(url, seed=1) as held, Totesys.open(url, seed=1) as application, held.late() as late:
        for write in (
            application.sale, application.purchase, application.pay, application.new_design, application.silent_edit,
            application.move_department,
        ):  # fmt: skip
            before = rows(url)
            assert [write() for _ in range(3)] == [True] * 3
            after = rows(url)
            assert changed(before, after) >= {(change.table, change.key) for change in application.last} != set()
        assert not changed(before, after) & {(change.table, change.key) for change in late}
        moved = [row for (table, _), row in after.items() if table == "department" and row["last_updated"] != row["created_at"]]
        assert moved
        assert all(began <= row["last_updated"] <= utc_now().replace(tzinfo=None) for row in moved)
        while application.pay():
            pass
        unpaid = [row["payment_date"] for (table, _), row in rows(url).items() if table == "payment" and not row["paid"]]
        assert all(day >= "2024" for day in unpaid), "whatever was due is paid at last"
        assert application.last == ()


def test_no_cell_goes_back_to_what_it_was(url: str) -> None:
    first = rows(url)
    seen: dict[tuple[str, int, str], list[Any]] = {}
    with Totesys.open(url, seed=4) as application, closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for _ in range(200):
            assert application.silent_edit(FRIDAY)
            (change,) = application.last
            with connection.cursor() as cursor:
                names = list(first[change.table, change.key])
                cursor.execute(f"SELECT {', '.join(names)} FROM {change.table} WHERE {change.table}_id = %s", (change.key,))
                for name, value in zip(names, cursor.fetchall()[0], strict=True):
                    values = seen.setdefault((change.table, change.key, name), [first[change.table, change.key][name]])
                    if value != values[-1]:
                        values.append(value)
    assert any(len(values) > 2 for values in seen.values()), "some cell was edited more than once"
    assert all(len(set(values)) == len(values) for values in seen.values())


def test_an_empty_totesys_says_what_to_do(source_db: SourceDatabase) -> None:
    create_schema(source_db.admin_url)
    with pytest.raises(SampleError, match="stori seed"):
        simulate_day(source_db.admin_url, FRIDAY, seed=1)
