"""Rewrites QUALIFY, which PostgreSQL does not have: the query becomes a subquery, with the condition as an additional column.

Belongs here: that rewriting. Does not belong here: the windows in the condition, which their own rules have rewritten before.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from redshift_local.sql.refusals import unsupported

_CONDITION = "_local_qualify"


def rewrite_qualify(select: Any) -> Any:
    """The query around `select` without its QUALIFY, with the same columns, order and limit.

    Raises:
        RedshiftError: 0A000 if a column has no name (`*`, an expression without an alias), or ORDER BY has something else than names.
    """
    names = []
    for projection in select.expressions:
        if projection.is_star or not projection.alias_or_name:
            raise unsupported("QUALIFY over * or over a column without a name", "List the columns, each with a name.")
        names.append(projection.alias_or_name.lower())
    if len(set(names)) < len(names) or select.args.get("distinct"):
        raise unsupported("QUALIFY with SELECT DISTINCT or with two columns of one name")
    outer = exp.Select(expressions=[exp.to_identifier(name, quoted=True) for name in names])
    for clause in ("order", "limit", "offset", "with_"):
        if select.args.get(clause):
            outer.set(clause, select.args[clause].pop())
    for key in outer.args["order"].expressions if outer.args.get("order") else ():
        by_position = isinstance(key.this, exp.Literal)
        if not by_position and not (isinstance(key.this, exp.Column) and not key.this.table and key.this.name.lower() in names):
            raise unsupported("QUALIFY with ORDER BY something other than the names of the result's columns")
    condition = select.args["qualify"].pop().this
    select.set("qualify", None)
    inner = select.copy()
    inner.append("expressions", exp.alias_(condition, _CONDITION))
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_local_qualified")))))
    outer.set("where", exp.Where(this=exp.column(_CONDITION)))
    return outer
