"""A gate in the wire: a TCP proxy that stops a conversation at a chosen moment, so that a test can kill a process right there.

Belongs here: holding bytes back. Nothing in the pipeline knows of it; a process is only told the gate's address instead of
the server's, so every line between two messages can be the last one it runs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

When = Literal["before", "after", "never"]


@dataclass(frozen=True)
class Hold:
    """Where to stop: when a client sends `pattern` (for the `nth` time), before the server gets it or before it hears the answer.

    With `answered` set, instead when the server has sent so many bytes on one connection.
    """

    pattern: bytes = b""
    when: When = "before"
    nth: int = 1
    answered: int = 0


class Gate:
    """Forwards connections from its own `port` to `address` until its `hold` is met; then `reached` is set and those bytes stay."""

    def __init__(self, address: tuple[str, int], hold: Hold | None = None) -> None:
        self._address = address
        self._hold = hold
        self._seen = 0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.reached = threading.Event()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        # A blocked accept or recv wakes only by shutdown, not by close.
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):  # it was closed from the other side
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address, timeout=10)
            except OSError:
                continue  # the gate is closing, or the server is away: the client sees its connection end
            server.settimeout(None)
            with self._lock:
                self._sockets += [client, server]
            mute = threading.Event()
            threading.Thread(target=self._client_to_server, args=(client, server, mute), daemon=True).start()
            threading.Thread(target=self._server_to_client, args=(server, client, mute), daemon=True).start()

    def _client_to_server(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        tail = b""
        for data in _received(client):
            hold = self._hold
            if hold and hold.pattern and not self.reached.is_set():
                window = tail + data
                with self._lock:
                    self._seen += window.count(hold.pattern)
                    met = self._seen >= hold.nth
                tail = window[-(len(hold.pattern) - 1) :] if len(hold.pattern) > 1 else b""
                if met:
                    if hold.when == "after":
                        mute.set()  # before forwarding, or the answer might slip through
                        _send(server, data)
                    self.reached.set()
                    if hold.when == "before":
                        self._closed.wait()
                        return
                    continue
            if not _send(server, data):
                break
        _end(server)

    def _server_to_client(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        sent = 0
        for data in _received(server):
            sent += len(data)
            hold = self._hold
            if hold and hold.answered and sent >= hold.answered and not self.reached.is_set():
                mute.set()
                self.reached.set()
            if mute.is_set():
                self._closed.wait()
                return
            if not _send(client, data):
                break
        _end(client)


def _received(source: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = source.recv(1 << 16)
        except OSError:
            return
        if not data:
            return
        yield data


def _send(target: socket.socket, data: bytes) -> bool:
    try:
        target.sendall(data)
    except OSError:
        return False
    return True


def _end(target: socket.socket) -> None:
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
