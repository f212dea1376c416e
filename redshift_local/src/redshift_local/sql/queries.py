"""Queries and changes of rows, rewritten for PostgreSQL node by node.

Belongs here: the walk over the tree of SELECT, INSERT, UPDATE, DELETE and MERGE, and the names of their result columns. Does not belong
here: the rule for a node (`rules`), and statements without a tree (`commands`).
The walk refuses a kind of node that nobody has compared between Redshift and PostgreSQL, however well PostgreSQL would run it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from redshift_local.sql.catalog import point_at_own_views, reads_only_catalog
from redshift_local.sql.functions import replaced_by
from redshift_local.sql.rules import RULES, refuse


@dataclass(frozen=True)
class Rewritten:
    tree: Any
    changed: bool


def rewrite(tree: Any) -> Rewritten:
    """The tree as PostgreSQL runs it, and whether it differs from the text. The given tree must not be used after.

    Raises:
        RedshiftError: Redshift or the local Redshift refuses something in the tree.
    """
    changed = point_at_own_views(tree)
    if reads_only_catalog(tree):
        return Rewritten(tree, changed)
    names = _names_of_results(tree)
    for node in reversed(list(tree.bfs())):  # leaves first, so that what a rule moves has been through its own rule
        replaced = replaced_by(node) if isinstance(node, exp.Anonymous) else node
        if isinstance(node, exp.Select):
            _keep_names(node, names)
        rule: Callable[[Any], Any] = RULES.get(type(node), refuse)
        new = rule(node)
        changed = changed or new is not None
        if new is None or new is True:  # unchanged, or changed in place
            continue
        if replaced is tree:
            tree = new
        else:
            replaced.replace(new)
    return Rewritten(tree, changed)


def _names_of_results(tree: Any) -> dict[tuple[int, int], str]:
    """The name that Redshift gives to each result column without an alias, by its query's identity and its place."""
    return {(id(select), at): _column_name(column) for select in tree.find_all(exp.Select) for at, column in enumerate(select.expressions)}


def _keep_names(select: Any, names: dict[tuple[int, int], str]) -> None:
    """Give a column computed by a function in `redshift_local` the name that Redshift's function gives it."""
    for at, column in enumerate(select.expressions):
        name = names[id(select), at]
        replaced = any(call.name.startswith("redshift_local.") for call in column.find_all(exp.Anonymous))
        if name and not isinstance(column, exp.Alias) and (replaced or _column_name(column) != name):
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def _column_name(node: Any) -> str:
    """The name that Redshift gives to the result column of an expression without an alias."""
    if isinstance(node, exp.Cast):
        return _column_name(node.this)
    if isinstance(node, (exp.Column, exp.Anonymous)):
        return str(node.name).lower()
    if isinstance(node, exp.Dot):
        return str(node.expression.name).lower()
    if isinstance(node, (exp.Bracket, exp.Window, exp.WithinGroup, exp.Paren)):
        return _column_name(node.this)
    if isinstance(node, exp.CurrentTimestamp):
        return "sysdate"
    if isinstance(node, exp.Extract):
        return "date_part"
    return ""
