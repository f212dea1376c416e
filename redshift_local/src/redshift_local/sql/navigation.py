"""Navigation of a SUPER, such as `t.details.asks[0]`, and telling it from schema.table.column.

Belongs here: dots and brackets, and comparisons with their results. Does not belong here: unnesting in FROM, which is refused.
A dotted name is a path if its first part is not a table in the FROM clause of this or an enclosing query. If its column is not a SUPER,
PostgreSQL raises an error, because `redshift_local.get` accepts no other type.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from redshift_local.sql.functions import local, text
from redshift_local.sql.refusals import unsupported

_SCOPES = (exp.Select, exp.Update, exp.Delete, exp.Merge)


def _names_around(node: Any) -> set[str]:
    """The names of the tables in scope at `node`, in lower case."""
    names: set[str] = set()
    scope = node.find_ancestor(*_SCOPES)
    while scope is not None:
        sources = [scope.args.get("from_"), *(scope.args.get("joins") or ()), *(scope.args.get("using_list") or ())]
        using = scope.args.get("using")
        sources += using if isinstance(using, list) else [using]
        if not isinstance(scope, exp.Select):
            sources.append(scope.this)
        for source in sources:
            names.update(_table_names(source.this if isinstance(source, (exp.From, exp.Join)) else source))
        scope = scope.find_ancestor(*_SCOPES)
    return names


def _table_names(source: Any) -> set[str]:
    if not isinstance(source, exp.Expression):
        return set()
    names = {source.alias_or_name.lower()} if source.alias_or_name else set()
    for join in source.args.get("joins") or ():
        names |= _table_names(join.this)
    return names


def rewrite_column(column: Any) -> Any | None:
    """Translate a dotted name that is a path into calls; returns None for a column, which stays."""
    if column.args.get("join_mark"):
        raise unsupported("the outer join operator (+)", "Write LEFT JOIN.")
    parts = column.parts
    if len(parts) == 1 or isinstance(parts[-1], exp.Star):
        return None
    names = _names_around(column)
    first = parts[0].name.lower()
    if first in names:
        start = 2  # table.column, then a path
    elif len(parts) >= 3 and parts[1].name.lower() in names:
        start = 3  # schema.table.column
    else:
        start = 1  # column, then a path
    if start >= len(parts):
        return None
    base: Any = exp.Column(this=parts[start - 1].copy(), table=parts[start - 2].copy() if start >= 2 else None)
    if start == 3:
        base.set("db", parts[0].copy())
    for part in parts[start:]:
        base = local("get", base, text(part.name.lower()))
    return base


def rewrite_step(node: Any) -> Any:
    """The call for `x[0]`, `x['key']` or `x.key` on an expression."""
    if isinstance(node, exp.Dot):
        if not isinstance(node.expression, exp.Identifier):
            raise unsupported("this navigation of a SUPER")
        return local("get", node.this, text(node.expression.name.lower()))
    steps = node.expressions
    step = steps[0] if len(steps) == 1 else None
    if not isinstance(step, exp.Literal) or (not step.is_string and not step.is_int):
        raise unsupported("a subscript other than one integer or string", "Redshift has no slices; arrays are SUPER.")
    return local("get", node.this, step)


def _is_step(node: Any) -> bool:
    return isinstance(node, exp.Anonymous) and node.name == "redshift_local.get"


def _as_super(node: Any) -> bool:
    """Convert a literal to a SUPER scalar, so that '1' is a string and not the JSON number 1; returns whether it was a literal."""
    if not isinstance(node, (exp.Literal, exp.Boolean)):
        return False
    value = exp.Cast(this=node.copy(), to=exp.DataType.build("text", dialect="postgres")) if node.is_string else node.copy()
    node.replace(local("to_super", value))
    return True


def rewrite_comparison(node: Any) -> bool | None:
    """Convert the literals that are compared with a value in a SUPER. Returns None for any other comparison, which stays."""
    others = [node.args["expression"]] if node.args.get("expression") else list(node.expressions)
    changed = False
    if _is_step(node.this):
        changed = sum(map(_as_super, others)) > 0  # not `any`, which would convert only the first
    elif len(others) == 1 and _is_step(others[0]):
        changed = _as_super(node.this)
    return changed or None
