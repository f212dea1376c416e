"""The program behind `python -m stori_pipeline.local.aws`: moto behind a threaded server.

Belongs here: putting the server together. Does not belong here: its start as a part of the stack (`aws`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Not every request: a sync makes thousands."""


def serve(host: str, port: int, data: Path, buckets: Sequence[str], *, sync: bool) -> None:  # noqa: ARG001
    backend = s3_backends["123456789012"]["aws"]
    for bucket in buckets:
        if bucket not in backend.buckets:
            backend.create_bucket(bucket, "us-east-1")
    application = DomainDispatcherApplication(create_backend_app)
    make_server(host, port, application, threaded=True, request_handler=_QuietHandler).serve_forever()
