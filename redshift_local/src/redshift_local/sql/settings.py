"""SET, RESET and SHOW.

Belongs here: the parameters of a Redshift session, and who keeps each. Does not belong here: the proxy's own switches (`proxy.faults`).
"""

from __future__ import annotations

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.dialect import words
from redshift_local.sql.plan import Forward, LocalAnswer, Statement
from redshift_local.sql.refusals import refused, unsupported

KEPT_BY_BACKEND = words("""
    search_path timezone datestyle extra_float_digits client_encoding statement_timeout application_name client_min_messages
    intervalstyle seed bytea_output default_transaction_read_only transaction_read_only
""")
"""Parameters that mean the same in PostgreSQL, which keeps them."""

ACCEPTED = words("""
    query_group enable_result_cache_for_session wlm_query_slot_count analyze_threshold_percent auto_mv mv_enable_aqmv_for_session
    max_cursor_result_set_size use_fips_ssl default_transaction_isolation transaction_isolation activate_aqua
""")
"""Parameters that only Redshift has and that change no answer, only its speed: accepted and forgotten. The isolation level is one of
them, since a cluster takes every level that SQL names for its own."""

FIXED = {
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
"""Parameters that change answers. Only the values by which the local Redshift works are accepted."""


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
    if name in KEPT_BY_BACKEND or (name == "all" and tag == "RESET"):
        return Forward(cursor.folded, cursor.statement)
    if name in ACCEPTED:
        return LocalAnswer(tag)
    if name not in FIXED:
        raise refused("42704", f'unrecognized configuration parameter "{name}"')
    if tag == "SET":
        if not cursor.one_of("to", "="):
            raise cursor.error()
        value = cursor.take("word", "string", "number", "quoted").lower()
        if value not in (*FIXED[name], "default"):
            raise unsupported(f"{name} = {value}")
    return LocalAnswer(tag)


def show_parameter(cursor: Cursor) -> Statement:
    """`SHOW name`, the cursor after SHOW."""
    if cursor.accept("time", "zone") or cursor.accept("transaction", "isolation", "level"):
        return Forward(cursor.statement, cursor.statement)
    name = cursor.take("word", "quoted")
    cursor.expect_end()
    readable = KEPT_BY_BACKEND | {"all", "server_version", "server_encoding", "standard_conforming_strings", "transaction_isolation"}
    if name in readable - {"seed"}:
        return Forward(cursor.folded, cursor.statement)
    if name in FIXED:
        return LocalAnswer("SHOW", (name,), ((FIXED[name][0],),))
    if name in ACCEPTED:
        raise unsupported(f"SHOW {name}, which is accepted but not kept")
    raise refused("42704", f'unrecognized configuration parameter "{name}"')
