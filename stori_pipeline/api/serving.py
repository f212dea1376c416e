"""The API on a port: in this process until it is interrupted, or in a thread beside other work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

_PATIENCE = 30.0


def listening(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> tuple[uvicorn.Server, socket.socket]:
    """A server and the socket that it is to run with; port 0 takes any free one.

    The socket listens already: who connects before the server runs waits, and is not refused.
    """
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))
    sock = server.config.bind_socket()
    sock.listen()
    return server, sock


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address at which the API answers during the block, on loopback."""
    server, sock = listening(app)
    running = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    running.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        running.join(_PATIENCE)
        sock.close()
