"""A gate in the wire: a TCP proxy that hears a conversation, and stops it at a chosen moment: a test can kill a process right there.

Belongs here: hearing bytes, and holding them back. Nothing in the pipeline knows of it; a process is only told the gate's address instead
of the server's, so every line between two messages can be the last one it runs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

When = Literal["before", "after"]

_CONTINUE = b"HTTP/1.1 100 "
"""The beginning of HTTP's word that the server waits for the body: the client's question is only half said, so it is no answer yet."""


@dataclass(frozen=True)
class Hold:
    """Where to stop: when a client sends `pattern` (for the `nth` time), before the server gets it or before it hears the answer.

    With `behind` set, only where the same connection has sent that in an earlier message.

    Stopped "after" means that the server has answered, hence has done what it was asked to. With `answered` set, it is instead
    when the server has sent so many bytes on one connection.
    """

    pattern: bytes = b""
    when: When = "before"
    nth: int = 1
    behind: bytes = b""
    answered: int = 0


@dataclass
class _Conversation:
    """One connection. `passed` is set once what the hold is behind was sent; `asked`, once the next answer is the one to hold back."""

    client: socket.socket
    server: socket.socket
    asked: bool = False
    passed: bool = False
    heard: bytes = b""
    sent: int = 0


class Gate:
    """Forwards connections from its own `port` to `address` until its `hold` is met; then `reached` is set and those bytes stay
    until `release`. `requests` is what clients have sent, of each connection in turn.

    When the gate closes, both ends of every conversation see it end.
    """

    def __init__(self, address: tuple[str, int], hold: Hold | None = None) -> None:
        self._address = address
        self._hold = hold
        self._seen = 0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.requests: list[bytearray] = []
        self.reached = threading.Event()
        self._closed = threading.Event()
        self._let_go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Gate:
        return self

    def release(self) -> None:
        """Let what is held back go on its way, and hold nothing more."""
        self._let_go.set()

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._let_go.set()
        # A blocked accept or recv wakes only by shutdown, not by close.
        with self._lock:
            for each in [self._listener, *self._sockets]:
                with contextlib.suppress(OSError):  # it was closed from the other side
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # the gate is closing
            try:
                server = socket.create_connection(self._address, timeout=10)
            except OSError:
                client.close()  # the server is away: the client sees its connection end
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets += [client, server]
            conversation = _Conversation(client, server)
            for side in (self._client_to_server, self._server_to_client):
                threading.Thread(target=side, args=(conversation,), daemon=True).start()

    def _client_to_server(self, each: _Conversation) -> None:
        hold = self._hold if self._hold and self._hold.pattern else None
        request = bytearray()
        self.requests.append(request)
        for data in _received(each.client):
            request += data
            if hold and not self.reached.is_set() and self._meets(hold, each, data):
                if hold.when == "after":
                    each.asked = True  # before forwarding, or the answer might slip through
                elif not self._holds():
                    return
            if not _send(each.server, data):
                break
        _end(each.server)

    def _meets(self, hold: Hold, each: _Conversation, data: bytes) -> bool:
        """Whether the hold is met with these bytes, which may begin or end in the midst of what is looked for."""
        each.heard += data
        if not each.passed:
            place = each.heard.find(hold.behind)
            if place < 0:
                each.heard = _last(each.heard, len(hold.behind) - 1)
                return False
            each.passed = True
            each.heard = each.heard[place + len(hold.behind) :]
        found = each.heard.count(hold.pattern)
        each.heard = _last(each.heard, len(hold.pattern) - 1)
        with self._lock:
            before, self._seen = self._seen, self._seen + found
        return before < hold.nth <= before + found

    def _server_to_client(self, each: _Conversation) -> None:
        for data in _received(each.server):
            each.sent += len(data)
            if self._stops(each, data) and not self._holds():
                return
            if not _send(each.client, data):
                break
        _end(each.client)

    def _stops(self, each: _Conversation, data: bytes) -> bool:
        if each.asked:
            each.asked = data.startswith(_CONTINUE)
            return not each.asked
        answered = self._hold.answered if self._hold else 0
        return bool(answered) and each.sent >= answered and not self.reached.is_set()

    def _holds(self) -> bool:
        """Wait at the gate; whether to go on afterwards, because it was released rather than closed."""
        self.reached.set()
        self._let_go.wait()
        return not self._closed.is_set()


def _last(data: bytes, count: int) -> bytes:
    return data[max(0, len(data) - count) :]


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
