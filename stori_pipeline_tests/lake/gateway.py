"""An HTTP gateway before the local S3 that a test can break: it counts requests and may drop responses."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Fate = Literal["pass", "lose the answer", "cut", "deny"]
"""Of a request: forwarded; forwarded, but its answer never arrives; not even forwarded; or refused as for a role without that right."""

_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Gateway:
    """Its `url` replaces the local S3's. `fate` decides about each request, given its method and path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fate: Callable[[str, str], Fate] = lambda _method, _path: "pass"
        self.requests: list[tuple[str, str]] = []

    def client(self) -> S3Client:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            region_name="eu-west-2",
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )


class LosesOneAnswer:
    """A fate: the answer to the first request of that method with that text in its path never arrives. `lost` has that path."""

    def __init__(self, method: str, text: str) -> None:
        self._method, self._text = method, text
        self.lost: list[str] = []

    def __call__(self, method: str, path: str) -> Fate:
        if method == self._method and self._text in path and not self.lost:
            self.lost.append(path)
            return "lose the answer"
        return "pass"


@contextmanager
def gateway(before: S3Client) -> Iterator[Gateway]:
    target = urlsplit(before.meta.endpoint_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            gate.requests.append((self.command, self.path))
            if "100-continue" in self.headers.get("Expect", ""):
                del self.headers["Expect"]  # answered by the base class already
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fate = gate.fate(self.command, self.path)
            if fate == "cut":
                self.close_connection = True
                return
            if fate == "deny":
                self.send_response_only(403)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(_DENIED)))
                self.end_headers()
                self.wfile.write(_DENIED)
                return
            onward = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
            try:
                onward.request(self.command, self.path, body, dict(self.headers.items()))
                answer = onward.getresponse()
                content = answer.read()
            finally:
                onward.close()
            if fate == "lose the answer":
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection") or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  (the names http.server calls)

        def log_request(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gate = Gateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
