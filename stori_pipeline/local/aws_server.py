"""The program `python -m stori_pipeline.local.aws_server`: moto's services on one port, with the objects of S3 on disk.

Belongs here: what happens before and after moto answers a request. Does not belong here: starting the program (`aws`), and the files
(`s3_disk`). A change to an object is on disk before its response is sent. Requests about one object run one after the other; this makes
conditional writes atomic, because moto checks and writes in two steps.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wsgi import get_input_stream

from stori_pipeline.local import aws_queues
from stori_pipeline.local.aws import REGION
from stori_pipeline.local.s3_disk import Disk, SavedBytes, backend

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_STRIPES = 256
_CHUNK = 256 * 1024
# Parameters that do not affect which bytes are returned: the name of the operation, and a signature.
_IGNORED_PARAMETERS = ("x-id", "X-Amz-")


class _Response:
    """An application's response, which is not sent yet."""

    def __init__(self, application: Application, environ: Environ) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        body = application(environ, self._start)
        try:
            self.body = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()

    def _start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        self.status, self.headers = status, headers

    @property
    def ok(self) -> bool:
        return self.status.startswith("2")


class _FileRange:
    """A range of an open file as the body of a response. The file is closed with the response."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (chunk := self._file.read(min(_CHUNK, self._left))):
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


class PersistentS3(DomainDispatcherApplication):
    """moto's application, with the objects of S3 on `disk`."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(create_backend_app)
        self._disk = disk
        self._backends: dict[str | None, Any] = {}
        # A fixed number of locks: one per object would grow without end. Requests about objects that share a lock wait for each other.
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def get_backend_for_host(self, host: str | None) -> Any:
        """The service at a host. moto lists its own folders to answer that, for each request, which takes as long as the response."""
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        application = self.get_application(environ)
        if getattr(application, "service", "") != "s3":
            return application(environ, start_response)
        # Bucket and key are always read from the path, and never from the host's name.
        environ["HTTP_HOST"] = f"127.0.0.1:{environ['SERVER_PORT']}"
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        bucket, _, key = path.removeprefix("/").partition("/")
        method, query = environ["REQUEST_METHOD"], parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if method == "GET" and key and all(name.startswith(_IGNORED_PARAMETERS) for name in query):
            return self._get(application, environ, start_response, bucket, key)
        if method in ("GET", "HEAD", "OPTIONS"):
            with self._locked((bucket, key) if key else None):
                response = _Response(application, environ)
        elif key:
            with self._locked((bucket, key), _copy_source(environ)):
                response = _Response(application, environ)
                if response.ok:
                    self._disk.save(bucket, [key])
        elif method == "POST":
            return self._post(application, environ, start_response, bucket)
        else:
            with self._locked((bucket, "")):
                response = _Response(application, environ)
                if response.ok:
                    self._disk.save_bucket(bucket)
        start_response(response.status, response.headers)
        return [response.body]

    def _get(
        self, application: Application, environ: Environ, start_response: Callable[..., Any], bucket: str, key: str
    ) -> Iterable[bytes]:
        """An object or a range of it, directly from its file; moto would read the whole object for each range.

        moto answers a HEAD request first, which decides about conditions, the range and the headers.
        """
        with self._locked((bucket, key)):
            head = _Response(application, {**environ, "REQUEST_METHOD": "HEAD"})
            stored = backend().buckets[bucket].keys.get(key) if head.ok else None
            buffer = getattr(stored, "_value_buffer", None)
            if not isinstance(buffer, SavedBytes):
                response = _Response(application, environ)
                start_response(response.status, response.headers)
                return [response.body]
            by_name = {name.lower(): value for name, value in head.headers}
            # "bytes 5-9/20"
            begin = int(by_name["content-range"].split()[1].split("-")[0]) if "content-range" in by_name else 0
            file = buffer.path.open("rb")
        file.seek(begin)
        multipart = "-" in by_name.get("etag", "")
        # For an object uploaded in parts, moto's HEAD returns the checksum of the parts' checksums as the object's own.
        headers = [pair for pair in head.headers if not (multipart and pair[0].lower().startswith("x-amz-checksum-"))]
        start_response(head.status, headers)
        return _FileRange(file, int(by_name["content-length"]))

    def _post(self, application: Application, environ: Environ, start_response: Callable[..., Any], bucket: str) -> Iterable[bytes]:
        """Delete many objects of a bucket. The other POST request of S3, an upload by form, is not supported."""
        if environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
            start_response("501 Not Implemented", [("Content-Type", "application/xml")])
            return [b"<Error><Code>NotImplemented</Code><Message>The local S3 takes no uploads by form; use PUT.</Message></Error>"]
        body = get_input_stream(environ).read()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        keys = _keys_to_delete(body)
        with self._locked(*((bucket, key) for key in keys)):
            response = _Response(application, environ)
            if response.ok:
                self._disk.save(bucket, keys)
        start_response(response.status, response.headers)
        return [response.body]

    @contextlib.contextmanager
    def _locked(self, *objects: tuple[str, str] | None) -> Iterator[None]:
        """Hold the locks of these objects. They are acquired in one order, so that two requests cannot deadlock."""
        with contextlib.ExitStack() as held:
            for stripe in sorted({hash(each) % _STRIPES for each in objects if each}):
                held.enter_context(self._locks[stripe])
            yield


