"""Addresses with credentials: whether a password ends where it seems to end.

Belongs here: the form of the part before the host. Does not belong here: which settings are addresses (`declared`), or connecting. A
password with a character that is not escaped ends anywhere, and the rest of it stands in what drivers call host, port or database.
"""

from __future__ import annotations

import re

_DATABASES = ("postgres", "mongodb", "redshift")
ESCAPES = "special characters in a password are written as %40 (@), %2F (/), %3A (:), %3F (?), %23 (#), %25 (%)"


def is_unescaped(address: str) -> bool:
    """Whether the password of an address has a character that must be escaped, so that no part of the address may be quoted.

    Of a database's address also an `@` behind the host, which must be escaped as well: what stands before it may be the password's rest.
    """
    scheme, _, rest = address.partition("://")
    if scheme.startswith(_DATABASES):
        login = rest.rpartition("@")[0]
        return ":" in login and re.search(r"[/?#@\[\]\s]|%(?![0-9A-Fa-f]{2})", login) is not None
    return re.split(r"[/?#]", rest, maxsplit=1)[0].count("@") > 1
