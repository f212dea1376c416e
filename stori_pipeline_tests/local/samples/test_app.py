"""The app's past in a real Postgres, and what its server does to it afterwards."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from stori_pipeline.catalog.app import TABLES
from stori_pipeline.local.samples import app
from stori_pipeline.local.samples.app_writes import App
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.stack import Stack
from stori_pipeline.readers import reader_for
from stori_pipeline_tests.conftest import SourceDatabase, source_database

USERS, TRANSACTIONS = 600, 4_000


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone TO 'UTC'")
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def by_id(url: str, table: str) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in rows(url, f"SELECT * FROM {table}")}


@pytest.fixture(scope="module")
def past(sources: Stack) -> Iterator[SourceDatabase]:
    """A database with some of the past; what is done to it afterwards, no test undoes."""
    with source_database(sources) as database:
        app.write_past(database.admin_url, users=USERS, transactions=TRANSACTIONS)
        yield database


@pytest.fixture
def url(past: SourceDatabase) -> str:
    return past.admin_url


def test_a_seed_gives_the_same_rows_on_every_machine_and_python() -> None:
    events = [*app.registrations(300, 3), *app.movements(700, 300, 3)]
    assert hashlib.sha256(repr([tuple(map(str, one)) for one in events]).encode()).hexdigest() == GOLDEN
    assert [*app.registrations(300, 4)] != events[:300]


GOLDEN = "7ce8a55d9717f86503011a8118352595375c43390ec0ff2c78bb8b741ad5ce98"


def test_the_past_has_the_originals_traits(past: SourceDatabase) -> None:
    users, transactions = list(by_id(past.reader_url, "users").values()), list(by_id(past.reader_url, "transactions").values())
    assert (len(users), len(transactions)) == (USERS, TRANSACTIONS)
    for position, least in ((1, 1), (2, 2), (3, 5)):
        assert least <= sum(row[position] is None for row in users) < USERS / 20
    assert all(row[3] is None or 2 <= row[3].count("\n") <= 4 for row in users)
    names = [row[1] for row in users if row[1]]
    assert len({(name == name.lower(), name == name.upper()) for name in names}) >= 2, "names come in several cases"
    assert max(Counter(row[2] for row in users if row[2]).values()) > 1, "an e-mail address may be two users'"

    registered = {row[0]: row[4] for row in users}
    assert all(row[1] is None or registered[row[1]] <= row[4] for row in transactions)
    assert any(row[1] is None for row in transactions)
    amounts = [row[2] for row in transactions if row[2] is not None]
    assert Decimal(10) <= min(amounts) < Decimal(20)
    assert Decimal(9_900) < max(amounts) <= Decimal(10_000)
    kinds = Counter(row[3] for row in transactions if row[3])
    assert set(kinds) == set(app.TYPES)
    assert min(kinds.values()) > TRANSACTIONS / 5

    created = [row[4] for row in sorted(transactions)]
    assert created == sorted(created)
    assert timedelta(364) < created[-1] - created[0] < timedelta(365)
    assert all(row[4] <= row[5].replace(tzinfo=None) <= app.END.replace(tzinfo=None) for row in users + transactions)
    assert 0.02 < sum(row[4] != row[5].replace(tzinfo=None) for row in transactions) / TRANSACTIONS < 0.08


def test_it_is_written_once(url: str) -> None:
    before = by_id(url, "users"), by_id(url, "transactions")
    seen: list[tuple[int, int]] = []
    assert app.write_past(url, progress=lambda done, total: seen.append((done, total))) == {"users": 0, "transactions": 0}
    assert (by_id(url, "users"), by_id(url, "transactions")) == before
    assert seen == []


def test_its_size_by_default_is_the_originals_and_half_of_it_is_nothing(source_db: SourceDatabase) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(done: int, total: int) -> None:
        assert total == 109_999
        if done > 9_999:
            raise Interrupted

    with pytest.raises(Interrupted):
        app.write_past(source_db.admin_url, progress=interrupt)
    assert by_id(source_db.admin_url, "users") == {}
    assert app.write_past(source_db.admin_url) == {"users": 9_999, "transactions": 100_000}
    with App.open(source_db.admin_url, seed=1) as server:
        assert server.transact()
    assert rows(source_db.admin_url, "SELECT count(*), max(id) FROM transactions") == [(100_001, 100_001)]


def test_the_records_fit_the_source_and_leave_no_column_out(past: SourceDatabase) -> None:
    reader = reader_for("postgres", past.reader_url)
    for table in TABLES:
        assert reader.drift(table) == []
        with reader.read(table, None) as reading:
            chunks = list(reading)
        assert sum(chunk.rejected.num_rows for chunk in chunks) == 0
        assert sum(chunk.rows.num_rows for chunk in chunks) == len(by_id(past.reader_url, table.name)) > 0


@pytest.mark.parametrize(
    ("write", "table", "came", "changed", "gone"),
    [
        ("register", "users", 1, set(), 0),
        ("transact", "transactions", 1, set(), 0),
        ("change_email", "users", 0, {2, 5}, 0),
        ("correct_amount", "transactions", 0, {2, 5}, 0),
        ("fix_type", "transactions", 0, {3, 5}, 0),
        ("delete", "transactions", 0, set(), 1),
        ("tie", "transactions", 4, {2, 5}, 0),
    ],
)
def test_each_write_changes_what_it_says_and_no_update_goes_unstamped(
    url: str, write: str, table: str, came: int, changed: set[int], gone: int
) -> None:
    other = "users" if table == "transactions" else "transactions"
    untouched, before = by_id(url, other), by_id(url, table)
    with App.open(url, seed=5) as server:
        assert all(getattr(server, write)() is True for _ in range(3))
    after = by_id(url, table)
    assert by_id(url, other) == untouched
    assert (len(after.keys() - before.keys()), len(before.keys() - after.keys())) == (3 * came, 3 * gone)
    edited = [(before[number], after[number]) for number in before.keys() & after.keys() if before[number] != after[number]]
    differing = {place for old, new in edited for place in range(len(old)) if old[place] != new[place]}
    assert differing == changed
    assert all(old[5] < new[5] for old, new in edited)


def test_a_tie_gives_the_row_it_updates_twice_the_stamp_of_those_it_inserts(url: str) -> None:
    before = by_id(url, "transactions")
    with App.open(url, seed=6) as server:
        assert server.tie()
    stamps = Counter(row[5] for number, row in by_id(url, "transactions").items() if before.get(number) != row)
    assert list(stamps.values()) == [5]


@pytest.mark.parametrize("commit", [True, False])
def test_a_late_transaction_lies_behind_what_was_committed_before_it(url: str, commit: bool) -> None:
    with App.open(url, seed=7) as late, App.open(url, seed=8) as server:
        with late.late(commit=commit):
            before = by_id(url, "users"), by_id(url, "transactions")
            assert all(write() for write in (server.register, server.transact, server.change_email, server.delete, server.tie))
            between = by_id(url, "users"), by_id(url, "transactions")
        after = by_id(url, "users"), by_id(url, "transactions")
    assert before != between
    if not commit:
        assert after == between
        return
    for was, is_now in zip(between, after, strict=True):
        written = [row for number, row in is_now.items() if was.get(number) != row]
        assert len(written) == 2, "one inserted, one updated"
        assert max(row[5] for row in was.values()) > max(row[5] for row in written)


def test_a_late_transaction_is_undone_by_an_exception(url: str) -> None:
    before = by_id(url, "users")
    with App.open(url, seed=9) as server:
        with pytest.raises(RuntimeError, match="in between"), server.late(commit=True):
            raise RuntimeError("in between")
        assert by_id(url, "users") == before
        assert server.register(), "the server goes on"


def test_an_app_without_users_says_what_to_do(source_db: SourceDatabase) -> None:
    app.create_schema(source_db.admin_url)
    with pytest.raises(SampleError, match="stori seed"), App.open(source_db.admin_url, seed=1):
        pass
