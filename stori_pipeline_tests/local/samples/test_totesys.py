"""The past of totesys in a real Postgres: the measured volumes, the identities between tables, and every quirk."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime, timezone
from itertools import pairwise
from statistics import mean, median
from typing import Any

import psycopg2
import pytest

from stori_pipeline.catalog.totesys import TABLES
from stori_pipeline.local.samples import totesys, totesys_values
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.totesys_past import Past
from stori_pipeline.local.stack import Stack
from stori_pipeline.model.reading import Position
from stori_pipeline.project import find_table
from stori_pipeline.readers import reader_for
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.drained import drained

Query = Callable[[str], list[tuple[Any, ...]]]

COUNTS = {
    "address": 30, "counterparty": 20, "currency": 3, "department": 8, "design": 473, "staff": 20, "sales_order": 11_187,
    "purchase_order": 4_649, "payment_type": 4, "transaction": 15_836, "payment": 15_836,
}  # fmt: skip
"""Measured at the end of 2024-11-15."""

ORDERS = """
WITH orders AS (
    SELECT 'SALE' AS kind, o.created_at, counterparty_id, currency_id, agreed_payment_date, units_sold * unit_price AS value,
           transaction_id, transaction_type, t.created_at AS transacted_at
    FROM sales_order o LEFT JOIN "transaction" t USING (sales_order_id)
    UNION ALL
    SELECT 'PURCHASE', o.created_at, counterparty_id, currency_id, agreed_payment_date, item_quantity * item_unit_price,
           transaction_id, transaction_type, t.created_at
    FROM purchase_order o LEFT JOIN "transaction" t USING (purchase_order_id)
), joined AS (
    SELECT o.*, p.payment_id, payment_amount, payment_date, p.created_at AS payment_created_at, p.counterparty_id AS payer,
           p.currency_id AS payment_currency, payment_type_name
    FROM orders o LEFT JOIN payment p USING (transaction_id) LEFT JOIN payment_type USING (payment_type_id)
)
"""


def asking(url: str) -> Query:
    def query(text: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    return query


@pytest.fixture(scope="module")
def database(sources: Stack) -> Iterator[SourceDatabase]:
    """The whole past, for tests that only look."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    sources.create_source_database(name)
    urls = [sources.postgres_url("sources", role, name) for role in ("app", "reader", "postgres")]
    seen: list[tuple[int, int]] = []
    assert totesys.write_past(urls[0], progress=lambda done, total: seen.append((done, total))) == COUNTS
    assert seen[-1] == (sum(COUNTS.values()),) * 2
    assert len(seen) > 11
    yield SourceDatabase(name, *urls)
    sources.drop_source_database(name)


@pytest.fixture
def query(database: SourceDatabase) -> Query:
    return asking(database.reader_url)


def test_the_past_has_the_measured_volumes_and_is_written_once(database: SourceDatabase, query: Query) -> None:
    def held() -> dict[str, int]:
        return {table: query(f'SELECT count(*) FROM "{table}"')[0][0] for table in COUNTS}

    assert held() == COUNTS
    assert totesys.write_past(database.admin_url, until=date(2025, 2, 25)) == dict.fromkeys(COUNTS, 0)
    assert held() == COUNTS
    assert query("SELECT count(*) FROM _prisma_migrations") == [(3,)]
    assert asking(database.admin_url)("SELECT last_value FROM sales_order_sales_order_id_seq") == [(11_187,)]


@pytest.mark.parametrize(
    ("day", "sales", "purchases", "designs"),
    [
        (date(2022, 11, 30), 45, None, None),
        (date(2022, 12, 31), 45 + 176, None, None),
        (date(2023, 11, 1), 5_017, None, None),
        (date(2025, 2, 25), 12_836, 5_300, 535),
        (date(2025, 6, 10), 14_621, None, 607),
    ],
)
def test_other_days_have_their_measured_volumes(day: date, sales: int, purchases: int | None, designs: int | None) -> None:
    found = totesys_values.volumes(day)
    assert [a for a, b in zip(found, (sales, purchases, designs), strict=True) if b is not None and a != b] == []


def test_an_order_has_one_transaction_and_one_payment_that_say_the_same(query: Query) -> None:
    assert query(ORDERS + "SELECT kind, count(*), count(payment_id) FROM joined GROUP BY kind ORDER BY kind") == [
        ("PURCHASE", 4_649, 4_649),
        ("SALE", 11_187, 11_187),
    ]
    wrong = query(
        ORDERS
        + """SELECT * FROM joined WHERE transaction_type::text <> kind OR payment_amount <> value OR payer <> counterparty_id
             OR payment_currency <> currency_id OR payment_date <> agreed_payment_date
             OR transacted_at <> created_at OR payment_created_at <> created_at
             OR payment_type_name::text <> CASE kind WHEN 'SALE' THEN 'SALES_RECEIPT' ELSE 'PURCHASE_PAYMENT' END"""
    )
    assert wrong == []


