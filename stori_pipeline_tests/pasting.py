"""A definition that was printed, pasted: the `Table` that its text makes."""

from __future__ import annotations

import ast
from typing import Any

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table


def pasted(text: str, source: Source, /, **names: Any) -> Table:
    """The table of the text's last expression, once the statements before it, imports, have run.

    Args:
        source: what the text calls `SOURCE`.
        names: others that are known where it is pasted.
    """
    *before, last = ast.parse(text.strip()).body
    assert isinstance(last, ast.Expr)
    names |= {"SOURCE": source}
    exec(compile(ast.Module(before, []), "imports", "exec"), names)  # noqa: S102  (running what is printed is the test)
    table = eval(compile(ast.Expression(last.value), "definition", "eval"), names)  # noqa: S307
    assert isinstance(table, Table)
    return table
