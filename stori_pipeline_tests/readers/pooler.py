"""A proxy before a Postgres server that gives clients another process id than the server's, as poolers do.

Belongs here: passing bytes on. Does not belong here: what a reader makes of it (`test_postgres_several`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

_KEY = b"K\0\0\0\x0c"
"""How the server's message with its process id begins; the id follows."""


class Pooler:
    """Listens on `port` as a context."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listening]
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Pooler:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed at the end
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                at = data.find(_KEY)
                if at >= 0:
                    data = data[: at + 5] + b"\0\0\0\x01" + data[at + 9 :]
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
