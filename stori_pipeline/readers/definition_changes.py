"""A definition that follows its source: the table that drift proposes, and the same change in the text of its module.

Belongs here: text of Python. Does not belong here: finding drift (the packages of the kinds), or files (`cli.schema`).
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types.suggestions import module_of, type_named
from stori_pipeline.readers.definition_modules import with_imports
from stori_pipeline.readers.scaffolding import wrapped

_EDITED = ("added", "wider", "nullable", "dropped")


def proposed(table: Table, drift: Sequence[Drift]) -> Table:
    """The definition after what drift proposes: new columns at the end, wider types, nullable where the source is, and columns that the
    source has dropped kept as null. A key that differs, or a type of another kind, is for a person to decide.

    Raises:
        DefinitionError: no such definition is valid, as where the source dropped a column of the key.
    """
    columns = list(table.columns)
    for each in drift:
        if each.change == "added":
            columns.append(_column(each.python))
        for place, column in enumerate(columns):
            if column.name == each.column and each.change == "wider":
                columns[place] = replace(column, type=type_named(each.python))
            elif column.name == each.column and each.change == "nullable":
                columns[place] = replace(column, nullable=True)
            elif column.name == each.column and each.change == "dropped":
                columns[place] = replace(column, nullable=True, dropped=True)
    return replace(table, columns=tuple(columns)) if tuple(columns) != table.columns else table


def _column(python: str) -> Column:
    call = ast.parse(python, mode="eval").body
    assert isinstance(call, ast.Call)  # noqa: S101  (for the type checker: drift writes a call of Column)
    name, kind = (ast.literal_eval(call.args[0]), ast.unparse(call.args[1]))
    return Column(name, type_named(kind), **{str(each.arg): ast.literal_eval(each.value) for each in call.keywords})


def lines(table: Table, drift: Sequence[Drift]) -> list[str]:
    """The lines to write by hand, each with its column."""
    found = []
    for each in drift:
        if each.change == "added":
            found.append(f"add {each.python},")
        elif each.change == "wider":
            found.append(f"{each.column}: write {each.python} instead of {table[each.column].type}")
        elif each.change == "nullable":
            found.append(f"{each.column}: write nullable=True")
        elif each.change == "dropped":
            found.append(f"{each.column}: write dropped=True, and nullable=True, to keep it as null; or remove the column")
    return found


def edited(module: str, table: Table, drift: Sequence[Drift]) -> str:
    """The text of a source's module with the change of one definition; everything else stays as it is.

    Raises:
        DefinitionError: the definition is not written as `Table(…)` with its columns in it, so that a person must change it.
    """
    text = _Text(module)
    columns = _columns(_table(text.tree, table), table)
    edits: list[tuple[int, int, str]] = []
    needed: dict[str, set[str]] = {}
    for each in (one for one in drift if one.change in _EDITED):
        if each.change in ("added", "wider"):
            kind = ast.parse(each.python, mode="eval").body
            kind = kind.args[1] if each.change == "added" and isinstance(kind, ast.Call) else kind
            name = ast.unparse(kind).partition("(")[0]
            needed.setdefault(module_of(name), set()).add(name)
        if each.change != "added":
            edits += _edits(text, _call(columns, table, each.column), each)
    if new := [each.python for each in drift if each.change == "added"]:
        needed.setdefault("stori_pipeline.model", set()).add("Column")
        last = columns.elts[-1]
        indent = last.col_offset if last.lineno != columns.lineno else 8
        added = "\n".join(line for python in new for line in wrapped(python, indent)).rstrip(",")
        edits.append((text.end(last), text.end(last), f",\n{added}"))
    for start, end, replacement in sorted(edits, reverse=True):
        module = module[:start] + replacement + module[end:]
    return "\n".join(with_imports(ast.parse(module), module.splitlines(), needed)) + "\n"


class _Text:
    """A module's text, with the places of its nodes as characters."""

    def __init__(self, module: str) -> None:
        self.tree = ast.parse(module)
        self._lines = module.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr) -> int:
        return self._at(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        return self._at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


def _table(tree: ast.Module, table: Table) -> ast.Call:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Table"]
    named = [call for call in calls if _is(_argument(call, "name", 1), table.name)]
    if len(named) != 1:
        raise DefinitionError(f"{table.full_name}: the module has no Table(…) with name={table.name!r}, or several")
    return named[0]


def _columns(call: ast.Call, table: Table) -> ast.Tuple | ast.List:
    columns = _argument(call, "columns", 2)
    if not isinstance(columns, (ast.Tuple, ast.List)) or not columns.elts:
        raise DefinitionError(f"{table.full_name}: the columns are not written in its Table(…)")
    return columns


def _call(columns: ast.Tuple | ast.List, table: Table, name: str) -> ast.Call:
    for each in columns.elts:
        if isinstance(each, ast.Call) and _is(_argument(each, "name", 0), name):
            return each
    raise DefinitionError(f"{table.full_name}: the column {name!r} is not written as Column(…) in its Table(…)")


def _argument(call: ast.Call, name: str, place: int) -> ast.expr | None:
    named = [each.value for each in call.keywords if each.arg == name]
    return named[0] if named else call.args[place] if place < len(call.args) else None


def _is(node: ast.expr | None, value: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _edits(text: _Text, call: ast.Call, drift: Drift) -> list[tuple[int, int, str]]:
    last = max([*call.args, *(each.value for each in call.keywords)], key=text.end)
    nullable = _argument(call, "nullable", 2)
    loosened = [(text.start(nullable), text.end(nullable), "True")] if nullable is not None else []
    if drift.change == "nullable":
        return loosened
    if drift.change == "dropped":
        return [*loosened, (text.end(last), text.end(last), ", dropped=True")]
    kind = _argument(call, "type", 1)
    return [(text.start(kind), text.end(kind), drift.python)] if kind is not None else []
