"""The one error of the local Redshift, and how an error of the backing PostgreSQL is put into Redshift's words.

Belongs here: the exception that becomes an ErrorResponse, and the mapping of backend errors. Does not belong here: who raises
it, or its encoding on the wire.
"""

from __future__ import annotations

FEATURE_NOT_SUPPORTED = "0A000"
SYNTAX_ERROR = "42601"
INTERNAL_ERROR = "XX000"


class RedshiftError(Exception):
    """An error that a client of the local Redshift sees: SQLSTATE, message, and optionally detail and hint.

    It ends the statement like any error of a cluster; the session stays usable.
    """

    def __init__(self, code: str, message: str, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint


def not_supported(what: str) -> RedshiftError:
    """What the local Redshift refuses to do because it could only give a different answer than a cluster."""
    return RedshiftError(FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: {what}")
