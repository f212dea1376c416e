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

Memory = dict[str, list[str]]
"""For each series the last plausible value and, if later ones were refused, the day and the value of the first refusal."""


class Judge:
    """Applies the rules of a table. Pass rows in the order of their days."""

    def __init__(self, rules: Sequence[Plausible], memory: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> None:
        self._rules = rules
        self._memory: dict[str, Memory] = {
            rule.column: {series: list(values) for series, values in (memory or {}).get(rule.column, {}).items()} for rule in rules
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
    previous = memory.get(series)
    if previous is None or _near(rule, number, previous[0]) or _is_confirmed(rule, number, day, previous):
        memory[series] = [str(value)]
        return row
    memory[series] = [previous[0], *(previous[1:] or [day, str(value)])]
    reason = f"{value} is at least {rule.factor} times more or less than {previous[0]}, the last plausible value"
    return {**row, rule.column: Misfit("implausible", reason)}


def _is_confirmed(rule: Plausible, number: Decimal, day: str, previous: Sequence[str]) -> bool:
    """Whether the value is near one that was refused on an earlier day."""
    return len(previous) == 3 and previous[1] < day and _near(rule, number, previous[2])


def _near(rule: Plausible, one: Decimal, other: str) -> bool:
    return one < Decimal(other) * rule.factor and Decimal(other) < one * rule.factor
