"""The errors that clients receive: the local Redshift's own, and PostgreSQL's with Redshift's codes and messages.

Belongs here: the exception that becomes an ErrorResponse, and the translation of the backend's errors. Does not belong here: raising it
(the other modules), and its encoding (`proxy.wire`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FEATURE_NOT_SUPPORTED = "0A000"
SYNTAX_ERROR = "42601"
INTERNAL_ERROR = "XX000"


class RedshiftError(Exception):
    """An error that a client receives: SQLSTATE, message, and optionally detail and hint.

    Like an error of a cluster, it ends the statement and not the session.
    """

    def __init__(self, code: str, message: str, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint


_BYTES_CHECK = re.compile(r"_bytes_.+_(\d+)")
"""The name of the CHECK constraint that limits a VARCHAR(n) to n bytes, see `sql.column_types`."""


def as_redshift_error(fields: Mapping[str, str], pid: int = 0) -> dict[str, str]:
    """Translate the fields of a backend's ErrorResponse into Redshift's. Errors that are the same in both are returned unchanged.

    Args:
        fields: the fields by letter: C is the SQLSTATE, M the message, D the detail, n a constraint's name, and so on.
        pid: the backend's process id, which Redshift includes in the error of a conflict.
    """
    changed = dict(fields)
    code = fields.get("C", "")
    too_long = _BYTES_CHECK.fullmatch(fields.get("n", "")) if code == "23514" else None
    if too_long:
        # Without the detail, because Redshift's message does not contain the values of the row.
        return {letter: fields[letter] for letter in "SV" if letter in fields} | {
            "C": "22001",
            "M": f"value too long for type character varying({too_long[1]})",
        }
    if code in ("40001", "40P01"):
        # Redshift names the table and both transactions. The backend does not know them, so its own message is added instead.
        changed |= {"C": INTERNAL_ERROR, "M": CONFLICT, "D": conflict_detail(pid, fields.get("M", ""))}
    return changed


CONFLICT = "1023"
"""The message of a serializable isolation violation. Clients compare it to decide whether to retry the transaction."""


def conflict_detail(pid: int, reason: str) -> str:
    return f"Serializable isolation violation on table - 0, transactions forming the cycle are: 0, 0 (pid:{pid}). {reason}".rstrip()
