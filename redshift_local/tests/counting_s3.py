"""An S3 between the local Redshift and the tests' S3, which counts requests, and answers some of them with errors.

Belongs here: passing requests on. Does not belong here: what a test expects of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"


class CountingS3:
    """Passes requests on to the S3 at `behind`.

    Attributes:
        requests: how often each (method, key) was asked for.
        most_at_once: the most requests that were open at the same time.
        failing: the status with which each request for a key is answered, by the key.
    """

    def __init__(self, behind: str) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.most_at_once = 0
        self.failing: dict[str, int] = {}
        self._behind, self._pool = behind, urllib3.PoolManager(maxsize=50)
        self._lock, self._open = threading.Lock(), 0

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        key = path.partition("?")[0].split("/", 2)[2]
        with self._lock:
            self.requests[method, key] += 1
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            if status := self.failing.get(key):
                return status, {}, _ERROR.format("AccessDenied" if status == 403 else "InternalError", "as the test says").encode()
            found = self._pool.request(method, self._behind + path, headers=headers, retries=False)
            return found.status, dict(found.headers), found.data
        finally:
            with self._lock:
                self._open -= 1


@contextmanager
def counting(behind: str) -> Iterator[tuple[CountingS3, str]]:
    """A CountingS3 and its endpoint."""
    s3 = CountingS3(behind)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = s3.answer(self.command, self.path, dict(self.headers))
            self.send_response_only(status)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *arguments: object) -> None:
            """Requests are counted and not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield s3, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
