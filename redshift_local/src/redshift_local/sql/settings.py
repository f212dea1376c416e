"""SET, RESET and SHOW.

Belongs here: the parameters of a Redshift session. Does not belong here: the proxy's own parameter (`proxy.faults`).
"""

from __future__ import annotations

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.dialect import words
from redshift_local.sql.plan import Forward, LocalAnswer, Statement
from redshift_local.sql.refusals import refused, unsupported

BACKEND_PARAMETERS = words("""
    search_path timezone datestyle extra_float_digits client_encoding statement_timeout application_name client_min_messages
    intervalstyle seed bytea_output default_transaction_read_only transaction_read_only
""")
"""Parameters that mean the same in PostgreSQL. The backend stores them."""

IGNORED_PARAMETERS = words("""
    query_group enable_result_cache_for_session wlm_query_slot_count analyze_threshold_percent auto_mv mv_enable_aqmv_for_session
    max_cursor_result_set_size use_fips_ssl default_transaction_isolation transaction_isolation activate_aqua
""")
"""Parameters that only Redshift has, and that do not change results. They are accepted and have no effect. The isolation level is one of
them, because a cluster accepts every level of the SQL standard and always uses its own."""

FIXED_PARAMETERS = {
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
"""Parameters that change results. Only the values that the local Redshift supports are accepted."""


def set_parameter(cursor: Cursor) -> Statement:
    """`SET ...` and `RESET ...`. The cursor is after that word."""
    tag = cursor.words[0].text.upper()
    if cursor.peek("session", "authorization") or cursor.peek("role"):
        raise unsupported("SET SESSION AUTHORIZATION and SET ROLE")
    if cursor.peek("session", "characteristics") or cursor.peek("transaction"):
        return LocalAnswer(tag)  # it sets an isolation level, which has no effect, or READ WRITE, which is the default
    cursor.one_of("session", "local")
    if cursor.accept("time", "zone"):
        return Forward(cursor.folded, cursor.statement)
    name = cursor.take("word", "quoted")
    if cursor.peek("."):
        raise unsupported("user-defined parameters (SET a.b)")
    if name in BACKEND_PARAMETERS or (name == "all" and tag == "RESET"):
        return Forward(cursor.folded, cursor.statement)
    if name in IGNORED_PARAMETERS:
        return LocalAnswer(tag)
    if name not in FIXED_PARAMETERS:
        raise refused("42704", f'unrecognized configuration parameter "{name}"')
    if tag == "SET":
        if not cursor.one_of("to", "="):
            raise cursor.error()
        value = cursor.take("word", "string", "number", "quoted").lower()
        if value not in (*FIXED_PARAMETERS[name], "default"):
            raise unsupported(f"{name} = {value}")
    return LocalAnswer(tag)


def show_parameter(cursor: Cursor) -> Statement:
    """`SHOW name`. The cursor is after SHOW."""
    if cursor.accept("time", "zone") or cursor.accept("transaction", "isolation", "level"):
        return Forward(cursor.statement, cursor.statement)
    name = cursor.take("word", "quoted")
    cursor.expect_end()
    readable = BACKEND_PARAMETERS | {"all", "server_version", "server_encoding", "standard_conforming_strings", "transaction_isolation"}
    if name in readable - {"seed"}:
        return Forward(cursor.folded, cursor.statement)
    if name in FIXED_PARAMETERS:
        return LocalAnswer("SHOW", (name,), ((FIXED_PARAMETERS[name][0],),))
    if name in IGNORED_PARAMETERS:
        raise unsupported(f"SHOW {name}; SET accepts this parameter, but does not store it")
    raise refused("42704", f'unrecognized configuration parameter "{name}"')
