"""Encodings of databases in which a text may hold bytes that stand for no character, so that the server cannot send it as UTF-8.

Belongs here: which encodings these are, and how such texts are found, by the server and here. Does not belong here: what becomes of their
rows (`copy_text`), or the encodings of files (`readers.s3_drop`).
"""

# If a session's encoding is UTF-8, one such text ends a query. So the rows are copied in the database's own encoding, and decoded here,
# where only the row is rejected. The server converts other encodings: those with a character for each byte, and those with several bytes
# a character, of which it refuses what is no text when it is written.
#
# A database in SQL_ASCII keeps whatever bytes it is given. Most applications gave it UTF-8.

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from psycopg2 import extensions

_SQL_ASCII = "SQL_ASCII"

_SINGLE_BYTE = ("cp125", "cp866", "cp874", "iso8859", "koi8")
"""How the names of codecs with one byte a character begin."""

# The longest sequences last, because all alternatives are tried at once. Each byte counts as a character in SQL_ASCII.
_UTF8 = (
    r"^([\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    r"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)


@dataclass(frozen=True)
class Encoding:
    """The encoding of a database. `copy` and `valid` are empty if the server can send every text as UTF-8."""

    copy: str = ""
    """The session's encoding while rows are copied."""
    codec: str = ""
    """Python's name for it; "" if that is UTF-8."""
    valid: str = ""
    """SQL: the condition that the text `{x}` can be sent as UTF-8."""

    def readable(self, text: str) -> str:
        """SQL for a text, with the bytes of a text that is not valid as escapes, so that a query can return it."""
        if not self.valid:
            return text
        escaped = f"ENCODE(CONVERT_TO({text}, '{_SQL_ASCII}'), 'escape')"
        return f"CASE WHEN {self.valid.format(x=text)} THEN {text} ELSE {escaped} END"


def encoding_of(connection: extensions.connection) -> Encoding:
    """The encoding of a connection's database."""
    return encoding_named(connection.get_parameter_status("server_encoding") or "UTF8")


@cache
def encoding_named(name: str) -> Encoding:
    """The encoding of that name in Postgres."""
    if name == _SQL_ASCII:
        # Braces are doubled because `{x}` stands for the text.
        return Encoding(_SQL_ASCII, "", f"{{x}} ~ E'{_doubled(_UTF8)}'")
    codec = extensions.encodings.get(re.sub(r"[^A-Za-z0-9]", "", name), "utf_8")
    if not (missing := missing_bytes(codec)):
        return Encoding()
    characters = " || ".join(f"chr({byte})" for byte in missing)
    return Encoding(name, codec, f"{{x}} = TRANSLATE({{x}}, {characters}, '')")


def _doubled(pattern: str) -> str:
    return pattern.replace("{", "{{").replace("}", "}}").replace("\\", "\\\\")


def missing_bytes(codec: str) -> list[int]:
    """The bytes that stand for no character; none for an encoding with more than one byte a character."""
    if not codec.startswith(_SINGLE_BYTE):
        return []
    return [byte for byte in range(128, 256) if not _decodes(bytes([byte]), codec)]


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
