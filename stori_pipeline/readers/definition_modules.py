"""The module of a project that holds a source and the definitions of its tables: its text, and the same with more tables in it.

Belongs here: text of Python. Does not belong here: the text of one definition (`scaffolding`), or files (`cli.scaffold`).
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.readers.scaffolding import WIDTH, SuggestedTable, comment, import_lines, table_lines, text


def module_text(source: Source, tables: Sequence[SuggestedTable], left_out: Sequence[str] = ()) -> str:
    """The whole module of a source: docstring, imports, `SOURCE` and `TABLES`.

    Args:
        left_out: a comment for each table that is left out.
    """
    imports: dict[str, set[str]] = {"stori_pipeline.model": {"Source", "Table"}}
    for table in tables:
        imports = _joined(imports, table.imports)
    owners = [f"    owners=({', '.join(map(text, source.owners))},),"] if source.owners else []
    return "\n".join(
        [
            f'"""The source `{source.name}`: definitions of its tables.',
            "",
            "Belongs here: definitions. Does not belong here: what a definition means",
            "(`stori_pipeline.model`).",
            '"""',
            "",
            *import_lines(imports),
            "",
            "SOURCE = Source(",
            f"    name={text(source.name)},",
            f"    kind={text(source.kind)},",
            f"    description={text(source.description)},",
            *owners,
            ")",
            "",
            *([*_left_out(left_out), ""] if left_out else []),
            *(["TABLES = (", *_tables(tables), ")"] if tables else ["TABLES: tuple[Table, ...] = ()"]),
            "",
        ]
    )


def extended(module: str, tables: Sequence[SuggestedTable]) -> str:
    """The text of a source's module with more tables at the end of its `TABLES`; everything else stays as it is.

    Raises:
        DefinitionError: the module has no `TABLES = (…)`.
    """
    tree, lines = ast.parse(module), module.splitlines()
    at = _tuple_of_tables(tree)
    closing = at.end_lineno or at.lineno
    if at.elts:
        end = at.elts[-1].end_lineno or closing
        column = len(lines[end - 1].encode()[: at.elts[-1].end_col_offset].decode())
        between = "\n".join([lines[end - 1][column:], *lines[end : closing - 1]]) if end < closing else ""
        if end == closing:  # TABLES = (a, b)
            lines[closing - 1] = f"{lines[end - 1][:column]},\n{chr(10).join(_tables(tables))}\n)"
        else:
            if not between.lstrip().startswith(","):
                lines[end - 1] = f"{lines[end - 1][:column]},{lines[end - 1][column:]}"
            lines[closing - 1 : closing - 1] = _tables(tables)
    else:
        start = len(lines[at.lineno - 1].encode()[: at.col_offset].decode())
        lines[at.lineno - 1 : closing] = [f"{lines[at.lineno - 1][:start]}(", *_tables(tables), ")"]
    needed: dict[str, set[str]] = {}
    for table in tables:
        needed = _joined(needed, table.imports)
    return "\n".join(with_imports(tree, lines, needed)) + "\n"


def _tables(tables: Sequence[SuggestedTable]) -> list[str]:
    return [line for table in tables for line in [*table_lines(table, 4), "    ),"]]


def _left_out(lines: Sequence[str]) -> list[str]:
    wrapped = [each for line in lines for each in textwrap.wrap(comment(line), WIDTH - 4, break_long_words=False, subsequent_indent="  ")]
    return ["# Left out:", *(f"#   {each}" for each in wrapped)]


def _joined(some: dict[str, set[str]], others: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: some.get(module, set()) | others.get(module, set()) for module in some.keys() | others.keys()}


def _tuple_of_tables(tree: ast.Module) -> ast.Tuple:
    for node in tree.body:
        names = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(name, ast.Name) and name.id == "TABLES" for name in names):
            value = getattr(node, "value", None)
            if isinstance(value, ast.Tuple):
                return value
    raise DefinitionError("the module has no `TABLES = (…)` to which definitions could be added; add it, or paste what is printed")


def with_imports(tree: ast.Module, lines: list[str], needed: dict[str, set[str]]) -> list[str]:
    """The lines with what else must be imported. The tree is that of the module before, whose imports stand where they stood."""
    existing = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    bound = {alias.asname or alias.name for node in existing for alias in node.names}
    edits: list[tuple[int, int, list[str]]] = []
    for module, names in sorted(needed.items()):
        missing = {name for name in names if name not in bound}
        if not missing and (names or module in bound):
            continue
        if not names:
            first = next((node for node in existing if getattr(node, "module", "") != "__future__"), None)
            at = first.lineno - 1 if first else _place(tree, existing, module)
            edits.append((at, at, [f"import {module}", *([] if isinstance(first, ast.Import) else [""])]))
            continue
        same = [node for node in existing if isinstance(node, ast.ImportFrom) and node.module == module and not node.level]
        if same and not any(alias.asname for alias in same[0].names):
            joined = missing | {alias.name for alias in same[0].names}
            edits.append((same[0].lineno - 1, same[0].end_lineno or same[0].lineno, import_lines({module: joined})))
        else:
            at = _place(tree, existing, module)
            edits.append((at, at, import_lines({module: missing})))
    edits.sort(key=lambda edit: edit[:2])
    for start, end, replacement in reversed(edits):
        lines[start:end] = replacement
    return lines


def _place(tree: ast.Module, existing: Sequence[ast.Import | ast.ImportFrom], module: str) -> int:
    """The line before which an import of that module goes."""
    named = [node for node in existing if isinstance(node, ast.ImportFrom) and node.module]
    before = [node for node in named if (node.module or "") < module]
    if before:
        return before[-1].end_lineno or before[-1].lineno
    if named:
        return named[0].lineno - 1
    first = tree.body[0] if tree.body else None
    return (first.end_lineno or 0) if first and ast.get_docstring(tree) else 0
