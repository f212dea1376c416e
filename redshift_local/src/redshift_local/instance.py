"""Runs a local Redshift with its own PostgreSQL, in one folder, during a block.

Belongs here: the content of the folder, and the order in which the parts start and stop. Does not belong here: the command line
(`command`), the fixtures (`pytest_plugin`), and the parts (`embedded`, `proxy`).
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
"""The default names of a cluster's first database and first user."""

URL_FILE = "url"
"""The file in an instance's folder that contains its address, with the password."""

_PASSWORDS = "passwords.json"
_LOCK = "lock"
_NOTE = "postgres.command"
_LOCK_PATIENCE = 5.0
_SETTINGS = {
    # This PostgreSQL is not replicated, so its write-ahead log serves only crash recovery.
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
        port: the port on which the proxy listens, at the loopback address.
        url: the address of the proxy for the user who owns the database.
        superuser_url: the address of the PostgreSQL behind the proxy, for its superuser.
        server: the proxy.
        postgres: the process of the PostgreSQL behind the proxy.
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
    """Run a local Redshift during the block.

    Args:
        folder: the data folder, which is created if it does not exist. The data are kept for the next call.
        port: the port to listen on; 0 for any free port.
        s3_endpoint: the S3 endpoint that COPY reads from; None for AWS_ENDPOINT_URL, or AWS itself if that is not set.
        durable: whether commits survive a crash of the machine, and not only of the process.
        interrupted: called repeatedly while PostgreSQL starts; when it returns true, `Interrupted` is raised.

    Raises:
        InstanceError: another process uses the folder or the port, the folder has other content, or PostgreSQL did not start.
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
    """Stop the PostgreSQL of an instance in this folder, if the instance's own process was killed."""
    stop_leftover(folder / _NOTE)


def _claim(folder: Path) -> None:
    """Create the folder, or check that it belongs to an instance."""
    try:
        if folder.exists() and not (folder / _LOCK).exists() and any(folder.iterdir()):
            raise InstanceError(f"{folder} contains files that are not a local Redshift's data; name a new or an empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the account of PostgreSQL can enter the folder, and cannot list it
        (folder / _LOCK).touch(mode=0o600)
    except OSError as error:
        raise InstanceError(f"{folder} cannot be used: {error.strerror}; name another folder") from error


def _passwords(path: Path) -> dict[str, str]:
    """The password of each role. The first call generates and stores them."""
    try:
        passwords: dict[str, str] = json.loads(path.read_bytes())
    except FileNotFoundError:
        if (path.parent / "postgres").exists():
            raise InstanceError(
                f"{path} is missing, and PostgreSQL accepts no other passwords; restore the file, or remove {path.parent} with its data"
            ) from None
        passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, USER)}
        write_atomically(path, json.dumps(passwords).encode())
    return passwords


@contextmanager
def _listening(port: int, backend_port: int, s3_endpoint: str | None) -> Iterator[Server]:
    try:
        server = Server(port, ("127.0.0.1", backend_port), Store(s3_endpoint))
    except OSError as error:
        raise cannot_listen(port, error) from error
    with server.serving():
        yield server


def _refuse_unusable_port(port: int) -> None:
    """Raise InstanceError if the port is in use. Called before anything is created."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise cannot_listen(port, error) from error


def cannot_listen(port: int, error: OSError) -> InstanceError:
    """The error for a port that cannot be used, with the operating system's reason."""
    reason = os.strerror(error.errno or 0)
    return InstanceError(f"cannot listen at 127.0.0.1:{port}: {reason}; free the port, or name another one (0 takes any free port)")
