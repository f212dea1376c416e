"""The history of the app up to a fixed day: users and transactions.

Belongs here: generating the rows, and inserting them into the app's database. Does not belong here: later writes of the app
(`app_writes`). The rows depend only on the seed and their number; `bank` says how.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from psycopg2 import extensions

from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.database import connected

USERS = 9_999
TRANSACTIONS = 100_000
TYPES = ("purchase", "refund", "transfer", "payment")
SCHEMA = Path(__file__).parents[3] / "sql" / "sources" / "app.sql"

END = datetime(2024, 11, 15, tzinfo=timezone.utc)
_YEAR = timedelta(days=365)
_BATCH = 10_000

_GIVEN = ("Ada", "Björn", "Chloé", "DILNOZA", "emeka", "Fatima", "Grace", "Hiroshi", "Ines", "JOÃO", "Kemal", "Łucja", "Mary Ann", "Zoë")
_FAMILY = ("O'Brien", "van der Berg", "MacLeod", "GARCÍA LÓPEZ", "Nguyễn", "smith", "de la Cruz", "Østergaard", "Şahin", "Weiß", "Lee")
_STREETS = ("High Street", "Station Road", "Rue de l'Église", "Lindenstraße", "Calle Mayor", '"The Mews", Mill Lane', "QUEEN'S DRIVE")
_TOWNS = ("LEEDS", "Aberystwyth", "Köln", "Málaga", "Saint-Étienne", "Newcastle upon Tyne", "Tromsø")
_COUNTRIES = ("United Kingdom", "Deutschland", "España", "France", "Norge")
_HOSTS = ("example.com", "example.org", "Mail.Example.net")


class User(NamedTuple):
    """One registration, with the columns of its table after `id`; instants are UTC."""

    name: str | None
    email: str | None
    address: str | None
    created_at: datetime
    updated_at: datetime


class Transaction(NamedTuple):
    """One transaction, with the columns of its table after `id`; instants are UTC."""

    user_id: int | None
    amount: Decimal | None
    transaction_type: str | None
    created_at: datetime
    updated_at: datetime


def app_connection(url: str) -> AbstractContextManager[extensions.connection]:
    """A connection to the app's database; see `connected`."""
    return connected(url, "the app")


def person(rng: random.Random) -> tuple[str, str]:
    """A random name, and an e-mail address with this name. Two people may have the same ones."""
    given, family = pick(rng, _GIVEN), pick(rng, _FAMILY)
    local = f"{given}.{family}{int(rng.random() * 10_000)}".replace(" ", "").replace("'", "")
    return f"{given} {family}", f"{local if rng.random() < 0.2 else local.lower()}@{pick(rng, _HOSTS)}"


def address(rng: random.Random) -> str:
    """A postal address of three to five lines."""
    lines = [f"{1 + int(rng.random() * 250)} {pick(rng, _STREETS)}"]
    if rng.random() < 0.3:
        lines.append(f"Flat {1 + int(rng.random() * 40)}")
    lines.append(pick(rng, _TOWNS))
    lines.append(f"{int(rng.random() * 100_000):05d}")  # with its leading zeros
    if rng.random() < 0.5:
        lines.append(pick(rng, _COUNTRIES))
    return "\n".join(lines)


def amount(rng: random.Random) -> Decimal:
    """An amount from 10.00 to 10,000.00."""
    return Decimal(1_000 + int(rng.random() * 999_001)).scaleb(-2)


def registrations(count: int, seed: int) -> Iterator[User]:
    """`count` users over the two years before `END`, in order of time. One in fifty has the e-mail address of an earlier user."""
    rng = random.Random(seed)
    taken: list[str] = []
    for number in range(count):
        at = _instant(rng, END - 2 * _YEAR, 2 * _YEAR, number, count)
        name, email = person(rng)
        if taken and rng.random() < 0.02:
            email = pick(rng, taken)
        taken.append(email)
        yield User(
            name=None if rng.random() < 0.005 else name,
            email=None if rng.random() < 0.01 else email,
            address=None if rng.random() < 0.02 else address(rng),
            created_at=at,
            updated_at=_edited(rng, at),
        )


def movements(count: int, users: int, seed: int) -> Iterator[Transaction]:
    """`count` transactions over the year before `END`, in order of time, each by a user who had registered by then."""
    rng = random.Random(seed + 1)
    for number in range(count):
        at = _instant(rng, END - _YEAR, _YEAR, number, count)
        # Users registered evenly over two years, and transactions begin after one. So half of the users registered before the first one.
        known = users * (count + number) // (2 * count)
        yield Transaction(
            user_id=None if not known or rng.random() < 0.005 else 1 + int(rng.random() * known),
            amount=None if rng.random() < 0.001 else amount(rng),
            transaction_type=None if rng.random() < 0.001 else pick(rng, TYPES),
            created_at=at,
            updated_at=_edited(rng, at),
        )


def _instant(rng: random.Random, start: datetime, span: timedelta, number: int, count: int) -> datetime:
    """A random instant in the `number`-th of `count` equal parts of the span."""
    piece = span // count
    return start + number * piece + timedelta(microseconds=int(rng.random() * (piece // timedelta(microseconds=1))))


def _edited(rng: random.Random, created: datetime) -> datetime:
    """The time of a row's last update: for most rows, the time of its creation."""
    return created if rng.random() < 0.95 else created + (END - created) * int(rng.random() * 1_000) // 1_000


def create_schema(url: str) -> None:
    """Create the app's tables if they do not exist."""
    with app_connection(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA.read_text(encoding="utf-8"))


def write_past(
    url: str,
    *,
    users: int = USERS,
    transactions: int = TRANSACTIONS,
    seed: int = 3,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, int]:
    """Create the app's tables if they do not exist, and fill them if both are empty, in one transaction.

    Returns the number of rows inserted by table; zeros if a table had rows. `progress(done, total)` counts the rows of both tables.

    Raises:
        SampleError: the database does not answer, or failed. Nothing was inserted.
    """
    create_schema(url)
    total, done = users + transactions, 0
    with app_connection(url) as connection, connection, connection.cursor() as cursor:
        # Without the lock, two calls at once would both find the tables empty.
        cursor.execute("LOCK TABLE users, transactions IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SELECT EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM transactions)")
        if cursor.fetchone() == (True,):
            return {"users": 0, "transactions": 0}
        tables: tuple[tuple[str, str, Iterator[User] | Iterator[Transaction]], ...] = (
            ("users", "id, name, email, address, created_at, updated_at", registrations(users, seed)),
            ("transactions", "id, user_id, amount, transaction_type, created_at, updated_at", movements(transactions, users, seed)),
        )
        for table, columns, rows in tables:
            # The sequence is not used for the ids, because a failed transaction would not reset it.
            lines = ((number, *row) for number, row in enumerate(rows, start=1))
            last = 0
            while batch := list(islice(lines, _BATCH)):
                _copy(cursor, f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)", batch)
                last += len(batch)
                done += len(batch)
                progress(done, total)
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, %s)", (table, max(last, 1), last > 0))
    return {"users": users, "transactions": transactions}


def _copy(cursor: extensions.cursor, statement: str, rows: Sequence[Sequence[object]]) -> None:
    buffer = io.StringIO(newline="")
    # COPY reads an empty field as NULL; no value here is an empty text. Instants are written with their offset. A column without a zone
    # ignores it.
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    buffer.seek(0)
    cursor.copy_expert(statement, buffer)
