"""The functions that a statement may call, and their translation for PostgreSQL.

Belongs here: the allow-list, and the calls that are rewritten. Does not belong here: the SQL of the functions in schema `redshift_local`
(`database/functions.sql`), operators and clauses (`rules`). A function is in `UNCHANGED` only if PostgreSQL 18 returns the same as Redshift
for every argument. A call of one in `REPLACED` goes to the function of that name in `redshift_local`. One not in `RULES` is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from redshift_local.sql.dialect import words
from redshift_local.sql.refusals import no_such_function, refused, unsupported

Rule = Callable[[Any], Any]
"""A function of the call's node that returns the node that replaces it, or None if the call stays."""


def local(name: str, *arguments: Any) -> Any:
    """A call of a function in schema `redshift_local`. The name is qualified, so that the client's search_path has no effect."""
    return exp.Anonymous(this=f"redshift_local.{name}", expressions=list(arguments))


def text(value: str) -> Any:
    return exp.Literal.string(value)


def _unchanged(_: Any) -> None:
    return None


def _replaced(call: Any) -> Any:
    return local(call.name.lower(), *call.expressions)


def _renamed(name: str) -> Rule:
    return lambda call: exp.Anonymous(this=name, expressions=call.expressions)


def _with_arity(rule: Rule, *counts: int) -> Rule:
    """A rule that refuses a call unless its number of arguments is one of `counts`."""

    def checked(call: Any) -> Any:
        if len(call.expressions) not in counts:
            raise unsupported(f"{call.name.upper()} with {len(call.expressions)} arguments")
        return rule(call)

    return checked


def _concat(call: Any) -> Any:
    # Redshift's CONCAT takes two arguments and is NULL if either is; PostgreSQL's skips NULLs.
    first, second = call.expressions
    return exp.Paren(this=exp.DPipe(this=first, expression=second))


def _nvl2(call: Any) -> Any:
    value, given, missing = call.expressions
    return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.Is(this=value, expression=exp.Null())), true=given)], default=missing)


def _decode(call: Any) -> Any:
    # DECODE treats two NULLs as equal.
    value, *rest = call.expressions
    if len(rest) < 2:
        raise refused("42883", "function decode needs an expression, a value to search for and a result")
    pairs = [rest[at : at + 2] for at in range(0, len(rest) - 1, 2)]
    ifs = [exp.If(this=exp.NullSafeEQ(this=value.copy(), expression=search), true=result) for search, result in pairs]
    return exp.Case(ifs=ifs, default=rest[-1] if len(rest) % 2 else None)


def part_name(node: Any) -> str:
    """The date part in a call such as DATEADD. It may be a word (`day`) or a string (`'day'`)."""
    if isinstance(node, exp.Column) and not node.table:
        return str(node.name).lower()
    if isinstance(node, exp.Var) or (isinstance(node, exp.Literal) and node.is_string):
        return str(node.this).lower()
    raise unsupported("a date part that is not a word or a string", "Write the part itself, such as day or 'day'.")


