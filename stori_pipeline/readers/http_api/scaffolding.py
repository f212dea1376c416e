"""Suggested definitions of an API's tables.

Belongs here: guessing from one response where its rows and its day are. A person adds what a response cannot show: the key, the names of
entries, unchanging members, rules for plausible values. Does not belong here: the text of a definition (`readers.scaffolding`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from stori_pipeline.model.names import names_for
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.http_api import RequestLimits
from stori_pipeline.readers.http_api.answers import parse
from stori_pipeline.readers.http_api.client import Api, opened
from stori_pipeline.readers.json_rows import path_of, value_at
from stori_pipeline.readers.scaffolding import SuggestedColumn, SuggestedTable, Suggestions, text
from stori_pipeline.readers.suggested_columns import Sampled, columns_of, has_path, taken_names, without_path

_PACKAGE = "stori_pipeline.readers.http_api"
_LATEST = "latest"
_KEY_NOTE = "a guess: name the columns that identify a row"


def suggest(url: str, *, source: str, names: Sequence[str], known: Sequence[Table], progress: Callable[[str], object]) -> Suggestions:
    """See `readers.suggest`; a name is the path of a list, or our own for what `/latest` returns.

    Raises:
        SourceError: no name is given, or neither `/latest` nor `/<name>` returns rows.
    """
    if not names:
        raise SourceError(
            f"{source}: an API does not list its tables. Name one: `stori scaffold {source}.orders` for the list at /orders, "
            f"or `stori scaffold {source}.rates` if the API has the newest day at /{_LATEST}"
        )
    ours = names_for([name.partition("?")[0] for name in names], taken_names(known, lambda each: each.name in names), prefix="t_")
    tables = []
    for name in names:
        progress(name)
        tables.append(_suggested(url, name, ours[name.partition("?")[0]], source))
    return Suggestions(tuple(tables))


def _suggested(url: str, path: str, name: str, source: str) -> SuggestedTable:
    table = f"{source}.{path}"
    with opened(url, table, source, RequestLimits()) as api:
        newest = _document(api, _LATEST, table)
        if newest is not None:
            return _by_day(name, newest, f"{table} at /{_LATEST}")
        page = _document(api, path, table)
        if page is not None:
            return _by_page(name, path, page, f"{table} at /{path}")
    raise SourceError(f"{table}: the API has neither /{_LATEST} nor /{path}; check the source's address, or give the table its path's name")


def _document(api: Api, path: str, table: str) -> Any:
    answer = api.get(path)
    return parse(answer.body, f"{table} at /{path}") if answer.status == 200 else None


def _by_day(name: str, document: Any, where: str) -> SuggestedTable:
    members = {member: value for member, value in _members(document).items() if not isinstance(value, (dict, list))}
    days = {member: day for member, value in members.items() if (day := _day(value))}
    if not days:
        raise SourceError(f"{where}: its answer names no day of the form 2024-11-15 at its top, so no definition can be suggested")
    day_at, day = next(iter(days.items()))
    place, rows = _rows(document, where, entries=True)
    entry = not isinstance(rows, list)
    elements = [{"name": each, "value": value} for each, value in rows.items()] if isinstance(rows, dict) else rows
    sampled = _sampled(elements)
    sampled.values.pop(day_at, None)
    own_key = "name" if entry else _key(sampled, where)
    around = {member: [value] for member, value in members.items() if member != day_at and member not in sampled.values}
    sampled.values |= around
    keys = [*(member for member, values in around.items() if has_path(member) and values != [None]), own_key]
    columns = columns_of(sampled, keys, taken=["day"])
    day_column = SuggestedColumn("day", "date", nullable=False, path=path_of(day_at))
    arguments = [f"start=datetime.date({day.year}, {day.month}, {day.day})", f"latest={text(_LATEST)}", f"day_at={text(day_at)}"]
    arguments += [f"rows_at={text(place)}"] if place else []
    arguments += ['entry=("name", "value")'] if entry else []
    return SuggestedTable(
        name=name,
        columns=(day_column, *columns.values()),
        key=("day", *(columns[each].name for each in keys)),
        changes=f"ByDay({', '.join(arguments)})",
        package=_PACKAGE,
        more={"cursor": text("day")},
        notes=_notes(sampled),
        key_notes=(_KEY_NOTE,),
    )


def _by_page(name: str, path: str, document: Any, where: str) -> SuggestedTable:
    place, elements = _rows(document, where, entries=False)
    sampled = _sampled(elements)
    key = _key(sampled, where)
    columns = columns_of(sampled, [key])
    arguments = [f"path={text(path)}", 'after="after"', f"mark_at={text(path_of(key))}", *([f"rows_at={text(place)}"] if place else [])]
    return SuggestedTable(
        name=name,
        columns=tuple(columns.values()),
        key=(columns[key].name,),
        changes=f"ByPage({', '.join(arguments)})",
        package=_PACKAGE,
        notes=_notes(sampled),
        key_notes=(_KEY_NOTE,),
    )


def _notes(sampled: Sampled) -> tuple[str, ...]:
    return (f"suggested from {sampled.rows:,} rows of one answer; an API promises no types", *without_path(sampled))


def _members(document: Any) -> Mapping[str, Any]:
    return document if isinstance(document, Mapping) else {}


def _day(value: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(value) if isinstance(value, str) else None
    return None


def _rows(document: Any, where: str, *, entries: bool) -> tuple[str, Any]:
    """The path of the rows, and the rows: the first array, or the first object whose members may be rows."""
    for place in ("", *map(path_of, filter(has_path, _members(document)))):
        rows = value_at(document, place)
        if isinstance(rows, list) or (entries and place and isinstance(rows, dict)):
            return place, rows
    raise SourceError(f"{where}: its answer has no array or object of rows at its top, so no definition can be suggested")


def _sampled(elements: Sequence[Any]) -> Sampled:
    sampled = Sampled()
    for element in elements:
        if isinstance(element, Mapping):
            sampled.add(element)
    return sampled


def _key(sampled: Sampled, where: str) -> str:
    """The field that may identify a row: called like a key and different in each, or else `id`, or the first that has a path."""
    fields = [name for name, values in sampled.values.items() if has_path(name) and None not in values]
    if not fields:
        raise SourceError(f"{where}: its answer has no rows with values now, so no definition can be suggested; try again later")
    return sampled.key() or next((name for name in fields if name.casefold() == "id"), fields[0])
