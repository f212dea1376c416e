"""QUALIFY, which PostgreSQL lacks: the query moves into a subquery that also has the condition as a column.

Belongs here: that one rewriting. Does not belong here: the windows inside the condition, to which their own rules were applied.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from redshift_local.sql.refusals import unsupported

_CONDITION = "_local_qualify"


def rewrite_qualify(select: Any) -> Any:
    """The query around `select` without its QUALIFY, with the same columns, order and limit.

    Raises:
        RedshiftError: 0A000 if the outer query could not name the columns (`*`, an expression without a name), or not order by the same
            expressions.
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
        by_place = isinstance(key.this, exp.Literal)
        if not by_place and not (isinstance(key.this, exp.Column) and not key.this.table and key.this.name.lower() in names):
            raise unsupported("QUALIFY with ORDER BY something other than the names of the result's columns")
    condition = select.args["qualify"].pop().this
    select.set("qualify", None)
    inner = select.copy()
    inner.append("expressions", exp.alias_(condition, _CONDITION))
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_local_qualified")))))
    outer.set("where", exp.Where(this=exp.column(_CONDITION)))
    return outer