def test_only_payments_move_last_updated_and_only_at_five_to_eight(query: Query) -> None:
    for table in COUNTS.keys() - {"payment"}:
        assert query(f'SELECT count(*) FROM "{table}" WHERE last_updated <> created_at') == [(0,)]
    assert query("SELECT count(*) FROM payment WHERE paid <> (last_updated <> created_at)") == [(0,)]
    wrong = query(
        "SELECT * FROM payment WHERE paid AND (last_updated::date::text <> payment_date"
        " OR date_trunc('minute', last_updated::time) <> '07:55' OR extract(isodow FROM last_updated) > 5 OR last_updated <= created_at)"
    )
    assert wrong == []
    # What a run of its day could have paid is paid, what it could not is not; nothing is paid ahead.
    wrong = query(
        "SELECT * FROM payment WHERE paid <> (extract(isodow FROM payment_date::date) <= 5 AND created_at < payment_date::date"
        " AND payment_date <= '2024-11-15')"
    )
    assert wrong == []
    ((paid, batches, largest),) = query(
        "SELECT sum(n), count(*), max(n) FROM (SELECT count(*) AS n FROM payment WHERE paid GROUP BY last_updated) AS batch"
    )
    assert 9_300 < paid < 9_900
    assert 515 < batches < 535
    assert 30 < largest < 55


def test_orders_arrive_on_business_days_in_the_application_s_hours(query: Query) -> None:
    begun, later = query(
        ORDERS + "SELECT array_agg(created_at ORDER BY created_at) FROM joined GROUP BY created_at::date > '2022-11-03' ORDER BY 1"
    )
    assert {at.replace(microsecond=0) for at in begun[0]} == {datetime.fromisoformat("2022-11-03 14:20:52")}
    assert len(set(begun[0])) < len(begun[0]), "ties"
    instants: list[datetime] = later[0]
    assert {at.weekday() for at in instants} == {0, 1, 2, 3, 4}
    assert min(at.time() for at in instants).hour == 8
    assert max(at.time() for at in instants).hour == 18
    days = {at.date() for at in instants}
    assert len(days) == totesys_values.business_days(date(2022, 11, 3), date(2024, 11, 15)), "no business day without an order"
    assert sum(at.second in (9, 10) for at in instants) / len(instants) > 0.8
    assert 5 <= sum(at.microsecond == 0 for at in instants) <= 60, "an ISO text drops the fraction of these"
    gaps = [(b - a).total_seconds() / 60 for a, b in pairwise(instants) if a.date() == b.date()]
    assert 12 < median(gaps) < 16
    assert 18 < mean(gaps) < 23
    assert 120 < max(gaps) < 660


def test_ids_follow_time_except_among_the_first_orders(query: Query) -> None:
    ids = [number for (number,) in query('SELECT transaction_id FROM "transaction" ORDER BY created_at, transaction_id')]
    first = totesys_values.volumes(totesys_values.FIRST_DAY)
    begun = first[0] + first[1]
    assert ids[:begun] != sorted(ids[:begun])
    assert ids[begun:] == list(range(begun + 1, 15_837))


def test_the_static_tables_have_their_oddities(query: Query) -> None:
    assert [code for (code,) in query("SELECT currency_code FROM currency ORDER BY currency_id")] == ["GBP", "USD", "EUR"]
    assert ("Dispatch", "Leds") in query("SELECT department_name, location FROM department")
    assert query("SELECT count(*) FROM staff JOIN department USING (department_id) WHERE department_name = 'Sales'") == [(0,)]
    assert query("SELECT count(*) FROM staff WHERE lower(first_name || '.' || last_name) || '@terrifictotes.com' <> email_address") == [
        (0,)
    ]
    assert query("SELECT count(*) FROM staff WHERE last_name = 'O''Keefe' AND email_address LIKE '%.o''keefe@%'") == [(1,)]
    assert query("SELECT count(*) - count(address_line_2), count(*) - count(district) FROM address") == [(20, 14)]
    assert query("SELECT count(*) FROM address WHERE phone !~ '^\\d{4} \\d{6}$' OR postal_code !~ '^\\d{5}(-\\d{4})?$'") == [(0,)]
    assert query("SELECT count(*) > 3 FROM address WHERE postal_code LIKE '0%'") == [(True,)]
    for mark in ("''", "&", "("):
        assert query(f"SELECT count(*) > 0 FROM address WHERE country LIKE '%{mark}%'") == [(True,)]
    assert query("SELECT count(DISTINCT legal_address_id) FROM counterparty") == [(14,)]
    for mark in (", ", " - "):
        assert query(f"SELECT count(*) > 1 FROM counterparty WHERE counterparty_legal_name LIKE '%{mark}%'") == [(True,)]


