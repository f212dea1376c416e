"""The rule for each type of node in the tree of a query: it keeps the node, rewrites it, or refuses it.

Belongs here: the allow-list of node types. Does not belong here: the longer rules (`functions`, `casts`, `navigation`, `qualify`, `merge`),
and the walk over the tree (`queries`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from redshift_local.sql.casts import rewrite_cast
from redshift_local.sql.dialect import words
from redshift_local.sql.functions import local, part_name, rewrite_call, text
from redshift_local.sql.merge import check_merge
from redshift_local.sql.navigation import rewrite_column, rewrite_comparison, rewrite_step
from redshift_local.sql.qualify import rewrite_qualify
from redshift_local.sql.refusals import refused, syntax, unsupported


def refuse(node: Any) -> None:
    kind = type(node).__name__
    raise unsupported(_CONSTRUCTS.get(kind, f"{kind} in a query"))


_CONSTRUCTS = {
    "Array": "ARRAY[...]",
    "Unnest": "unnesting a SUPER array in FROM (FROM t, t.items i)",
    "Pivot": "PIVOT and UNPIVOT",
    "Lateral": "LATERAL",
    "TableSample": "TABLESAMPLE",
    "Lock": "SELECT FOR UPDATE",
    "Filter": "the FILTER clause",
    "Into": "SELECT INTO; use CREATE TABLE AS",
    "Fetch": "FETCH FIRST; use LIMIT",
    "Command": "this statement",
    "Placeholder": "a placeholder other than $1, $2, ...",
    "JSONExtract": "the operator ->, which Redshift lacks; navigate a SUPER with a dot or brackets",
    "JSONExtractScalar": "the operator ->>, which Redshift lacks; navigate a SUPER with a dot or brackets",
    "NullSafeEQ": "IS NOT DISTINCT FROM",
    "NullSafeNEQ": "IS DISTINCT FROM",
}


def _as_is(_: Any) -> None:
    return None


def _identifier(node: Any) -> bool | None:
    """Fold quoted names to lower case too, as Redshift does. It has a setting against that, which the local Redshift refuses to turn on."""
    if len(node.name.encode()) > 63:
        raise unsupported(f'the name "{node.name}" of more than 63 bytes', "Redshift takes 127 bytes, PostgreSQL 63.")
    if node.args.get("quoted") and node.name != node.name.lower():
        node.set("this", node.name.lower())
        return True
    return None


def _call(node: Any) -> Any:
    qualified = isinstance(node.parent, exp.Dot) and node.arg_key == "expression"
    return rewrite_call(node, from_catalog=qualified and node.parent.this.name.lower() == "pg_catalog")


def _dot(node: Any) -> Any:
    if isinstance(node.expression, exp.Anonymous):
        schema = node.this.name.lower()
        if schema not in ("pg_catalog", "redshift_local"):
            if node.expression.name.startswith("redshift_local."):
                return node.expression
            raise unsupported(f"the function {schema}.{node.expression.name}")
        return node.expression if node.expression.name.startswith("redshift_local.") else None
    return rewrite_step(node)


def _parameter(node: Any) -> None:
    if not (isinstance(node.this, exp.Literal) and node.this.is_int):
        raise syntax("@" if node.this.name else "$")


def _distinct(node: Any) -> None:
    if node.args.get("on"):
        raise refused("0A000", "SELECT DISTINCT ON is not supported")


def _values(node: Any) -> None:
    if not isinstance(node.parent, exp.Insert):
        raise syntax("values", "Redshift takes VALUES only in INSERT.")


def _select(node: Any) -> Any:
    if node.args.get("kind") or node.args.get("hint") or node.args.get("operation_modifiers"):
        raise unsupported("a modifier after SELECT")
    if node.args.get("windows"):
        raise unsupported("the WINDOW clause", "Write the window where it is used.")
    if node.args.get("qualify"):
        return rewrite_qualify(node)
    return None


def _star(node: Any) -> None:
    if any(node.args.get(word) for word in ("except_", "except", "replace", "rename")):
        raise unsupported("SELECT * EXCLUDE", "List the columns.")


def _cte(node: Any) -> None:
    if not isinstance(node.this, exp.Query):
        raise syntax(type(node.this).__name__.lower(), "Redshift takes only a query in WITH.")


NEEDS_FRAME = words("""
    avg count max min sum stddev stddev_samp stddev_pop variance var_samp var_pop first_value last_value nth_value
