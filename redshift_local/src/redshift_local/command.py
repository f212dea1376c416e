"""`python -m redshift_local`: prepare the backing database, listen, and serve until told to stop.

Belongs here: the command line, `bootstrap.sql`'s way into the backing database, and signals. S3's region and credentials come from
the ordinary AWS_* environment.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from urllib.parse import unquote, urlsplit

import psycopg2

from redshift_local.bootstrap import prepare
from redshift_local.load.s3 import Store
from redshift_local.proxy.server import Server


def main() -> int:
    parser = argparse.ArgumentParser(prog="redshift-local", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5439, help="the port to listen at; 0 for a free one (default: %(default)s)")
    parser.add_argument(
        "--backend", required=True, help="the backing database as a superuser: postgresql://user:password@host:port/database"
    )
    parser.add_argument("--s3-endpoint", help="where S3 answers (default: AWS_ENDPOINT_URL, or else AWS itself)")
    parser.add_argument(
        "--patience", type=float, default=30.0, help="how many seconds to wait for the backing database (default: %(default)s)"
    )
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    url = urlsplit(chosen.backend)
    if not url.hostname:
        parser.error("--backend must name a host: the local Redshift reaches its backend over TCP")
    try:
        prepare(chosen.backend, chosen.patience)
    except psycopg2.Error as error:
        print(f"the backing database at {url.hostname}:{url.port or 5432}{url.path} could not be prepared: {error}", file=sys.stderr)
        return 1
    try:
        server = Server(chosen.host, chosen.port, (unquote(url.hostname), url.port or 5432), Store(chosen.s3_endpoint))
    except OSError as error:
        print(f"cannot listen at {chosen.host}:{chosen.port}: {error}", file=sys.stderr)
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    def listen() -> None:
        try:
            server.serve()
        finally:
            stopping.set()

    threading.Thread(target=listen, name="listener", daemon=True).start()
    print(f"the local Redshift listens at {chosen.host}:{server.port}", flush=True)
    stopping.wait()
    server.stop()
    return 0