def test_the_values_of_orders_and_designs_are_in_their_ranges(query: Query) -> None:
    names = r"^(bronze|concrete|cotton|fresh|frozen|granite|metal|plastic|rubber|soft|steel|wooden)-\d{8}-[a-z0-9]{4}\.json$"
    assert query(f"SELECT count(*) FROM design WHERE file_name !~ '{names}' OR file_name !~ ('^' || lower(design_name))") == [(0,)]
    ((folders, odd),) = query("SELECT count(DISTINCT file_location), count(*) FILTER (WHERE file_location !~ '^/') FROM design")
    assert odd == 0
    assert 55 <= folders <= 60
    ((unused,),) = query("SELECT count(*) FROM design WHERE design_id NOT IN (SELECT design_id FROM sales_order)")
    assert 5 < unused < 35
    (sold,) = query(
        "SELECT min(units_sold), max(units_sold), min(unit_price), max(unit_price), avg(units_sold * unit_price) FROM sales_order"
    )
    assert 1_000 <= sold[0] < sold[1] <= 100_000
    assert (float(sold[2]), float(sold[3])) == (2.0, 4.0)
    assert 147_000 < sold[4] < 156_000
    (bought,) = query(
        "SELECT min(item_quantity), max(item_quantity), min(item_unit_price) >= 3.32, max(item_unit_price) <= 999.07,"
        " avg(item_quantity * item_unit_price), count(DISTINCT item_code), bool_and(item_code ~ '^[A-Z0-9]{7}$') FROM purchase_order"
    )
    assert bought[:4] == (1, 999, True, True)
    assert 240_000 < bought[4] < 265_000
    assert bought[5:] == (4_649, True)
    for table in ("sales_order", "purchase_order"):
        assert all(
            0.3 < float(share) < 0.37 for (share,) in query(f"SELECT count(*) / sum(count(*)) OVER () FROM {table} GROUP BY currency_id")
        )
        assert query(f"SELECT count(DISTINCT counterparty_id), count(DISTINCT staff_id) FROM {table}") == [(20, 20)]
    accounts = "company_ac_number BETWEEN 10000000 AND 99999999 AND counterparty_ac_number BETWEEN 10000000 AND 99999999"
    assert query(f"SELECT bool_and({accounts}) FROM payment") == [(True,)]


def test_agreed_days_follow_soon_but_where_somebody_edited_them(query: Query) -> None:
    for table, measured in (("sales_order", 65), ("purchase_order", 49)):
        lags = query(f"SELECT agreed_payment_date::date - created_at::date AS lag, count(*) FROM {table} GROUP BY lag ORDER BY lag")
        assert [lag for lag, _ in lags] == list(range(7))
        ((late, longest, early),) = query(
            "SELECT count(*) FILTER (WHERE lag > 7), max(lag), count(*) FILTER (WHERE lag < 0)"
            f" FROM (SELECT agreed_delivery_date::date - created_at::date AS lag FROM {table}) AS lags"
        )
        assert measured / 2 < late < measured * 1.5
        assert longest > 300
        assert early == 0
        assert query(f"SELECT DISTINCT agreed_delivery_date ~ '^\\d{{4}}-\\d\\d-\\d\\d$' FROM {table}") == [(True,)]
        ((first,),) = query(f"SELECT avg((agreed_delivery_date < agreed_payment_date)::int) FROM {table}")
        assert 0.3 < first < 0.42


def test_a_seed_gives_the_same_rows_on_every_machine_and_python() -> None:
    text = "\n".join(
        f"{table},{','.join(map(str, row))}" for table, rows in Past(date(2022, 12, 31), seed=1).rows().items() for row in rows
    )
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN


GOLDEN = "c3db5ec130591fd6854fd32adaa3810fdfc8bf3e84cdc4499e8b37c46ae22b4f"


