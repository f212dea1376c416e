"""Turns a JSON response into rows, by the table's columns. Numbers keep every digit.

Belongs here: finding rows and values where the definition says, and refusing responses of another shape. Does not belong here: sending
requests (`client`), choosing them (`days`, `pages`), or which values fit (`contract`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import parsed_raw, raw_text
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.http_api import ByDay
from stori_pipeline.readers.json_rows import as_document, steps, value_at, value_or_misfit

Row = dict[str, object]
"""A row by the table's columns, as `contract.conform` takes it."""

_ABSENT = object()


def parse(body: bytes, where: str) -> Any:
    """The JSON of a response. `where` names the request in errors.

    Raises:
        SourceError: the response is not JSON.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:  # a Decimal does not hold every exponent
        raise SourceError(f"{where}: its answer is not JSON; it begins with {ascii(body[:60])[1:]}. Check the source's address") from error


def rows_at(document: Any, path: str, entry: tuple[str, str] | None, where: str) -> list[Any]:
    """The rows of a response. They are mappings if the API has the shape that the definition says; the contract checks that.

    Raises:
        SourceError: there is no array at that path or, with `entry`, no object.
    """
    rows = value_at(document, path)
    place = f"at {path!r}" if path else "at its top"
    if entry is not None:
        if not isinstance(rows, Mapping):
            raise SourceError(f"{where}: its answer has no object {place}; it begins with {_beginning(document)}. Correct rows_at or entry")
        return [{entry[0]: name, entry[1]: value} for name, value in rows.items()]
    if not isinstance(rows, list):
        raise SourceError(f"{where}: its answer has no array {place}; it begins with {_beginning(document)}. Correct rows_at")
    return rows


def _beginning(document: Any) -> str:
    return ascii(raw_text(document)[:60])


@dataclass(frozen=True)
class DayAnswer:
    """The rows of one day, as published.

    `members` are the response's members with plain values, except those of `ByDay.expected`.
    """

    day: date
    rows: Sequence[Any]
    document: Any = field(repr=False)
    unchanging: Mapping[str, str]
    members: Mapping[str, object]

    @property
    def version(self) -> str:
        """A hash of the rows, which does not depend on the API's own versions."""
        text = raw_text([self.day, self.unchanging, sorted(map(raw_text, self.rows))])
        return hashlib.md5(text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:16]


def day_answer(body: bytes, changes: ByDay, requested: date | None, where: str) -> DayAnswer:
    """Parses a response. `requested` is the day that was requested, None for the newest.

    Raises:
        SourceError: the response does not have the shape that the definition says.
    """
    document = parse(body, where)
    rows = rows_at(document, changes.rows_at, changes.entry, where)
    for name, value in changes.expected:
        if (actual := value_at(document, name, value)) != value:
            raise SourceError(f"{where}: its answer's {name} is {actual}, but the definition expects {value}; correct the source's address")
    unchanging = {name: value_at(document, name, _ABSENT) for name in changes.unchanging}
    if missing := [name for name, value in unchanging.items() if value is _ABSENT]:
        raise SourceError(f"{where}: its answer has no {missing[0]!r}, which the definition calls unchanging")
    expected = {name for name, _ in changes.expected}
    members = document.items() if isinstance(document, Mapping) else ()
    return DayAnswer(
        day=_day_of(document, changes, requested, where),
        rows=rows,
        document=document,
        unchanging={name: str(value) for name, value in unchanging.items()},
        members={name: value for name, value in members if not isinstance(value, (dict, list)) and name not in expected},
    )


def _day_of(document: Any, changes: ByDay, requested: date | None, where: str) -> date:
    if not changes.day_at and requested is not None:
        return requested
    text = value_at(document, changes.day_at)
    try:
        return datetime.strptime(text, changes.day_format).date()  # noqa: DTZ007  (a day has no zone)
    except (TypeError, ValueError) as error:
        example = date(2024, 11, 15).strftime(changes.day_format)
        raise SourceError(f"{where}: its answer has no date of the form {example} at {changes.day_at!r}") from error


class Columns:
    """The paths of a table's columns in responses."""

    def __init__(self, table: Table) -> None:
        self._paths = [(column.name, column.source_path) for column in table.columns]
        self._documents = [column.name for column in table.columns if column.type.is_document]
        self._members = frozenset(name for _, path in self._paths for name in (steps(path)[0], ".".join(steps(path))))

    def row(self, element: Any, document: Any, members: Mapping[str, object], *, day: date | None = None) -> Any:
        """The row of an element. An element that is not an object stays as it is, and the contract refuses it."""
        if not isinstance(element, Mapping):
            return element
        row: Row = {name: self._value(path, element, document, day) for name, path in self._paths}
        row |= {name: as_document(row[name]) for name in self._documents}
        of_day = {"$day": day} if day is not None and any(path == "$day" for _, path in self._paths) else {}
        row["_raw"] = lambda: raw_text({**of_day, **members, **element})
        return row

    def again(self, raw: str) -> Any:
        """The row of a raw form; None if it is none. Numbers with a point are texts in it."""
        element = parsed_raw(raw)
        if not isinstance(element, dict):
            return None
        text = element.pop("$day", None)
        row = self.row(element, element, {}) | {name: text for name, path in self._paths if path == "$day"}
        return row | {"_raw": raw}

    def _value(self, path: str, element: Any, document: Any, day: date | None) -> object:
        if path == "$day":
            return day
        value = value_at(element, path, _ABSENT)
        value = value_at(document, path, _ABSENT) if value is _ABSENT else value
        return value_or_misfit(element, steps(path)) if value is _ABSENT else value

    def unmapped(self, elements: Sequence[Any], members: Mapping[str, object]) -> dict[str, list[Any]]:
        """The members of rows and of the response that no column reads, each with its values that are not null."""
        unmapped: dict[str, list[Any]] = {}
        for element in (*elements, members):
            for name, value in element.items() if isinstance(element, Mapping) else ():
                if value is not None and name not in self._members:
                    unmapped.setdefault(name, []).append(value)
        return unmapped
