"""What an answer says: a day, a base currency, and a rate for each other currency.

Belongs here: reading the JSON and refusing what is not of this shape, and which rates are plausible. Does not belong here: asking
(`client`), or which days are asked for (the package's `reading`).

    {"base": "GBP", "date": "2024-11-15", "rates": {"USD": 1.2676, "EUR": 1.1973}}

Numbers are exact: what the API writes is what lands. Other members with plain values are there for a record that names them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import Misfit, raw_text
from stori_pipeline.readers import SourceError

Row = dict[str, object]

_JUMP = 10


@dataclass(frozen=True)
class Day:
    """One day's rates, as they were published. `facts` are the answer's members with plain values, `base` and `date` among them."""

    date: date
    base: str
    rates: Mapping[str, object]
    facts: Mapping[str, object]

    @property
    def version(self) -> str:
        """The same for the same rates, whatever the API says of its own versions."""
        said = json.dumps(sorted((name, str(rate)) for name, rate in self.rates.items()))
        return hashlib.md5(f"{self.date} {self.base} {said}".encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:16]


def day(body: bytes, where: str) -> Day:
    """What an answer says. `where` is how errors call the place that was asked.

    Raises:
        SourceError: it is not of this shape.
    """
    try:
        said: Any = json.loads(body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: its answer is not JSON; it begins with {ascii(body[:60])[1:]}") from error
    shape = '{"base": "GBP", "date": "2024-11-15", "rates": {"USD": 1.2676}}'
    if not isinstance(said, dict) or not isinstance(said.get("rates"), dict) or not isinstance(said.get("base"), str):
        raise SourceError(f"{where}: its answer is not of the shape {shape}; it begins with {ascii(body[:60])[1:]}")
    try:
        at = date.fromisoformat(said.get("date"))  # type: ignore[arg-type]  # whatever it is, it is refused if it is no date
    except (TypeError, ValueError) as error:
        raise SourceError(f"{where}: its answer has no date of the form 2024-11-15") from error
    if said.get("amount", 1) != 1:
        raise SourceError(f"{where}: its rates are for an amount of {said['amount']}; take the amount out of the source's address")
    facts = {name: value for name, value in said.items() if not isinstance(value, (dict, list)) and name != "amount"}
    return Day(at, said["base"], said["rates"], {**facts, "date": at})


def rows(day: Day) -> Iterator[Row]:
    """A row for each rate, by the names that a record's paths have for it: `date`, `base`, `currency`, `rate`, and the other facts."""
    for currency, rate in day.rates.items():
        yield {**day.facts, "currency": currency, "rate": rate, "_raw": raw_text({**day.facts, "currency": currency, "rate": rate})}


class Plausibility:
    """What rates were before, currency by currency, and whether others can follow them.

    A rate follows if it is above zero and less than ten times more or less than the last one that was plausible. A jump that was real
    would so never end; so one is taken, too, that is near what an *earlier day* was refused for: two days agree, and people have been told
    by the first. What it remembers is plain JSON: for each currency the last plausible rate, and the day and rate of a later refusal.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known: dict[str, list[str]] = {name: list(said) for name, said in (known or {}).items()}

    def known(self) -> dict[str, list[str]]:
        return self._known

    def judged(self, row: Row) -> Row:
        """The row, with a Misfit in the place of a rate that is not plausible. A value that is no number is left to the contract."""
        rate, currency = row["rate"], str(row["currency"])
        if isinstance(rate, bool) or not isinstance(rate, (int, Decimal)):
            return row
        number = Decimal(rate)
        if not number.is_finite() or number <= 0:
            return {**row, "rate": Misfit("implausible", f"a rate of {rate} is not above zero")}
        known = self._known.get(currency)
        if known is None or _near(number, Decimal(known[0])) or self._again(number, known, row):
            self._known[currency] = [str(rate)]
            return row
        self._known[currency] = [known[0], *(known[1:] or [str(row["date"]), str(rate)])]
        return {**row, "rate": Misfit("implausible", f"a rate of {rate} is tenfold off the {known[0]} of the day before")}

    @staticmethod
    def _again(number: Decimal, known: list[str], row: Row) -> bool:
        return len(known) == 3 and known[1] < str(row["date"]) and _near(number, Decimal(known[2]))


def _near(one: Decimal, other: Decimal) -> bool:
    return one < other * _JUMP and other < one * _JUMP