def test_the_same_seed_gives_the_same_past_and_an_earlier_day_its_beginning() -> None:
    until, later = date(2023, 1, 15), date(2023, 1, 31)
    assert Past(until, seed=1).rows() == Past(until, seed=1).rows()
    assert Past(until, seed=2).sales != Past(until, seed=1).sales
    before, after = Past(until, seed=1), Past(later, seed=1)
    assert [each.unit_price for each in before.sales] == [each.unit_price for each in after.sales][: len(before.sales)]
    changed = [(a, b) for a, b in zip(before.sales + before.purchases, after.sales[: len(before.sales)] + after.purchases) if a != b]  # type: ignore[operator]  # noqa: B905
    assert changed, "edits since"
    assert all(sum(x != y for x, y in zip(a, b, strict=True)) == 1 and a.last_updated == b.last_updated for a, b in changed)


def test_the_tables_have_the_columns_of_their_records_and_nothing_stamps_them(query: Query) -> None:
    assert {table.name for table in TABLES} == COUNTS.keys()
    for table in TABLES:
        declared = query(
            "SELECT column_name, is_nullable = 'YES', data_type, datetime_precision, column_default FROM information_schema.columns"
            f" WHERE table_name = '{table.name}' ORDER BY ordinal_position"
        )
        assert [row[:2] for row in declared] == [(column.name, column.nullable) for column in table.columns]
        stamps = {row[0]: row[2:] for row in declared if row[0] in ("created_at", "last_updated")}
        naive = "timestamp without time zone"
        assert stamps == {"created_at": (naive, 3, "CURRENT_TIMESTAMP"), "last_updated": (naive, 3, None)}
    assert query("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]
    rules = query(
        "SELECT conrelid::regclass::text, confupdtype::text || confdeltype::text, count(*) FROM pg_constraint WHERE contype = 'f'"
        " GROUP BY 1, 2 ORDER BY 1"
    )
    assert rules == [
        ("counterparty", "cr", 1), ("payment", "cr", 4), ("purchase_order", "cr", 4), ("sales_order", "cr", 5), ("staff", "cr", 1),
        ("transaction", "cn", 2),
    ]  # fmt: skip


def test_the_pipeline_reads_all_eleven_tables_and_rejects_nothing(database: SourceDatabase, query: Query) -> None:
    reader = reader_for("postgres", database.reader_url)
    reached: dict[str, Position] = {}
    for table in TABLES:
        with reader.read(table, None) as reading:
            chunks = list(reading)
        assert sum(chunk.rejected.num_rows for chunk in chunks) == 0
        assert sum(chunk.rows.num_rows for chunk in chunks) == COUNTS[table.name]
        assert reader.drift(table) == []
        reached[table.name] = reading.until

    transactions, kinds, orders = (find_table(f"totesys.{name}") for name in ("transaction", "payment_type", "sales_order"))
    assert {row["payment_type_name"] for row in drained(reader, kinds).rows} == set(totesys_values.PAYMENT_TYPES)
    read = drained(reader, transactions, reached["transaction"], day=date(2024, 11, 15)).rows
    assert sorted(
        tuple(row[name] for name in ("transaction_id", "transaction_type", "sales_order_id", "purchase_order_id")) for row in read
    ) == query(
        """SELECT transaction_id, transaction_type::text, sales_order_id, purchase_order_id FROM "transaction"
        WHERE created_at::date = '2024-11-15' ORDER BY 1"""
    )
    read = drained(reader, orders, reached["sales_order"], day=date(2023, 11, 1)).rows
    ((amount, first),) = query("SELECT sum(unit_price), min(created_at) FROM sales_order WHERE created_at::date = '2023-11-01'")
    assert sum(row["unit_price"] for row in read) == amount
    assert min(row["created_at"] for row in read) == first.replace(tzinfo=timezone.utc)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["agreed_delivery_date"]) for row in read)


def test_of_two_seeds_at_once_one_writes_the_past(source_db: SourceDatabase) -> None:
    with ThreadPoolExecutor(2) as pool:
        wrote = list(pool.map(lambda _: totesys.write_past(source_db.admin_url, until=date(2022, 11, 30)), range(2)))
    assert sorted(counts["sales_order"] for counts in wrote) == [0, 45]
    query = asking(source_db.reader_url)
    assert query("SELECT count(*), max(sales_order_id) FROM sales_order") == [(45, 45)]


def test_nothing_is_written_where_the_past_has_not_begun(source_db: SourceDatabase) -> None:
    with pytest.raises(SampleError, match="2022-11-03"):
        totesys.write_past(source_db.admin_url, until=date(2022, 11, 2))
