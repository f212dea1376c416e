"""Marked changes: rows that this program writes to the sources, and the moment when each was visible in the warehouse.

Belongs here: writing them, and finding them. Does not belong here: how many, how often, and what came of it (`latency`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg2

from stori_pipeline.local.samples.bank_import import bank_connection
from stori_pipeline.local.samples.exchange import trade, trade_id
from stori_pipeline.local.samples.exchange_import import trades_collection
from stori_pipeline.local.samples.totesys_writes import Totesys
from stori_pipeline.local.samples.trades_json import document
from stori_pipeline_tests.shipped import STARS

POLL_SECONDS = 0.075
_LOOK_ANYWAY_SECONDS = 3.0
_ACCOUNT = "499999999999"
"""An account of its own: the balances of the others stay continuous."""
_FIRST_TRADE = 2**32
"""Ids from here on are never the workload's, which counts up from those of the sample data."""


_POST = """
INSERT INTO transactions (account_no, txn_date, transaction_details, chip_used, value_date, deposit_amt, balance_amt)
VALUES (%(account)s, current_date, 'MARK', false, current_date, %(deposit)s, %(deposit)s + coalesce(
  (SELECT balance_amt FROM transactions WHERE account_no = %(account)s ORDER BY transaction_no DESC LIMIT 1), 0))
RETURNING transaction_no
"""


@dataclass(frozen=True)
class Place:
    """Where a change arrives: a name in the results, a mirror or star table, and its column with the key of the written row."""

    name: str
    table: str
    column: str


BANK = Place("mirror_postgres", "bank.transactions", "transaction_no")
TRADES = Place("mirror_mongo", "exchange.trades", "id")
ORDERS = Place("mirror_of_fact", "totesys.sales_order", "sales_order_id")
FACT = Place("fact", STARS["fact_sales_order"].table.full_name, "sales_order_id")
PLACES = (BANK, TRADES, ORDERS, FACT)

Write = Callable[[], str]
"""Writes a row, commits it, and returns its key."""


@contextmanager
def writers(environ: Mapping[str, str]) -> Iterator[dict[tuple[Place, ...], Write]]:
    """The three writers, each with the places where what it writes arrives. Each has a connection of its own, which is closed after the
    block."""
    with ExitStack() as stack:
        bank = stack.enter_context(bank_connection(environ["STORI_ADMIN_BANK"]))
        trades = stack.enter_context(trades_collection(environ["STORI_ADMIN_EXCHANGE"]))
        totesys = stack.enter_context(Totesys.open(environ["STORI_ADMIN_TOTESYS"], "marks"))
        rng, count = random.Random(1), iter(range(2**31))

        def post() -> str:
            with bank, bank.cursor() as cursor:
                cursor.execute(_POST, {"account": _ACCOUNT, "deposit": Decimal(1)})
                ((number,),) = cursor.fetchall()
                return str(number)

        def deal() -> str:
            number = next(count)
            new = document(trade(number, rng) | {"id": trade_id(_FIRST_TRADE + number)})
            trades.insert_one(new)
            return str(new["_id"])

        def sell() -> str:
            totesys.sale()
            return str(next(change.key for change in totesys.last if change.table == "sales_order"))

        yield {(BANK,): post, (TRADES,): deal, (ORDERS, FACT): sell}


@dataclass
class Seen:
    """What was written and found so far: per place the seconds that each change took, and the changes that are still on their way."""

    seconds: dict[Place, list[float]] = field(default_factory=lambda: {place: [] for place in PLACES})
    waiting: dict[Place, dict[str, float]] = field(default_factory=lambda: {place: {} for place in PLACES})

    @property
    def missing(self) -> int:
        return sum(map(len, self.waiting.values()))


class Finder:
    """Looks for written changes on one session of the warehouse, in a thread of its own.

    Every 75 ms it asks the ledger, a small table, whether a load was committed: rows and ledger are committed together. Only then does it
    look for rows, because a mirror has no index. Every three seconds it looks anyway.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._seen = Seen()
        self._thread = threading.Thread(target=self._run, name="finder", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Finder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def wrote(self, places: tuple[Place, ...], key: str, committed: float) -> None:
        """A row was committed at that moment of the monotonic clock."""
        with self._lock:
            for place in places:
                self._seen.waiting[place][key] = committed

    def restart(self) -> None:
        """Forget everything: what comes from now on counts."""
        with self._lock:
            self._seen = Seen()

    def wait(self, seconds: float) -> Seen:
        """Wait until everything was found, at most so long; returns what was written and found.

        Raises:
            SystemExit: the warehouse failed.
        """
        until = time.monotonic() + seconds
        while self.missing and not self.error and time.monotonic() < until:
            time.sleep(0.1)
        if self.error:
            raise SystemExit(f"the warehouse failed while changes were looked for: {self.error}")
        return self._seen

    @property
    def missing(self) -> int:
        with self._lock:
            return self._seen.missing

    @property
    def found(self) -> int:
        with self._lock:
            return sum(map(len, self._seen.seconds.values()))

    def _run(self) -> None:
        try:
            with closing(psycopg2.connect(self._url)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    self._poll(cursor)
        except psycopg2.Error as error:
            self.error = error

    def _poll(self, cursor: psycopg2.extensions.cursor) -> None:
        tables = ", ".join(f"'{place.table}'" for place in PLACES)
        ledger = f"SELECT target, COUNT(*), MAX(finished_at) FROM pipeline.loads WHERE target IN ({tables}) GROUP BY target"
        known: dict[str, object] = {}
        looked = 0.0
        while not self._ended.wait(POLL_SECONDS):
            cursor.execute(ledger)
            asked = time.monotonic()
            now: dict[str, object] = {target: rest for target, *rest in cursor.fetchall()}
            anyway = asked - looked > _LOOK_ANYWAY_SECONDS
            for place in PLACES:
                if anyway or now.get(place.table) != known.get(place.table):
                    self._look(cursor, place)
            looked, known = asked if anyway else looked, now

    def _look(self, cursor: psycopg2.extensions.cursor, place: Place) -> None:
        with self._lock:
            seen = self._seen
            waiting = dict(seen.waiting[place])
        if not waiting:
            return
        keys = ", ".join(f"'{key}'" for key in waiting)
        cursor.execute(f"SELECT {place.column} FROM {place.table} WHERE {place.column} IN ({keys})")
        found, moment = {str(key) for (key,) in cursor.fetchall()}, time.monotonic()
        with self._lock:
            for key in found & set(seen.waiting[place]):
                seen.seconds[place].append(moment - seen.waiting[place].pop(key))
