"""MongoDB servers with other settings than the stack's: standalone, or with a short oplog."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mongo_server(log: Path, *options: str) -> Iterator[str]:
    """The address, without a database, of a server in memory that ends with the test."""
    port = free_port()
    program = Path(sys.executable).with_name("secantusd-py")
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--storage-path", ":memory:", *options]
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}", serverSelectionTimeoutMS=30_000) as client:
                client.admin.command("ping")
            yield f"mongodb://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                # Nothing of it is kept, so it need not end well; left running it would hold the suite until its own bound.
                process.kill()
                process.wait(10)