def _instant(node: Any) -> Any:
    """The argument, with a string literal cast to TIMESTAMP as on Redshift. PostgreSQL would choose TIMESTAMPTZ."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Cast(this=node, to=exp.DataType.build("timestamp", dialect="postgres"))
    return node


def _with_part(call: Any) -> Any:
    part, *rest = call.expressions
    return local(call.name.lower(), text(part_name(part)), *map(_instant, rest))


def _with_instants(call: Any) -> Any:
    *rest, last = call.expressions
    return local(call.name.lower(), *rest, _instant(last))


def _charindex(call: Any) -> Any:
    searched, string = call.expressions
    return exp.Anonymous(this="strpos", expressions=[string, searched])


def _avg(call: Any) -> Any:
    # The average of integers is an integer, and that of decimals keeps their scale. The type of MIN says which it is.
    lowest = exp.Anonymous(this="min", expressions=[argument.copy() for argument in call.expressions])
    parent = call.parent
    if isinstance(parent, exp.Window) and call.arg_key == "this":
        over_lowest = parent.copy()
        over_lowest.set("this", lowest)
        return local("avg", parent.copy(), over_lowest)
    return local("avg", call.copy(), lowest)


def _count(call: Any) -> None:
    if len(call.expressions) == 1 and isinstance(call.expressions[0], exp.Distinct) and len(call.expressions[0].expressions) > 1:
        raise unsupported("COUNT(DISTINCT a, b)", "Redshift counts one expression; concatenate the columns or count a subquery.")


def _approximate(call: Any) -> Any:
    inner = call.expressions[0]
    counted = isinstance(inner, exp.Anonymous) and inner.name.lower() == "count" and isinstance(inner.expressions[0], exp.Distinct)
    if not counted:
        raise unsupported("APPROXIMATE other than APPROXIMATE COUNT(DISTINCT ...)")
    return inner.copy()  # the exact count is a valid approximation


def _listagg(call: Any) -> Any:
    arguments = call.expressions
    distinct = isinstance(arguments[0], exp.Distinct)
    values = [value.copy() for value in (arguments[0].expressions if distinct else arguments)]
    as_text = exp.Cast(this=values[0], to=exp.DataType.build("text", dialect="postgres"))
    last = values[1] if len(values) > 1 else text("")
    within = call.parent if isinstance(call.parent, exp.WithinGroup) else None
    if within is not None:
        if isinstance(within.parent, exp.Window) and within.arg_key == "this":
            raise unsupported("LISTAGG as a window function", "Aggregate in a subquery and join it.")
        ordered = [key.copy() for key in within.expression.expressions]
        if distinct:
            if any(key.this != values[0] for key in ordered):
                raise unsupported("LISTAGG(DISTINCT x) ordered by something other than x")
            ordered[0].set("this", as_text.copy())
        last = exp.Order(this=last, expressions=ordered)
    inside = [exp.Distinct(expressions=[as_text, last])] if distinct else [as_text, last]
    return local("listagg", exp.Anonymous(this="string_agg", expressions=inside))


def _lag_or_lead(call: Any) -> None:
    if len(call.expressions) > 2:
        raise refused("42883", f"function {call.name.lower()} takes an expression and an offset; Redshift has no default argument here")


def _leader_only(call: Any) -> Any:
    raise unsupported(f"{call.name.upper()}, which Redshift runs on the leader node only", "Use GETDATE() or SYSDATE.")


UNCHANGED = words("""
    count sum min max bool_and bool_or row_number rank dense_rank percent_rank cume_dist ntile first_value last_value nth_value
    coalesce nullif greatest least left right replace substr ltrim rtrim btrim lpad rpad repeat reverse translate
    strpos octet_length length char_length character_length md5 ascii chr quote_ident quote_literal regexp_count
    regexp_instr abs ceil ceiling floor round mod power sqrt cbrt exp ln sign random pi degrees radians sin cos tan cot asin acos
    atan atan2 to_char to_date to_timestamp to_number pg_backend_pid current_database current_schema current_schemas
    current_setting set_config pg_cancel_backend pg_terminate_backend has_table_privilege has_schema_privilege
    has_database_privilege pg_get_userbyid
""")

REPLACED = words("""
    getdate len lower upper initcap strtol json_parse json_serialize json_typeof is_valid_json can_json_parse get_array_length
    regexp_replace regexp_substr split_part sha2 trunc to_varbyte from_varbyte pg_last_copy_count pg_last_copy_id version
