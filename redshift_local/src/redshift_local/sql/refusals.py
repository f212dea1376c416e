"""The errors for statements that are refused, and the statements that are refused by their first words.

Belongs here: creating the errors. Does not belong here: deciding to refuse, which each module does for its part of the grammar.
If Redshift refuses something, the error has Redshift's message and SQLSTATE. If only the local Redshift does, the error is 0A000 "not
supported by the local Redshift", so that nobody mistakes it for a rule of Redshift.
"""

from __future__ import annotations

from redshift_local.errors import FEATURE_NOT_SUPPORTED, SYNTAX_ERROR, RedshiftError

_GENERAL_HINT = "The local Redshift refuses what it cannot do exactly as a cluster does; see its README."


def unsupported(what: str, hint: str = "") -> RedshiftError:
    """The error for something that Redshift has and the local Redshift does not."""
    return RedshiftError(FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: {what}", hint=hint or _GENERAL_HINT)


def syntax(near: str, hint: str = "") -> RedshiftError:
    """The error for something that is not in Redshift's grammar."""
    return RedshiftError(SYNTAX_ERROR, f'syntax error at or near "{near}"', hint=hint)


def refused(code: str, message: str, hint: str = "") -> RedshiftError:
    """An error of Redshift, with its SQLSTATE and message."""
    return RedshiftError(code, message, hint=hint)


def no_such_function(name: str) -> RedshiftError:
    return RedshiftError("42883", f"function {name} does not exist", hint="PostgreSQL has this function; Redshift does not.")


NOT_SUPPORTED_STATEMENTS: dict[tuple[str, ...], str] = {
    ("unload",): "UNLOAD",
    ("create", "function"): "CREATE FUNCTION",
    ("create", "or", "replace", "function"): "CREATE FUNCTION",
    ("create", "procedure"): "CREATE PROCEDURE",
    ("create", "or", "replace", "procedure"): "CREATE PROCEDURE",
    ("create", "library"): "CREATE LIBRARY",
    ("create", "model"): "CREATE MODEL",
    ("create", "external"): "external schemas, tables and views",
    ("create", "datashare"): "datashares",
    ("create", "materialized"): "materialized views",
    ("create", "identity", "provider"): "identity providers",
    ("create", "masking", "policy"): "masking policies",
    ("create", "rls", "policy"): "row-level security policies",
    ("create", "database"): "CREATE DATABASE",
    ("drop", "database"): "DROP DATABASE",
    ("drop", "function"): "user-defined functions",
    ("drop", "procedure"): "procedures",
    ("drop", "materialized"): "materialized views",
    ("drop", "datashare"): "datashares",
    ("alter", "datashare"): "datashares",
    ("alter", "database"): "ALTER DATABASE",
    ("alter", "function"): "user-defined functions",
    ("alter", "materialized"): "materialized views",
    ("refresh",): "materialized views",
    ("copy", "job"): "auto-copy jobs",
    ("call",): "procedures",
    ("cancel",): "CANCEL; use the driver's cancel function, or pg_cancel_backend(pid)",
    ("use",): "USE",
    ("attach",): "policies",
    ("detach",): "policies",
}
"""Statements of Redshift that the local Redshift does not have, by their first words."""

NOT_IN_REDSHIFT: dict[tuple[str, ...], str] = {
    ("savepoint",): "SAVEPOINT",
    ("release",): "RELEASE SAVEPOINT",
    ("create", "index"): "CREATE INDEX",
    ("create", "unique"): "CREATE INDEX",
    ("create", "sequence"): "CREATE SEQUENCE",
    ("create", "trigger"): "CREATE TRIGGER",
    ("create", "type"): "CREATE TYPE",
    ("create", "domain"): "CREATE DOMAIN",
    ("create", "extension"): "CREATE EXTENSION",
    ("create", "rule"): "CREATE RULE",
    ("create", "aggregate"): "CREATE AGGREGATE",
    ("create", "operator"): "CREATE OPERATOR",
    ("create", "tablespace"): "CREATE TABLESPACE",
    ("create", "unlogged"): "UNLOGGED tables",
    ("listen",): "LISTEN",
    ("notify",): "NOTIFY",
    ("unlisten",): "UNLISTEN",
    ("cluster",): "CLUSTER",
    ("reindex",): "REINDEX",
    ("checkpoint",): "CHECKPOINT",
    ("do",): "DO",
    ("values",): "VALUES as a statement",
    ("discard",): "DISCARD",
    ("import",): "IMPORT FOREIGN SCHEMA",
}
"""Statements of PostgreSQL that Redshift does not have, by their first words."""


def refuse_by_first_words(words: tuple[str, ...]) -> None:
    """Raise RedshiftError if a statement that begins with `words` (in lower case) is refused."""
    for length in range(1, min(len(words), 4) + 1):
        start = words[:length]
        if start in NOT_SUPPORTED_STATEMENTS:
            raise unsupported(NOT_SUPPORTED_STATEMENTS[start])
        if start in NOT_IN_REDSHIFT:
            raise refused(FEATURE_NOT_SUPPORTED, f"{NOT_IN_REDSHIFT[start]} is not supported", "Redshift has no such statement.")
