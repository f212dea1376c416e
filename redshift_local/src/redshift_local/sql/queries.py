"""Rewrites SELECT, INSERT, UPDATE, DELETE and MERGE for PostgreSQL, node by node.

Belongs here: the walk over the tree, and the names of result columns. Does not belong here: the rule for a node (`rules`), and statements
without a tree (`commands`).
The walk refuses a node without a rule, even if PostgreSQL could run it, because it has not been compared with Redshift.
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
    """Rewrite a tree for PostgreSQL, in place. Do not use `tree` afterwards, only the result.

    Raises:
        RedshiftError: Redshift, or the local Redshift, refuses a part of the tree.
    """
    changed = point_at_own_views(tree)
    if reads_only_catalog(tree):
        return Rewritten(tree, changed)
    names = _names_of_results(tree)
    for node in reversed(list(tree.bfs())):  # leaves first, so that a rule gets children that have been rewritten
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
    """Redshift's name of each result column, by the id of its SELECT and the position of the column."""
    return {(id(select), at): _column_name(column) for select in tree.find_all(exp.Select) for at, column in enumerate(select.expressions)}


def _keep_names(select: Any, names: dict[tuple[int, int], str]) -> None:
    """Add an alias to a rewritten column, so that it has the name of Redshift's result column."""
    for at, column in enumerate(select.expressions):
        name = names[id(select), at]
        replaced = any(call.name.startswith("redshift_local.") for call in column.find_all(exp.Anonymous))
        if name and not isinstance(column, exp.Alias) and (replaced or _column_name(column) != name):
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def _column_name(node: Any) -> str:
    """Redshift's name of a result column without an alias; empty if this is not known."""
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
