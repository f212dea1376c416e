"""The API on a port: in this process until it is interrupted, or in a thread.

Belongs here: the server and its socket. Does not belong here: the application.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

_STOP_SECONDS = 30.0


def bind(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> tuple[uvicorn.Server, socket.socket]:
    """A server and the socket to run it with; port 0 takes any free port.

    The socket listens already: a client that connects before the server runs waits, and is not refused.
    """
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))
    sock = server.config.bind_socket()
    sock.listen()
    return server, sock


@contextmanager
def serve_in_thread(app: FastAPI) -> Iterator[str]:
    """Serve the API on loopback during the block, which receives its address."""
    server, sock = bind(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        sock.close()
