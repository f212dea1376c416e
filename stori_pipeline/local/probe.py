"""Whether the server at a loopback port answers, asked in its own protocol with nothing but a socket.

Belongs here: the cheapest real question for each protocol, so that `stori status` needs no drivers. Does not belong here:
whether a server is *ready* for its users, which the server's own module asks when it starts it.
"""

from __future__ import annotations

import socket
import struct

# An SSLRequest. Whatever speaks Postgres's protocol replies with one letter, before any login.
_POSTGRES = struct.pack("!ii", 8, 80_877_103)

_BODY = b"\x10hello\x00\x01\x00\x00\x00" + b"\x02$db\x00\x06\x00\x00\x00admin\x00" + b"\x00"
_DOCUMENT = struct.pack("<i", len(_BODY) + 4) + _BODY
# OP_MSG (2013), no flags, one section of kind 0 that holds {hello: 1, $db: "admin"}.
_MONGO = struct.pack("<iiiiiB", 21 + len(_DOCUMENT), 1, 0, 2013, 0, 0) + _DOCUMENT

_HTTP = b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


def _reply(port: int, question: bytes, length: int, patience: float) -> bytes:
    """The first `length` bytes that the port sends back; fewer, or none, where nothing of that kind listens."""
    reply = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
            connection.sendall(question)
            while len(reply) < length and (more := connection.recv(length - len(reply))):
                reply += more
    except OSError:
        return b""
    return reply


def postgres(port: int, patience: float = 2.0) -> bool:
    return _reply(port, _POSTGRES, 1, patience) in (b"N", b"S")


def mongo(port: int, patience: float = 2.0) -> bool:
    header = _reply(port, _MONGO, 16, patience)
    return len(header) == 16 and struct.unpack("<iiii", header)[3] == 2013


def http(port: int, patience: float = 2.0) -> bool:
    return _reply(port, _HTTP, 5, patience) == b"HTTP/"


def bindable(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As the servers do, so that connections of a server that has just ended do not make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port() -> int:
    """Some port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