""")


def _window(node: Any) -> None:
    called, spec = node.this, node.args.get("spec")
    name = called.name.lower().removeprefix("redshift_local.") if isinstance(called, exp.Anonymous) else ""
    if name in NEEDS_FRAME and node.args.get("order") and not spec:
        raise refused("42601", "Aggregate window functions with an ORDER BY clause require a frame clause")
    if spec and str(spec.args.get("kind", "")).upper() != "ROWS":
        raise syntax(str(spec.args.get("kind", "range")).lower(), "Redshift's window frames are ROWS BETWEEN ...")


def _returning(_: Any) -> None:
    raise syntax("returning", "Redshift has no RETURNING.")


def _on_conflict(_: Any) -> None:
    raise syntax("on", "Redshift has no ON CONFLICT; use MERGE, or DELETE and INSERT.")


def _insert(node: Any) -> None:
    if node.args.get("overwrite") or node.args.get("where") or node.args.get("partition"):
        raise syntax("insert")
    _refuse_alias(node.this)


def _refuse_alias(target: Any) -> None:
    if isinstance(target, exp.Table) and target.alias:
        raise syntax(target.alias, "Redshift takes no alias for the target table: write its name.")


def _check_target(node: Any) -> None:
    _refuse_alias(node.this)
    if node.args.get("order") or node.args.get("limit"):
        raise syntax("limit" if node.args.get("limit") else "order")


def _delete(node: Any) -> bool | None:
    tables: list[Any] = node.args.get("tables") or []
    if not node.this and len(tables) == 1:  # `DELETE t`, which sqlglot parses as a list of tables of another dialect
        node.set("this", tables[0])
        node.set("tables", None)
    elif tables:
        raise syntax("from")
    _check_target(node)
    return True if tables else None


def _update(node: Any) -> None:
    _check_target(node)
    if any(not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column) for item in node.expressions):
        raise unsupported("UPDATE ... SET (a, b) = ...", "Set one column at a time.")


def _table(node: Any) -> None:
    if any(
        node.args.get(word) for word in ("version", "when", "only", "partition", "changes", "rows_from", "ordinality", "sample", "pivots")
    ):
        raise unsupported("a modifier of a table in FROM")
    if not isinstance(node.this, exp.Identifier):
        raise unsupported("a function in FROM", "Redshift runs generate_series and similar functions on the leader node only.")
    if node.args.get("catalog"):
        raise unsupported("queries across databases")


PARTS = {
    "year": "year", "years": "year", "y": "year", "yr": "year", "quarter": "quarter", "qtr": "quarter", "month": "month", "mon": "month",
    "week": "week", "day": "day", "d": "day", "dow": "dow", "dayofweek": "dow", "doy": "doy", "dayofyear": "doy",
    "hour": "hour", "h": "hour", "minute": "minute", "m": "minute", "min": "minute", "second": "second", "s": "second", "sec": "second",
    "epoch": "epoch",
}  # fmt: skip


def _extract(node: Any) -> Any:
    part = part_name(node.this)
    if part not in PARTS:
        raise unsupported(f"EXTRACT({part} FROM ...)")
    return local("extract", text(PARTS[part]), node.expression)


def _current_timestamp(node: Any) -> Any:
    if node.args.get("sysdate"):
        return local("sysdate")
    raise unsupported("CURRENT_TIMESTAMP, which Redshift runs on the leader node only", "Use GETDATE() or SYSDATE.")


def _dpipe(node: Any) -> None:
    if not node.args.get("this"):
        raise syntax("||")


def _interval(node: Any) -> None:
    if node.args.get("unit") is not None and not isinstance(node.args["unit"], exp.Var):
        raise unsupported("an INTERVAL of several units")


RULES: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Subquery,
            exp.Union, exp.Except, exp.Intersect, exp.With, exp.TableAlias, exp.Alias, exp.Literal, exp.Null,
            exp.Boolean, exp.Paren, exp.And, exp.Or, exp.Not, exp.Is, exp.Between, exp.Like, exp.ILike, exp.SimilarTo,
            exp.RegexpLike, exp.RegexpILike, exp.Escape, exp.Exists, exp.Any, exp.Add, exp.Sub, exp.Mul, exp.Div,
            exp.Mod, exp.Neg, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseNot, exp.BitwiseLeftShift,
            exp.BitwiseRightShift, exp.Pow, exp.Case, exp.If, exp.DataType, exp.DataTypeParam, exp.Var, exp.AtTimeZone,
            exp.StrPosition, exp.Substring, exp.Trim, exp.CurrentDate, exp.CurrentUser, exp.SessionUser, exp.WindowSpec,
            exp.WithinGroup, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Schema, exp.Tuple, exp.Whens, exp.When,
            exp.Qualify,
        ),
        _as_is,
    ),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In), rewrite_comparison),
    exp.Identifier: _identifier,
    exp.Column: rewrite_column,
    exp.Bracket: rewrite_step,
    exp.Dot: _dot,
    exp.Anonymous: _call,
    exp.Parameter: _parameter,
    exp.Distinct: _distinct,
    exp.Values: _values,
    exp.Select: _select,
    exp.Star: _star,
    exp.CTE: _cte,
    exp.Window: _window,
    exp.Insert: _insert,
    exp.Update: _update,
    exp.Delete: _delete,
    exp.Merge: check_merge,
    exp.Returning: _returning,
    exp.OnConflict: _on_conflict,
    exp.Table: _table,
    exp.Cast: rewrite_cast,
    exp.Extract: _extract,
    exp.CurrentTimestamp: _current_timestamp,
    exp.DPipe: _dpipe,
    exp.Interval: _interval,
}  # fmt: skip
