"""A client that sends single messages of the wire protocol, for what psycopg2 never sends: the extended query protocol, and invalid bytes.

Belongs here: connecting, sending and receiving messages. Does not belong here: assertions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from types import TracebackType
from urllib.parse import unquote, urlsplit

from redshift_local.proxy import wire
from redshift_local.proxy.wire import Stream

PATIENCE = 30.0


class Client:
    """One connection, authenticated unless `start` is False. `parameters` are the ParameterStatus messages of the start."""

    def __init__(self, url: str, *, start: bool = True, **options: str) -> None:
        parts = urlsplit(url)
        sock = socket.create_connection((str(parts.hostname), parts.port or 5439), PATIENCE)
        self.stream = Stream(sock, 64 * 1024)
        self.parameters: dict[str, str] = {}
        self.key = b""
        if start:
            user, database = unquote(str(parts.username)), parts.path.lstrip("/")
            self.stream.write(wire.startup_message(196608, {"user": user, "database": database, **options}))
            self._authenticate(unquote(str(parts.password)))

    def _authenticate(self, password: str) -> None:
        nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        bare, first = f"n=,r={nonce}", ""
        for kind, body in iter(self.stream.message, (b"Z", b"I")):
            assert kind != b"E", wire.fields(body)
            if kind == b"S":
                name, at = wire.first_text(body)
                self.parameters[name] = wire.first_text(body, at)[0]
            elif kind == b"K":
                self.key = body
            elif kind == b"R" and struct.unpack_from("!I", body)[0] == 10:
                initial = f"n,,{bare}".encode()
                self.send(wire.frame(b"p", wire.text("SCRAM-SHA-256") + struct.pack("!I", len(initial)) + initial))
            elif kind == b"R" and struct.unpack_from("!I", body)[0] == 11:
                first = body[4:].decode()
                self.send(wire.frame(b"p", _proof(password, bare, first)))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stream.close()

    def send(self, *messages: bytes) -> None:
        self.stream.write(b"".join(messages))
        self.stream.flush()

    def until(self, kind: bytes) -> list[tuple[bytes, bytes]]:
        """All messages up to and including one of this type."""
        messages = [self.stream.message()]
        while messages[-1][0] != kind:
            messages.append(self.stream.message())
        return messages

    def exchange(self, *messages: bytes) -> list[tuple[bytes, bytes]]:
        """Send these messages and a Sync; returns the reply."""
        self.send(*messages, wire.SYNC)
        return self.until(b"Z")


def _proof(password: str, bare: str, first: str) -> bytes:
    """The client's reply to the server's first message of SCRAM-SHA-256 (RFC 5802)."""
    values = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(values["s"]), int(values["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={values['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{final}".encode(), "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{final},p={base64.b64encode(proof).decode()}".encode()


def parse(sql: str, name: str = "") -> bytes:
    return wire.parse_message(name, sql)


def bind(*values: str | None, portal: str = "", name: str = "") -> bytes:
    cells = wire.data_row(values)[5:]
    return wire.frame(b"B", wire.text(portal) + wire.text(name) + struct.pack("!H", 0) + cells + struct.pack("!H", 0))


def describe(portal: str = "") -> bytes:
    return wire.frame(b"D", b"P" + wire.text(portal))


def execute(portal: str = "", rows: int = 0) -> bytes:
    return wire.frame(b"E", wire.text(portal) + struct.pack("!I", rows))


def kinds(messages: list[tuple[bytes, bytes]]) -> str:
    """The types of these messages in order, without asynchronous ones."""
    return "".join(kind.decode() for kind, _ in messages if kind not in b"NSA")


def rows(messages: list[tuple[bytes, bytes]]) -> list[list[str | None]]:
    return [wire.cells(body) for kind, body in messages if kind == b"D"]


def error(messages: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The fields of the only error among these messages."""
    (body,) = [body for kind, body in messages if kind == b"E"]
    return wire.fields(body)
