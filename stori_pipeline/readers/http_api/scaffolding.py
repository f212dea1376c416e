"""Suggested definitions of an API's tables.

Belongs here: guessing from one response where its rows and its day are. A person adds what a response cannot show: the key, the names of
entries, unchanging members, rules for plausible values. Does not belong here: the text of a definition (`readers.scaffolding`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from stori_pipeline.readers import SourceError
from stori_pipeline.readers.http_api import RequestLimits
from stori_pipeline.readers.http_api.answers import parse
from stori_pipeline.readers.http_api.client import Api, opened
from stori_pipeline.readers.json_fields import column_name, column_text
from stori_pipeline.readers.json_rows import value_at
from stori_pipeline.readers.scaffolding import definition_text, text

_PACKAGE = "stori_pipeline.readers.http_api"
_LATEST = "latest"
_KEY_COMMENT = "a guess: name the columns that identify a row"


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`.

    Raises:
        SourceError: neither `/latest` nor `/<name>` returns rows.
    """
    table = f"{source}.{name}".lstrip(".")
    with opened(url, table, source, RequestLimits()) as api:
        newest = _document(api, _LATEST, table)
        if newest is not None:
            return _by_day(name, newest, f"{table} at /{_LATEST}")
        page = _document(api, name, table)
        if page is not None:
            return _by_page(name, page, f"{table} at /{name}")
    raise SourceError(f"{table}: the API has neither /{_LATEST} nor /{name}; check the source's address, or give the table its path's name")


def _document(api: Api, path: str, table: str) -> Any:
    answer = api.get(path)
    return parse(answer.body, f"{table} at /{path}") if answer.status == 200 else None


def _by_day(name: str, document: Any, where: str) -> str:
    members = {member: value for member, value in _members(document).items() if not isinstance(value, (dict, list))}
    days = {member: day for member, value in members.items() if (day := _day(value))}
    if not days:
        raise SourceError(f"{where}: its answer names no day of the form 2024-11-15 at its top, so no definition can be suggested")
    day_at, day = next(iter(days.items()))
    place, rows = _rows(document, where, entries=True)
    entry = not isinstance(rows, list)
    elements = [{"name": each, "value": value} for each, value in rows.items()] if isinstance(rows, dict) else rows
    around = {member: [value] for member, value in members.items() if member != day_at}
    columns = {"day": f'Column("day", date, nullable=False, path={text(day_at)}),'}
    for field, values in (around | _fields(elements)).items():
        columns.setdefault(column_name(field), f"{column_text(field, values, key=field in around or (entry and field == 'name'))},")
    arguments = [f"start=datetime.date({day.year}, {day.month}, {day.day})", f"latest={text(_LATEST)}", f"day_at={text(day_at)}"]
    arguments += [f"rows_at={text(place)}"] if place else []
    arguments += ['entry=("name", "value")'] if entry else []
    key = ["day", *map(column_name, around), "name" if entry else _first(elements, where)]
    changes = f"ByDay({', '.join(arguments)})"
    return definition_text(name, list(columns.values()), key, changes, _PACKAGE, key_comment=_KEY_COMMENT, more=['cursor="day"'])


def _by_page(name: str, document: Any, where: str) -> str:
    place, elements = _rows(document, where, entries=False)
    first = _first(elements, where)
    columns = {column_name(field): f"{column_text(field, values, key=field == first)}," for field, values in _fields(elements).items()}
    arguments = [f"path={text(name)}", 'after="after"', f"mark_at={text(first)}", *([f"rows_at={text(place)}"] if place else [])]
    changes = f"ByPage({', '.join(arguments)})"
    table = column_name(name.partition("?")[0])
    return definition_text(table, list(columns.values()), [column_name(first)], changes, _PACKAGE, key_comment=_KEY_COMMENT)


def _members(document: Any) -> Mapping[str, Any]:
    return document if isinstance(document, Mapping) else {}


def _day(value: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(value) if isinstance(value, str) else None
    return None


def _rows(document: Any, where: str, *, entries: bool) -> tuple[str, Any]:
    """The path of the rows, and the rows: the first array, or the first object whose members may be rows."""
    for place in ("", *_members(document)):
        rows = value_at(document, place)
        if isinstance(rows, list) or (entries and place and isinstance(rows, dict)):
            return place, rows
    raise SourceError(f"{where}: its answer has no array or object of rows at its top, so no definition can be suggested")


def _fields(elements: Sequence[Any]) -> dict[str, list[Any]]:
    """Every field of the rows with its values; nulls do not count."""
    fields: dict[str, list[Any]] = {}
    for element in elements:
        for field, value in _members(element).items():
            if value is not None:
                fields.setdefault(field, []).append(value)
    return fields


def _first(elements: Sequence[Any], where: str) -> str:
    """The field that may identify a row: `id`, or else the first."""
    fields = _fields(elements)
    if not fields:
        raise SourceError(f"{where}: its answer has no rows with values now, so no definition can be suggested; try again later")
    return "id" if "id" in fields else next(iter(fields))