def _copy_source(environ: Environ) -> tuple[str, str] | None:
    """The object that a request copies; None if it copies none."""
    source = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).split("?versionId=", 1)[0]
    bucket, _, key = source.removeprefix("/").partition("/")
    return (bucket, key) if key else None


def _keys_to_delete(body: bytes) -> list[str]:
    """The keys in a request that deletes many objects; none for any other request, and for one that moto will refuse."""
    begin, end = body.find(b"<Delete"), body.find(b"</Delete>")
    if begin < 0 or end < 0:
        return []
    try:
        document = ElementTree.fromstring(body[begin : end + len(b"</Delete>")])  # noqa: S314 -- of this machine's own clients
    except ElementTree.ParseError:
        return []
    return [element.text or "" for element in document.iter() if element.tag.endswith("Key")]


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are not logged: a sync sends thousands."""


def serve(
    host: str,
    port: int,
    data: Path,
    buckets: Sequence[str],
    queues: Sequence[str],
    topics: Mapping[str, str] = MappingProxyType({}),
    *,
    sync: bool,
) -> None:
    """Restore the objects under `data`, create missing buckets, queues and topics, and serve until the process ends.

    Args:
        topics: SNS topic to the queue that receives its messages.
        sync: whether a saved object survives a crash of the machine.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    disk = Disk(data / "s3", sync=sync)
    disk.restore()
    for bucket in buckets:
        if bucket not in backend().buckets:
            backend().create_bucket(bucket, REGION)
            disk.save_bucket(bucket)
    aws_queues.install()
    for queue in queues:
        aws_queues.create(REGION, queue)
    for topic, queue in topics.items():
        aws_queues.create_topic(REGION, topic, queue)
    server = make_server(host, port, PersistentS3(disk), threaded=True, request_handler=_QuietHandler)
    logging.getLogger(__name__).info("serving at http://%s:%d, objects in %s", host, port, data)
    server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m stori_pipeline.local.aws_server", description="AWS on one machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the buckets")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to create if it does not exist")
    parser.add_argument("--queue", action="append", default=[], help="a queue to create, with its dead-letter queue, if it does not exist")
    parser.add_argument(
        "--topic", action="append", nargs=2, default=[], metavar=("TOPIC", "QUEUE"), help="a topic to create, and the queue of its messages"
    )
    parser.add_argument("--no-sync", action="store_true", help="do not call fsync: a crash of the machine may lose objects")
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(options.host, options.port, options.data, options.bucket, options.queue, dict(options.topic), sync=not options.no_sync)


if __name__ == "__main__":
    main()
