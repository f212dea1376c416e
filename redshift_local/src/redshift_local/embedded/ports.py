"""Ports at the loopback address: which are free, and whether a server answers at one.

Belongs here: checks of a port that need a socket and no driver. Does not belong here: whether a server is ready for its users (`cluster`).
"""

from __future__ import annotations

import socket
import struct

# An SSLRequest. Every server that speaks PostgreSQL's protocol replies with one letter, before a login.
_SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)


def first_reply(port: int, question: bytes, length: int, patience: float) -> bytes:
    """The first `length` bytes of the reply to a request; fewer, or none, if no such server listens on the port."""
    reply = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
            connection.sendall(question)
            while len(reply) < length and (more := connection.recv(length - len(reply))):
                reply += more
    except OSError:
        return b""
    return reply


def speaks_postgres(port: int, patience: float = 2.0) -> bool:
    """Whether a server on the port speaks PostgreSQL's protocol."""
    return first_reply(port, _SSL_REQUEST, 1, patience) in (b"N", b"S")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # Servers set this option too. Without it, old connections of a server that has just ended would make its port look used.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port() -> int:
    """A port on which no server listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
