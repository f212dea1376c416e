"""Suggested tables as data, and the text of their definitions: imports, and a `Table(…)` to paste into the project.

Belongs here: what the kinds of source share, and text that linters and formatters accept. Does not belong here: finding a table's columns
(the packages of the kinds), or the module that holds a source's definitions (`definition_modules`).
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stori_pipeline.model.types.suggestions import module_of
from stori_pipeline.readers import SourceError, SourceUnavailable

WIDTH = 88
"""What is longer goes over several lines: the width of most formatters. A formatter that allows more leaves such lines as they are."""

_LONGEST_TEXT = 140
"""A text up to this length stays in one line, which no formatter would split either."""


@dataclass(frozen=True)
class SuggestedColumn:
    """A column of a suggested table.

    Args:
        name: our name.
        type: the type as Python, such as `varchar(64)`.
        path: where the source has it, if that is not `name`.
        notes: comments above the column, such as "a guess: no length is declared".
    """

    name: str
    type: str
    nullable: bool = True
    path: str = ""
    description: str = ""
    notes: tuple[str, ...] = ()

    @property
    def python(self) -> str:
        arguments = [text(self.name), self.type]
        arguments += [] if self.nullable else ["nullable=False"]
        arguments += [f"path={text(self.path)}"] if self.path and self.path != self.name else []
        arguments += [f"description={text(self.description)}"] if self.description else []
        return f"Column({', '.join(arguments)})"


@dataclass(frozen=True)
class SuggestedTable:
    """A suggested definition of a table.

    Args:
        name: our name.
        key: the names of columns.
        changes: the change strategy as Python, such as `Xmin()`.
        package: the module that declares the strategy.
        source_name: the source's own name, if that is not `name`.
        more: further arguments as Python, by name: `{"cursor": '"day"'}`.
        notes: comments above the table.
        key_notes: comments above the key.
    """

    name: str
    columns: tuple[SuggestedColumn, ...]
    key: tuple[str, ...]
    changes: str
    package: str
    source_name: str = ""
    description: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    key_notes: tuple[str, ...] = ()

    @property
    def imports(self) -> dict[str, set[str]]:
        """The names that the definition imports, by module. A module that is imported as a whole has no names."""
        imports: dict[str, set[str]] = {"stori_pipeline.model": {"Column", "Table"}}
        for column in self.columns:
            imports.setdefault(module_of(_called(column.type)), set()).add(_called(column.type))
        for name in re.findall(r"\b([A-Z]\w*)\(", re.sub(r'"(?:[^"\\]|\\.)*"', "", self.changes)):
            imports.setdefault(self.package, set()).add(name)
        return imports | ({"datetime": set()} if "datetime." in self.changes else {})


@dataclass(frozen=True)
class Suggestions:
    """Suggested tables of a source, and a line for each table that is left out: its name, why, and what to do."""

    tables: tuple[SuggestedTable, ...]
    left_out: tuple[str, ...] = ()


def suggest_each(
    wanted: Iterable[str],
    suggested: Callable[[str], SuggestedTable],
    progress: Callable[[str], object],
    *,
    asked: bool,
    left_out: Iterable[str] = (),
) -> Suggestions:
    """The suggested tables of a source, by the source's names for them.

    Args:
        suggested: makes one; raises SourceError if it cannot.
        progress: called with each name before it is looked at.
        asked: whether someone asked for these tables. Otherwise one that cannot be suggested is left out, with its reason.
        left_out: what is left out anyway.
    """
    tables: list[SuggestedTable] = []
    reasons = list(left_out)
    for name in wanted:
        progress(name)
        try:
            tables.append(suggested(name))
        except SourceUnavailable:
            raise
        except SourceError as error:
            if asked:
                raise
            reasons.append(str(error))
    return Suggestions(tuple(tables), tuple(reasons))


def definition(table: SuggestedTable) -> str:
    """The imports and the `Table(…)` of a suggested table, ready to paste. It calls the source `SOURCE`."""
    return "\n".join([*import_lines(table.imports), "", *table_lines(table), ")"]) + "\n"


def table_lines(table: SuggestedTable, indent: int = 0) -> list[str]:
    """The lines of `Table(…)`, without the one that closes it."""
    pad, inner = " " * indent, indent + 4
    arguments = {"source": "SOURCE", "name": text(table.name)}
    arguments |= {"source_name": text(table.source_name)} if table.source_name not in ("", table.name) else {}
    arguments |= {"description": text(table.description)} if table.description else {}
    return [
        *_comments(table.notes, indent),
        f"{pad}Table(",
        *(line for name, value in arguments.items() for line in wrapped(f"{name}={value}", inner)),
        f"{pad}    columns=(",
        *(line for each in table.columns for line in [*_comments(each.notes, inner + 4), *wrapped(each.python, inner + 4)]),
        f"{pad}    ),",
        *_comments(table.key_notes, inner),
        *wrapped(f"key={_tuple([text(name) for name in table.key])}", inner),
        *wrapped(f"changes={table.changes}", inner),
        *(line for name, value in table.more.items() for line in wrapped(f"{name}={value}", inner)),
    ]


def import_lines(imports: Mapping[str, set[str]]) -> list[str]:
    """Imports in the order of the usual linters; a module without names is of the standard library."""
    whole = [f"import {module}" for module, names in sorted(imports.items()) if not names]
    named = [line for module, names in sorted(imports.items()) if names for line in _import(module, names)]
    return [*whole, *([""] if whole and named else []), *named]


def _import(module: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {name}," for name in ordered), ")"]


def text(value: str) -> str:
    """A text as a Python literal, with the quotes that need fewer backslashes."""
    literal = json.dumps(value, ensure_ascii=False)
    literal = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in literal)
    if value.count('"') <= value.count("'"):
        return literal
    return "'" + literal[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _tuple(parts: Sequence[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _called(type_python: str) -> str:
    return type_python.partition("(")[0]


def _comments(notes: Iterable[str], indent: int) -> Iterator[str]:
    begin = " " * indent + "# "
    for note in notes:
        yield from textwrap.wrap(comment(note), WIDTH, initial_indent=begin, subsequent_indent=begin, break_long_words=False)


def comment(note: str) -> str:
    """The words of a note, as a comment can hold them: no line ends in it, and nothing that an editor would not show."""
    return " ".join("".join(each if each.isprintable() else " " for each in note).split())


# --- lines that fit --------------------------------------------------------------------------------------------------


def wrapped(python: str, indent: int) -> list[str]:
    """An argument with its comma, in as many lines as it needs. Strings keep their text."""
    keyword = re.match(r"(\w+)=", python)
    before, value = (keyword[0], python[keyword.end() :]) if keyword else ("", python)
    return _value_lines(before, ast.parse(value, mode="eval").body, value, indent)


def _value_lines(before: str, node: ast.expr, source: str, indent: int) -> list[str]:
    pad = " " * indent
    line = f"{pad}{before}{source},"
    if len(line) <= WIDTH:
        return [line]
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        arguments = [("", each) for each in node.args] + [(f"{each.arg}=", each.value) for each in node.keywords]
        return [f"{pad}{before}{_text_of(source, node.func)}(", *_each(arguments, source, indent), f"{pad}),"]
    if isinstance(node, ast.Tuple) and node.elts:
        return [f"{pad}{before}(", *_each([("", each) for each in node.elts], source, indent), f"{pad}),"]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(line) > _LONGEST_TEXT:
        return [f"{pad}{before}(", *(f"{pad}    {text(piece)}" for piece in _pieces(node.value, WIDTH - indent - 6)), f"{pad}),"]
    return [line]


def _each(parts: Iterable[tuple[str, ast.expr]], source: str, indent: int) -> list[str]:
    return [line for before, node in parts for line in _value_lines(before, node, _text_of(source, node), indent + 4)]


def _text_of(source: str, node: ast.expr) -> str:
    return ast.get_source_segment(source, node) or ast.unparse(node)


def _pieces(value: str, width: int) -> list[str]:
    """The text in pieces of about that length, cut after blanks where it has any."""
    return re.findall(rf"(?s).{{1,{width}}}(?:(?<=\s)|$)|.{{1,{width}}}", value)