""")

RULES: dict[str, Rule] = {
    **dict.fromkeys(UNCHANGED, _unchanged),
    **dict.fromkeys(REPLACED, _replaced),
    "count": _count,
    "avg": _with_arity(_avg, 1),
    "listagg": _with_arity(_listagg, 1, 2),
    "approximate": _approximate,
    "lag": _lag_or_lead,
    "lead": _lag_or_lead,
    "nvl": _renamed("coalesce"),
    "nvl2": _with_arity(_nvl2, 3),
    "decode": _decode,
    "concat": _with_arity(_concat, 2),
    "charindex": _with_arity(_charindex, 2),
    "textlen": lambda call: local("len", *call.expressions),
    "replicate": _renamed("repeat"),
    "pow": _renamed("power"),
    "dlog10": _renamed("log"),
    "log": _with_arity(_unchanged, 1),
    "dateadd": _with_arity(_with_part, 3),
    "date_add": lambda call: local("dateadd", *_with_part(call).expressions),
    "datediff": _with_arity(_with_part, 3),
    "date_diff": lambda call: local("datediff", *_with_part(call).expressions),
    "date_trunc": _with_arity(_with_part, 2),
    "date_part": _with_arity(_with_part, 2),
    "last_day": _with_arity(_with_instants, 1),
    "add_months": _with_arity(lambda call: local("add_months", _instant(call.expressions[0]), call.expressions[1]), 2),
    "convert_timezone": _with_arity(_with_instants, 2, 3),
    "regexp_count": _with_arity(_unchanged, 2),
    "regexp_instr": _with_arity(_unchanged, 2),
    "regexp_replace": _with_arity(_replaced, 2, 3),
    "regexp_substr": _with_arity(_replaced, 2),
    "now": _leader_only,
    "clock_timestamp": _leader_only,
    "statement_timestamp": _leader_only,
    "transaction_timestamp": _leader_only,
    "timeofday": _leader_only,
}

NOT_IN_REDSHIFT = words("""
    array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg xmlagg generate_subscripts unnest gen_random_uuid uuidv4
    uuidv7 array_length array_append array_prepend array_cat array_position array_remove array_to_string string_to_array cardinality
    to_json to_jsonb json_build_object jsonb_build_object json_build_array jsonb_build_array row_to_json jsonb_set jsonb_insert
    jsonb_extract_path jsonb_extract_path_text jsonb_each jsonb_each_text jsonb_array_elements jsonb_array_elements_text
    jsonb_object_keys jsonb_typeof jsonb_path_query jsonb_strip_nulls jsonb_pretty json_each json_array_elements json_object_keys
    format concat_ws encode regexp_matches regexp_match regexp_split_to_table regexp_split_to_array string_to_table make_date
    make_time make_timestamp make_timestamptz make_interval age justify_days justify_hours date_bin nextval currval setval lastval
    txid_current pg_current_snapshot pg_advisory_lock pg_try_advisory_lock pg_sleep pg_notify row isfinite width_bucket every mode
    bit_length unaccent similarity host inet_client_addr xpath sha224 sha256 sha384 sha512 starts_with overlay
""")
"""Functions of PostgreSQL that users may expect on Redshift."""

CATALOG_PREFIXES = ("pg_", "has_", "col_description", "obj_description", "shobj_description", "format_type", "array_to_string")
"""Functions that psql and drivers call to describe tables. Such a call is forwarded if its name is qualified."""


def replaced_by(call: Any) -> Any:
    """The node that a rewritten call replaces: the call, or its clause OVER or WITHIN GROUP if that is rewritten with it."""
    clause = call.parent
    name = call.name.lower()
    if call.arg_key == "this" and (
        (name == "avg" and isinstance(clause, exp.Window)) or (name == "listagg" and isinstance(clause, exp.WithinGroup))
    ):
        return clause
    return call


def rewrite_call(call: Any, *, from_catalog: bool = False) -> Any | None:
    """Translate a call; returns None if it stays.

    Args:
        call: an `exp.Anonymous`.
        from_catalog: whether it is written `pg_catalog.f(...)`, as psql and drivers do.

    Raises:
        RedshiftError: 42883 if Redshift does not have the function, 0A000 if the local Redshift does not have it.
    """
    name = call.name.lower()
    if name in RULES:
        return RULES[name](call)
    if name in NOT_IN_REDSHIFT:
        raise no_such_function(name)
    if name.startswith(CATALOG_PREFIXES) and (from_catalog or name.startswith(("pg_get_", "has_"))):
        return None
    raise unsupported(f"the function {name}", "If Redshift has it, add it to sql/functions.py, with a test.")
