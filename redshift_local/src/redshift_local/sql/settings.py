"""SET, RESET and SHOW: which parameters there are, and who keeps each.

Belongs here: the parameters of a Redshift session. Does not belong here: the proxy's own switches.
"""

from __future__ import annotations

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.plan import Forward, LocalAnswer, Statement
from redshift_local.sql.refusals import refused, unsupported

BACKEND = frozenset(
    [
        "search_path",
        "timezone",
        "datestyle",
        "extra_float_digits",
        "client_encoding",
        "statement_timeout",
        "application_name",
        "client_min_messages",
        "intervalstyle",
        "seed",
        "bytea_output",
        "default_transaction_read_only",
        "transaction_read_only",
    ]
)
"""Mean the same in PostgreSQL, which therefore keeps them."""

TUNING = frozenset(
    [
        "query_group",
        "enable_result_cache_for_session",
        "wlm_query_slot_count",
        "analyze_threshold_percent",
        "auto_mv",
        "mv_enable_aqmv_for_session",
        "max_cursor_result_set_size",
        "use_fips_ssl",
        "default_transaction_isolation",
        "transaction_isolation",
        "activate_aqua",
    ]
)
"""Of Redshift alone, and change how fast an answer comes, never what it is: accepted and forgotten. The isolation level is among them,
since a cluster treats every level that SQL names as its own."""

ONLY = {
    "enable_case_sensitive_identifier": ("off", "false"),
    "enable_case_sensitive_super_attribute": ("off", "false"),
    "describe_field_name_in_uppercase": ("off", "false"),
    "downcase_delimited_identifier": ("on", "true"),
    "standard_conforming_strings": ("off",),
    "escape_string_warning": ("off", "on"),
    "json_serialization_enable": ("off", "false"),
    "navigate_super_null_on_error": ("on", "true"),
    "cast_super_null_on_error": ("off", "false"),
    "parse_super_null_on_error": ("off", "false"),
}
"""Would change answers: only the value by which the local Redshift works is accepted."""


def set_parameter(cursor: Cursor) -> Statement:
    """`SET ...` and `RESET ...`, the cursor after that word."""
    tag = cursor.words[0].text.upper()
    if cursor.peek("session", "authorization") or cursor.peek("role"):
        raise unsupported("acting as another user")
    if cursor.peek("session", "characteristics") or cursor.peek("transaction"):
        return LocalAnswer(tag)  # only isolation levels, which are all one level, and READ WRITE, which is the default
    cursor.one_of("session", "local")
    if cursor.accept("time", "zone"):
        return Forward(cursor.folded, cursor.statement)
    name = cursor.take("word", "quoted")
    if cursor.peek("."):
        raise unsupported("parameters of one's own (SET a.b)")
    if name in BACKEND or (name == "all" and tag == "RESET"):
        return Forward(cursor.folded, cursor.statement)
    if name in TUNING:
        return LocalAnswer(tag)
    if name not in ONLY:
        raise refused("42704", f'unrecognized configuration parameter "{name}"')
    if tag == "SET":
        if not cursor.one_of("to", "="):
            raise cursor.error()
        value = cursor.take("word", "string", "number", "quoted").lower()
        if value not in (*ONLY[name], "default"):
            raise unsupported(f"{name} = {value}")
    return LocalAnswer(tag)


def show_parameter(cursor: Cursor) -> Statement:
    """`SHOW name`, the cursor after SHOW."""
    if cursor.accept("time", "zone") or cursor.accept("transaction", "isolation", "level"):
        return Forward(cursor.statement, cursor.statement)
    name = cursor.take("word", "quoted")
    cursor.expect_end()
    readable = BACKEND | {"all", "server_version", "server_encoding", "standard_conforming_strings", "transaction_isolation"}
    if name in readable - {"seed"}:
        return Forward(cursor.folded, cursor.statement)
    if name in ONLY:
        return LocalAnswer("SHOW", (name,), ((ONLY[name][0],),))
    if name in TUNING:
        raise unsupported(f"SHOW {name}, which is accepted but not kept")
    raise refused("42704", f'unrecognized configuration parameter "{name}"')
