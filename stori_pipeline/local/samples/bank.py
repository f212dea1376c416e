"""The generator of `txns.csv`: ten accounts and their movements, spelled as in the original file.

Belongs here: generating movements, and writing them as lines. Does not belong here: reading such a file (`txns_csv`), and any database.
The bytes depend only on the seed and the number of rows. So the module uses only `Random.random()`, whose sequence Python guarantees; whole
paise, which need no rounding; and its own names of months, because `strftime` depends on the locale.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

ROWS = 116_201
HEADER = "Account No,DATE,TRANSACTION DETAILS,CHIP USED,VALUE DATE, WITHDRAWAL AMT , DEPOSIT AMT ,BALANCE AMT"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Each account with its share of a thousand rows. Two have seven digits, as in the original.
ACCOUNTS = (
    ("409000611074", 10),
    ("409000493201", 9),
    ("409000425051", 7),
    ("409000405747", 1),
    ("409000438611", 39),
    ("409000493210", 52),
    ("409000438620", 116),
    ("1196711", 91),
    ("1196428", 420),
    ("409000362497", 255),
)
OVERDRAWN = ("1196711", "1196428")
WITHDRAWALS = 0.4608

_FIRST_DAY = date(2015, 1, 5)
_DAYS = 1_520

# The original file also has double spaces, commas and quotation marks. A loader that splits lines at every comma fails on them.
_PARTIES = (
    "Indigo  Traders",
    "MERIDIAN SERVICES",
    "Kaveri Textiles",
    "Sundar  & Sons, Mills",
    "BLUE HARBOUR LOGISTICS",
    'M/S "Asha" Stores',
    "Nilgiri Tea Estates",
    "ORBIT TELECOM",
    "Café Malabar",
    "शांति Publishers",
)
_DETAILS = (
    "TRF FROM  {party}",
    "TRF TO  {party} {number}",
    "INTERNAL FUND TRANSFER/{party}",
    "NEFT/{number}/{party}",
    "RTGS  {number} {party}",
    "IMPS-{number}-{party}",
    "CASH WDL/ATM/{number}",
    "CARD PURCHASE {party}  {number}",
    "BEING CHARGES FOR {number}",
    "SETTLEMENT OF {party} BATCH  {number}",
)
_CUT_OFF = 26
"""The length at which the original file cuts the text of many rows."""


class Movement(NamedTuple):
    """One movement on an account. Amounts are in paise; exactly one of withdrawal and deposit is set."""

    account_no: str
    txn_date: date
    details: str | None
    chip_used: bool
    value_date: date
    withdrawal: int | None
    deposit: int | None
    balance: int


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """A random item."""
    return items[int(rng.random() * len(items))]


def details(rng: random.Random) -> str | None:
    """The text of the statement: missing in 2 % of rows, cut off in many."""
    if rng.random() < 0.02:
        return None
    text = pick(rng, _DETAILS).format(party=pick(rng, _PARTIES), number=100_000 + int(rng.random() * 900_000))
    return text[:_CUT_OFF] if rng.random() < 0.35 else text


def amount(rng: random.Random) -> int:
    """An amount in paise, between ten rupees and ten million; most are whole rupees."""
    rupees = 10 ** pick(rng, (1, 2, 2, 3, 3, 4, 4, 5, 5, 6)) * (1_000 + int(rng.random() * 9_000)) // 1_000
    return rupees * 100 + (int(rng.random() * 100) if rng.random() < 0.4 else 0)


def movements(rows: int, seed: int) -> Iterator[Movement]:
    """`rows` movements, account after account, by ascending day. Each balance is the last one plus deposit minus withdrawal."""
    rng = random.Random(seed)
    counts = [rows * share // 1_000 for _, share in ACCOUNTS]
    counts[counts.index(max(counts))] += rows - sum(counts)
    for (account_no, _), count in zip(ACCOUNTS, counts, strict=True):
        yield from _movements_of(account_no, count, rng)


def _movements_of(account_no: str, count: int, rng: random.Random) -> Iterator[Movement]:
    balance = 0
    day = _FIRST_DAY
    again: list[tuple[str | None, int, bool]] = []
    for number in range(count):
        repeats = bool(again)
        if again:
            text, paise, out = again.pop()
        else:
            # The day stays the same, or becomes the one that spreads the account's rows evenly over the years.
            if rng.random() < 0.4:
                day = _FIRST_DAY + timedelta(days=number * _DAYS // count)
            text, paise, out = details(rng), amount(rng), rng.random() < WITHDRAWALS
            if account_no in OVERDRAWN and not out:
                paise = paise // 200 * 100 + 100
            if rng.random() < 0.002:
                # Booked, reversed, booked again: the first and the third movement are equal in every column.
                again = [(text, paise, out), (text, paise, not out)]
                repeats = True
        balance += -paise if out else paise
        yield Movement(
            account_no=account_no,
            txn_date=day,
            details=text,
            chip_used=not repeats and rng.random() < 0.15,
            value_date=day if repeats else day + timedelta(days=pick(rng, (0, 0, 0, 0, 0, 0, 1, 2, -1))),
            withdrawal=paise if out else None,
            deposit=None if out else paise,
            balance=balance,
        )


def format_date(day: date, *, padded: bool) -> str:
    number = f"{day.day:02d}" if padded else str(day.day)
    return f"{number}-{MONTHS[day.month - 1]}-{day.year % 100:02d}"


def format_amount(paise: int, *, indian: bool, decimals: bool) -> str:
    """`1,234,567.00`, or with Indian grouping `12,34,567.00`. Decimals are left out only if they are zero."""
    rupees, rest = divmod(abs(paise), 100)
    text = f"{rupees:,}"
    if indian and rupees >= 100_000:
        head, tail = divmod(rupees, 1_000)
        pairs = []
        while head:
            head, pair = divmod(head, 100)
            pairs.append(f"{pair:02d}")
        text = ",".join([*reversed(pairs), f"{tail:03d}"]).lstrip("0")
    sign = "-" if paise < 0 else ""
    return f"{sign}{text}.{rest:02d}" if decimals or rest else f"{sign}{text}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def line(movement: Movement, rng: random.Random) -> str:
    """The movement as a line of the file, in a random spelling of the original."""
    account_no = movement.account_no + "'" if rng.random() < 0.02 else movement.account_no
    padded, indian, decimals = rng.random() < 0.5, rng.random() < 0.15, rng.random() < 0.9

    def money(paise: int | None) -> str:
        return "" if paise is None else _quoted(f" {format_amount(paise, indian=indian, decimals=decimals)} ")

    chip = pick(rng, ("TRUE", "TRUE", "TRUE", "true", "1") if movement.chip_used else ("FALSE", "FALSE", "FALSE", "false", "0"))
    return ",".join(
        (
            account_no,
            format_date(movement.txn_date, padded=padded),
            _quoted(movement.details or ""),
            chip,
            format_date(movement.value_date, padded=padded),
            money(movement.withdrawal),
            money(movement.deposit),
            money(movement.balance),
        )
    )


def write_txns(path: Path, *, rows: int = ROWS, seed: int = 1, progress: Callable[[int, int], None] = lambda _done, _total: None) -> None:
    """Write `rows` movements to `path`. The file appears only when it is complete; memory does not grow with `rows`.

    `progress(done, total)` counts rows.
    """
    spelling = random.Random(seed + 1)
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        for done, movement in enumerate(movements(rows, seed), start=1):
            file.write(line(movement, spelling) + "\n")
            if done % 5_000 == 0:
                progress(done, rows)
        progress(rows, rows)
    part.replace(path)
