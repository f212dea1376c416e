"""The program behind `python -m stori_pipeline.local.aws`: moto's services on one port, with S3's objects on disk.

Belongs here: what happens around a request that moto answers. Does not belong here: the program's start as a part of the stack
(`aws`), and the files (`s3_disk`).

A change to an object is on disk before its response goes out. Requests about one object are answered one after the other, which
is also what makes a conditional write atomic: moto looks and writes in two steps.
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
# Parameters that say nothing about which bytes are meant: the operation's name, and a signature.
_NEUTRAL = ("x-id", "X-Amz-")


class _Answer:
    """What an application answered, held back until it is known to be true."""

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
    def good(self) -> bool:
        return self.status.startswith("2")


class _Piece:
    """A stretch of an open file as a response's body; the file is closed with the response, however that ends."""

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
    """moto's application, with what S3 holds on `disk`."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(create_backend_app)
        self._disk = disk
        self._sqs: Application | None = None
        # A lock per object would be one for every object there ever was; those that share one merely wait for each other.
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("AmazonSQS."):
            # moto finds out anew for each request whose it is, which takes as long as a queue's whole answer.
            self._sqs = self._sqs or self.get_application(environ)
            return self._sqs(environ, start_response)
        application = self.get_application(environ)
        if getattr(application, "service", "") != "s3":
            return application(environ, start_response)
        # Bucket and key are in the path, whatever name the host goes by: that is how they are read here.
        environ["HTTP_HOST"] = f"127.0.0.1:{environ['SERVER_PORT']}"
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        bucket, _, key = path.removeprefix("/").partition("/")
        method, query = environ["REQUEST_METHOD"], parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if method == "GET" and key and all(name.startswith(_NEUTRAL) for name in query):
            return self._get(application, environ, start_response, bucket, key)
        if method in ("GET", "HEAD", "OPTIONS"):
            with self._alone((bucket, key) if key else None):
                answer = _Answer(application, environ)
        elif key:
            with self._alone((bucket, key), _copied(environ)):
                answer = _Answer(application, environ)
                if answer.good:
                    self._disk.save(bucket, [key])
        elif method == "POST":
            return self._post(application, environ, start_response, bucket)
        else:
            with self._alone((bucket, "")):
                answer = _Answer(application, environ)
                if answer.good:
                    self._disk.save_bucket(bucket)
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _get(
        self, application: Application, environ: Environ, start_response: Callable[..., Any], bucket: str, key: str
    ) -> Iterable[bytes]:
        """An object, or a range of it, straight from its file. moto would read the whole object for each range.

        moto is asked for the head, and so decides on conditions, on the range and on the headers.
        """
        with self._alone((bucket, key)):
            head = _Answer(application, {**environ, "REQUEST_METHOD": "HEAD"})
            found = backend().buckets[bucket].keys.get(key) if head.good else None
            buffer = getattr(found, "_value_buffer", None)
            if not isinstance(buffer, SavedBytes):
                whole = _Answer(application, environ)
                start_response(whole.status, whole.headers)
                return [whole.body]
            said = {name.lower(): value for name, value in head.headers}
            # "bytes 5-9/20"
            begin = int(said["content-range"].split()[1].split("-")[0]) if "content-range" in said else 0
            file = buffer.path.open("rb")
        file.seek(begin)
        in_parts = "-" in said.get("etag", "")
        # Of an object from parts, moto's head gives the checksum of checksums as if it were the object's own.
        headers = [pair for pair in head.headers if not (in_parts and pair[0].lower().startswith("x-amz-checksum-"))]
        start_response(head.status, headers)
        return _Piece(file, int(said["content-length"]))

    def _post(self, application: Application, environ: Environ, start_response: Callable[..., Any], bucket: str) -> Iterable[bytes]:
        """To a bucket: the deletion of many objects. The other thing one can post, a form that uploads a file, is not supported."""
        if environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
            start_response("501 Not Implemented", [("Content-Type", "application/xml")])
            return [b"<Error><Code>NotImplemented</Code><Message>The local S3 takes no uploads by form; use PUT.</Message></Error>"]
        body = get_input_stream(environ).read()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        keys = _listed(body)
        with self._alone(*((bucket, key) for key in keys)):
            answer = _Answer(application, environ)
            if answer.good:
                self._disk.save(bucket, keys)
        start_response(answer.status, answer.headers)
        return [answer.body]

    @contextlib.contextmanager
    def _alone(self, *objects: tuple[str, str] | None) -> Iterator[None]:
        """With no other request about any of these objects. Locks are taken in one order, so that no two requests wait for each other."""
        with contextlib.ExitStack() as held:
            for stripe in sorted({hash(each) % _STRIPES for each in objects if each}):
                held.enter_context(self._locks[stripe])
            yield


def _copied(environ: Environ) -> tuple[str, str] | None:
    """The object that a request copies from."""
    source = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).split("?versionId=", 1)[0]
    bucket, _, key = source.removeprefix("/").partition("/")
    return (bucket, key) if key else None


def _listed(body: bytes) -> list[str]:
    """The keys that a request to delete many objects names; none where it is another request, or one that moto will refuse."""
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
        """Not every request is a line: a sync makes thousands."""


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
    """Bring back what is under `data`, make what is missing, and answer until the process is ended.

    Args:
        topics: of each, the queue that its messages go to.
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
    parser.add_argument("--data", type=Path, required=True, help="the folder that keeps the buckets")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to make if it is not there")
    parser.add_argument("--queue", action="append", default=[], help="a queue to make if it is not there, and its dead-letter queue")
    parser.add_argument(
        "--topic", action="append", nargs=2, default=[], metavar=("TOPIC", "QUEUE"), help="a topic to make, and where its messages go"
    )
    parser.add_argument("--no-sync", action="store_true", help="leave it to the system when bytes reach the disk")
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(options.host, options.port, options.data, options.bucket, options.queue, dict(options.topic), sync=not options.no_sync)


if __name__ == "__main__":
    main()
