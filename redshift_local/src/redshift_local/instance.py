"""A local Redshift with a PostgreSQL of its own, in one folder, for as long as a block runs.

Belongs here: what is in that folder, and the order in which its parts start and end. Does not belong here: the command line
(`command`), the fixtures (`pytest_plugin`), and the parts.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redshift_local.bootstrap import prepare
from redshift_local.embedded.cluster import SUPERUSER, Cluster, refuse_unusable
from redshift_local.embedded.errors import ClusterError
from redshift_local.embedded.files import LockTimeout, exclusively, write_atomically
from redshift_local.embedded.running import RunningServer, running, stop_leftover
from redshift_local.load.s3 import Store
from redshift_local.proxy.server import Server

DATABASE = "dev"
USER = "awsuser"
"""The names that a cluster gives its first database and its first user."""

URL_FILE = "url"
"""The file of an instance's folder that holds its address, password included."""

_PASSWORDS = "passwords.json"
_LOCK = "lock"
_NOTE = "postgres.command"
_LOCK_PATIENCE = 5.0
_SETTINGS = {
    # Nothing is replicated from here, so a load need not be written to the log for anyone but crash recovery.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
}


class InstanceError(RuntimeError):
    """A local Redshift could not be started. The message says what happened, where, and what to do."""


@dataclass(frozen=True)
class LocalRedshift:
    """A local Redshift that accepts connections.

    Attributes:
        port: where it listens, at the loopback address.
        url: its address for its user, who owns the database.
        superuser_url: the address of the PostgreSQL behind it, past the proxy.
        server: the proxy.
        postgres: the process of the PostgreSQL behind it.
    """

    port: int
    url: str = field(repr=False)
    superuser_url: str = field(repr=False)
    server: Server
    postgres: RunningServer


@contextmanager
def instance(
    folder: Path,
    *,
    port: int = 0,
    s3_endpoint: str | None = None,
    durable: bool = True,
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[LocalRedshift]:
    """Run a local Redshift for the block.

    Args:
        folder: holds its data, and is made if it does not exist. The data stay for the next call.
        port: where it listens; 0 takes any free port.
        s3_endpoint: where S3 answers; None for AWS_ENDPOINT_URL, or else AWS itself.
        durable: whether commits survive the end of the whole machine, and not only of the process.
        interrupted: asked while this waits for PostgreSQL; true ends the wait with `Interrupted`.

    Raises:
        InstanceError: another process uses the folder or the port, the folder holds something else, or PostgreSQL did not start.
    """
    folder = folder.absolute()
    _refuse_unusable_port(port)
    try:
        refuse_unusable(folder)
        _claim(folder)
        with exclusively(folder / _LOCK, _LOCK_PATIENCE):
            passwords = _passwords(folder / _PASSWORDS)
            cluster = Cluster(folder / "postgres", password=passwords.__getitem__, settings=_SETTINGS, durable=durable)
            log, note = folder / "postgres.log", folder / _NOTE
            with running(cluster, log=log, note=note, interrupted=interrupted) as postgres:
                cluster.ensure_roles(postgres.port, [USER])
                cluster.ensure_databases(postgres.port, {DATABASE: USER})
                superuser_url = cluster.url(postgres.port, SUPERUSER, DATABASE)
                prepare(superuser_url)
                with _listening(port, postgres.port, s3_endpoint) as server:
                    url = cluster.url(server.port, USER, DATABASE)
                    write_atomically(folder / URL_FILE, f"{url}\n".encode())
                    yield LocalRedshift(server.port, url, superuser_url, server, postgres)
    except LockTimeout as error:
        raise InstanceError(f"another redshift-local uses {folder}; stop it, or name another folder") from error
    except ClusterError as error:
        raise InstanceError(str(error)) from error


def stop_leftovers(folder: Path) -> None:
    """End the PostgreSQL of an instance in this folder whose process was killed."""
    stop_leftover(folder / _NOTE)


def _claim(folder: Path) -> None:
    """Make the folder, or see that it is an instance's."""
    try:
        if folder.exists() and not (folder / _LOCK).exists() and any(folder.iterdir()):
            raise InstanceError(f"{folder} holds something else than a local Redshift's data; name a new or an empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the account that PostgreSQL runs under passes through, and sees nothing
        (folder / _LOCK).touch(mode=0o600)
    except OSError as error:
        raise InstanceError(f"{folder} cannot be used: {error.strerror}; name another folder") from error


def _passwords(path: Path) -> dict[str, str]:
    """The password of each role; made at random once, and kept."""
    try:
        known: dict[str, str] = json.loads(path.read_bytes())
    except FileNotFoundError:
        if (path.parent / "postgres").exists():
            raise InstanceError(f"{path} is missing, and its PostgreSQL refuses others; bring it back, or remove {path.parent}") from None
        known = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, USER)}
        write_atomically(path, json.dumps(known).encode())
    return known


@contextmanager
def _listening(port: int, backend_port: int, s3_endpoint: str | None) -> Iterator[Server]:
    try:
        server = Server(port, ("127.0.0.1", backend_port), Store(s3_endpoint))
    except OSError as error:
        raise cannot_listen(port, error) from error
    with server.serving():
        yield server


def _refuse_unusable_port(port: int) -> None:
    """Find out before anything is made."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise cannot_listen(port, error) from error


def cannot_listen(port: int, error: OSError) -> InstanceError:
    """The error of a server that cannot have its port, with the system's own reason."""
    reason = os.strerror(error.errno or 0)
    return InstanceError(f"cannot listen at 127.0.0.1:{port}: {reason}; free the port, or name another one (0 takes any free port)")
