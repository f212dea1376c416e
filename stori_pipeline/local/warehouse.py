"""The local Redshift, as a server of the local stack.

Belongs here: starting it. Does not belong here: the program, which is the distribution `redshift-local`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from redshift_local.embedded.ports import speaks_postgres
from stori_pipeline.local.program import Program


class Redshift(Program):
    """The proxy in front of the Postgres cluster `platform`.

    Args:
        backend: returns the address of the database behind it, for its superuser.
        s3: returns the environment variables for S3.
    """

    name = "redshift"
    preferred_port = 5439  # Amazon's
    needs = ("platform", "aws")

    def __init__(self, home: Path, *, backend: Callable[[], str], s3: Callable[[], dict[str, str]]) -> None:
        super().__init__(home)
        self._backend = backend
        self._s3 = s3

    def address(self, port: int) -> str:
        return f"postgresql://127.0.0.1:{port}/dev"

    def prepare(self) -> None:
        """Nothing to prepare: its data are in the cluster behind it."""

    def command(self, port: int) -> list[str]:
        endpoint = self._s3()["AWS_ENDPOINT_URL"]
        url = urlsplit(self._backend())
        backend = f"{url.scheme}://{url.username}@{url.hostname}:{url.port}{url.path}"
        arguments = ["--port", str(port), "--backend", backend, "--s3-endpoint", endpoint]
        # The program takes no folder. The interpreter's option names one, so that processes of two stacks can be told apart.
        return [sys.executable, "-X", f"stack={self.home}", "-m", "redshift_local", *arguments]

    def env(self) -> dict[str, str]:
        # The password is in the environment, because every user of the machine can see arguments.
        return super().env() | self._s3() | {"PGPASSWORD": urlsplit(self._backend()).password or ""}

    def answers(self, port: int) -> bool:
        return speaks_postgres(port)
