"""An HTTP API of one test: a function answers each request with JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answers = Callable[[str, Mapping[str, str]], str | None]  # fmt: skip
"""The body for a path, without slashes around it, and parameters; None for what is not known."""


class JsonServer(ThreadingHTTPServer):
    """`requests` are the paths that were asked for, with their parameters, in order."""

    daemon_threads = True

    def __init__(self, answer: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: JsonServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = 1 << 16  # an answer goes out in one piece
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """A request is no line of a test's output."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path, parameters = parts.path.strip("/"), dict(parse_qsl(parts.query))
        self.server.requests.append((path, parameters))
        body = self.server.answer(path, parameters)
        encoded = (json.dumps({"message": "not found"}) if body is None else body).encode()
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


@contextmanager
def json_server(answer: Answers) -> Iterator[JsonServer]:
    """A server for as long as the block lasts."""
    with JsonServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
