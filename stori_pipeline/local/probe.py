"""Checks whether a server at a loopback port answers, in its own protocol, with a socket alone.

Belongs here: the cheapest request of each protocol, so that `stori status` needs no drivers. Does not belong here: Postgres's protocol and
ports (`redshift_local.embedded.ports`), and whether a server is ready (its own module).
"""

from __future__ import annotations

import struct

from redshift_local.embedded.ports import first_reply

_BODY = b"\x10hello\x00\x01\x00\x00\x00" + b"\x02$db\x00\x06\x00\x00\x00admin\x00" + b"\x00"
_DOCUMENT = struct.pack("<i", len(_BODY) + 4) + _BODY
# OP_MSG (2013), no flags, one section of kind 0 with {hello: 1, $db: "admin"}.
_MONGO = struct.pack("<iiiiiB", 21 + len(_DOCUMENT), 1, 0, 2013, 0, 0) + _DOCUMENT

_HTTP = b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


def mongo(port: int, patience: float = 2.0) -> bool:
    """Whether a MongoDB server answers within `patience` seconds."""
    header = first_reply(port, _MONGO, 16, patience)
    return len(header) == 16 and struct.unpack("<iiii", header)[3] == 2013


def http(port: int, patience: float = 2.0) -> bool:
    """Whether an HTTP server answers within `patience` seconds."""
    return first_reply(port, _HTTP, 5, patience) == b"HTTP/"
