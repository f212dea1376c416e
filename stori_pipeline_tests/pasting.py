"""Pastes a printed definition: the `Table` that its text defines."""

from __future__ import annotations

import ast
from typing import Any

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table


def pasted(text: str, source: Source, /, **names: Any) -> Table:
    """The table in the text's last expression, after running the imports before it.

    Args:
        source: what the text calls `SOURCE`.
        names: what else is known where it is pasted.
    """
    *before, last = ast.parse(text.strip()).body
    assert isinstance(last, ast.Expr)
    known = {**(names or {}), "SOURCE": source}
    exec(compile(ast.Module(before, []), "imports", "exec"), known)  # noqa: S102  (running what is printed is the test)
    table = eval(compile(ast.Expression(last.value), "definition", "eval"), known)  # noqa: S307
    assert isinstance(table, Table)
    return table
