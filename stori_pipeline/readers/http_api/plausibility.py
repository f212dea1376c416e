"""Plausible values: applies the rules `Plausible` of a definition to rows, day by day.

Belongs here: the decision, and the values that it keeps from one reading to the next. Does not belong here: the rules (a definition has
those), or rejecting a row (`contract`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from stori_pipeline.contract import Misfit
from stori_pipeline.readers.http_api import Plausible
from stori_pipeline.readers.http_api.answers import Row

Memory = dict[str, dict[str, str]]
"""What is remembered of each series.

`value` is the last plausible value and `day` its day ("" if not known). `before` is the last plausible value of an earlier day, or "".
`refused` is the first of the values that were refused since, and `refused_on` its day.
"""


class Judge:
    """Applies the rules of a table. Pass rows in the order of their days."""

    def __init__(self, rules: Sequence[Plausible], memory: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._rules = rules
        self._memory: dict[str, Memory] = {
            rule.column: {series: _remembered(values) for series, values in (memory or {}).get(rule.column, {}).items()} for rule in rules
        }

    def memory(self) -> dict[str, Memory]:
        """The values with which later rows are compared, as plain JSON, by column."""
        return self._memory

    def judged(self, row: Any, day: date) -> Any:
        """The row, with a Misfit in place of each value that is not plausible. A value that is not a number is left to the contract."""
        if isinstance(row, dict):
            for rule in self._rules:
                row = _judged(rule, row, day.isoformat(), self._memory[rule.column])
        return row


def numbers_of(rules: Sequence[Plausible], row: Row) -> Row:
    """The row with numbers in the columns of the rules, where quarantine has them as texts."""
    return row | {rule.column: _number(row.get(rule.column)) for rule in rules}


def _number(value: object) -> object:
    try:
        return Decimal(value) if isinstance(value, str) else value
    except InvalidOperation:
        return value


def _judged(rule: Plausible, row: Row, day: str, memory: Memory) -> Row:
    value = row[rule.column]
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return row
    number = Decimal(value)
    if not number.is_finite() or number <= rule.above:
        return {**row, rule.column: Misfit("implausible", f"{value} is not more than {rule.above}")}
    series = "/".join(str(row[name]) for name in rule.per)
    previous = memory.get(series, {})
    is_restated = bool(previous) and previous["day"] == day
    # A day that is answered for again is compared with the day before it, and not with its own first answer.
    reference = previous["before"] if is_restated else previous.get("value", "")
    if not reference or _near(rule, number, reference):
        memory[series] = {"value": str(value), "day": day, "before": reference}
        return row
    if _is_confirmed(rule, number, day, previous):
        memory[series] = {"value": str(value), "day": day, "before": previous["refused"]}
        return row
    if "refused" not in previous:
        previous = {**previous, "refused": str(value), "refused_on": day}
    memory[series] = previous
    reason = f"{value} is at least {rule.factor} times more or less than {reference}, the last plausible value of an earlier day"
    return {**row, rule.column: Misfit("implausible", reason)}


def _remembered(values: Any) -> dict[str, str]:
    """What a position says of a series. One of version 0.2 has a list: the value and, if later ones were refused, the first one's day and
    value."""
    if isinstance(values, dict):
        return dict(values)
    value, *refusal = values
    return {"value": value, "day": "", "before": ""} | dict(zip(("refused_on", "refused"), refusal, strict=False))


def _is_confirmed(rule: Plausible, number: Decimal, day: str, previous: Mapping[str, str]) -> bool:
    """Whether the value is near one that was refused on an earlier day."""
    return "refused" in previous and previous["refused_on"] < day and _near(rule, number, previous["refused"])


def _near(rule: Plausible, one: Decimal, other: str) -> bool:
    return one < Decimal(other) * rule.factor and Decimal(other) < one * rule.factor
