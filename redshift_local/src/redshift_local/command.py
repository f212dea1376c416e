"""The command `redshift-local`.

Belongs here: the command line, signals, and printing. Does not belong here: what the command starts (`instance`).
The region and the credentials of S3 come from the AWS_* environment variables.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2

from redshift_local.bootstrap import prepare
from redshift_local.embedded import process
from redshift_local.embedded.running import Interrupted
from redshift_local.instance import URL_FILE, InstanceError, cannot_listen, instance
from redshift_local.load.s3 import Store
from redshift_local.proxy.server import Server

_CHECK_SECONDS = 0.5


def main() -> int:
    """Run the local Redshift until a signal arrives; returns the exit code."""
    parser = _parser()
    options = parser.parse_args()
    if not 0 <= options.port <= 65_535:
        parser.error("--port must be between 0 and 65535")
    if options.backend is not None and not urlsplit(options.backend).hostname:
        parser.error("--backend must contain a host, because the local Redshift connects to it over TCP")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stopping = threading.Event()
    # SIGHUP arrives when the terminal is closed. Each signal must also stop PostgreSQL.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        if options.backend is None:
            _run_with_own_postgres(options, stopping)
        else:
            _run_with_backend(options, stopping)
    except Interrupted:
        return 0
    except InstanceError as error:
        if stopping.is_set():  # Ctrl-C also reaches PostgreSQL's initdb, which then fails
            return 0
        print(f"redshift-local: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redshift-local", description="Run a local Redshift on a loopback port, and the PostgreSQL behind it. Ctrl-C stops both."
    )
    parser.add_argument("--port", type=int, default=5439, help="the port to listen on; 0 for any free port (default: %(default)s)")
    parser.add_argument(
        "--s3-endpoint",
        metavar="URL",
        help="the S3 endpoint that COPY reads from (default: AWS_ENDPOINT_URL, or AWS itself if that is unset)",
    )
    database = parser.add_mutually_exclusive_group()
    database.add_argument(
        "--data", type=Path, default=Path(".redshift-local"), metavar="FOLDER", help="the data folder (default: %(default)s)"
    )
    database.add_argument(
        "--backend",
        metavar="URL",
        help="the address of a PostgreSQL to use instead of starting one in --data, for its superuser: "
        "postgresql://user@host:port/database, with the password in PGPASSWORD",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how many seconds to wait until --backend accepts connections (default: %(default)s)",
    )
    return parser


def _run_with_own_postgres(options: argparse.Namespace, stopping: threading.Event) -> None:
    with instance(options.data, port=options.port, s3_endpoint=options.s3_endpoint, interrupted=stopping.is_set) as redshift:
        file = shlex.quote(str(options.data.absolute() / URL_FILE))
        _print_ready(redshift.port, f'psql "$(cat {file})"')
        while not stopping.wait(_CHECK_SECONDS):
            if not redshift.postgres.is_alive:
                log = redshift.postgres.log
                raise InstanceError(f"the PostgreSQL behind it has ended; its log {log} ends with\n{process.tail(log)}")
            _check_listener(redshift.server)


def _run_with_backend(options: argparse.Namespace, stopping: threading.Event) -> None:
    url = urlsplit(options.backend)
    host, port = unquote(url.hostname or ""), url.port or 5432
    try:
        prepare(options.backend, options.patience)
    except psycopg2.Error as error:
        raise InstanceError(f"the database at {host}:{port}{url.path} could not be prepared: {error}") from error
    try:
        server = Server(options.port, (host, port), Store(options.s3_endpoint))
    except OSError as error:
        raise cannot_listen(options.port, error) from error
    with server.serving():
        _print_ready(server.port, f"psql, as a user of the database at {host}:{port}")
        while not stopping.wait(_CHECK_SECONDS):
            _check_listener(server)


def _check_listener(server: Server) -> None:
    if not server.is_listening:
        raise InstanceError("it no longer accepts connections; the log above says why")


def _print_ready(port: int, how_to_connect: str) -> None:
    print(f"redshift-local listens at 127.0.0.1:{port}; connect with {how_to_connect}", flush=True)
