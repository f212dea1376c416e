"""The one error of the local Redshift, and PostgreSQL's errors in Redshift's words.

Belongs here: the exception that becomes an ErrorResponse, and the mapping of the backend's errors. Does not belong here: who raises it,
or its encoding on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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


_BYTES_CHECK = re.compile(r"_bytes_.+_(\d+)")
"""The name of the CHECK constraint that stands for the byte length of a VARCHAR(n), see `sql.column_types`."""


def in_redshift_words(fields: Mapping[str, str], pid: int = 0) -> dict[str, str]:
    """The fields of a backend's ErrorResponse in a cluster's words. An error that a cluster words alike comes back unchanged.

    Args:
        fields: the fields by their letter: C the SQLSTATE, M the message, D the detail, n a constraint's name, and so on.
        pid: the backend's process, which Redshift names in a conflict.
    """
    changed = dict(fields)
    code = fields.get("C", "")
    too_long = _BYTES_CHECK.fullmatch(fields.get("n", "")) if code == "23514" else None
    if too_long:
        # A failing row's values are no part of Redshift's message.
        return {letter: fields[letter] for letter in "SV" if letter in fields} | {
            "C": "22001",
            "M": f"value too long for type character varying({too_long[1]})",
        }
    if code in ("40001", "40P01"):
        # Redshift names the table and both transactions. The backend knows neither; its own message stands in for them.
        changed |= {"C": INTERNAL_ERROR, "M": CONFLICT, "D": conflict_detail(pid, fields.get("M", ""))}
    return changed


CONFLICT = "1023"
"""The whole message of a serializable isolation violation: what clients look for to retry the transaction."""


def conflict_detail(pid: int, reason: str) -> str:
    return f"Serializable isolation violation on table - 0, transactions forming the cycle are: 0, 0 (pid:{pid}). {reason}".rstrip()
