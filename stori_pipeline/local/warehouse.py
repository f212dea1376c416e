"""The local Redshift, as a server of the local stack.

Belongs here: how that program is started. Does not belong here: the program, which is the distribution `redshift-local`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from redshift_local.embedded.ports import speaks_postgres
from stori_pipeline.local.program import Program


class Redshift(Program):
    """The wire proxy before the cluster `platform`.

    Args:
        backend: gives the address of the database behind it, for its superuser.
        s3: gives the environment by which it reaches S3.
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
        """It keeps nothing: all it has is in the cluster behind it."""

    def command(self, port: int) -> list[str]:
        endpoint = self._s3()["AWS_ENDPOINT_URL"]
        url = urlsplit(self._backend())
        backend = f"{url.scheme}://{url.username}@{url.hostname}:{url.port}{url.path}"
        arguments = ["--port", str(port), "--backend", backend, "--s3-endpoint", endpoint]
        # The program takes no folder, so the interpreter is told one: by it this stack's process is known from another stack's.
        return [sys.executable, "-X", f"stack={self.home}", "-m", "redshift_local", *arguments]

    def env(self) -> dict[str, str]:
        # By the environment, because arguments are seen by everybody on the machine.
        return super().env() | self._s3() | {"PGPASSWORD": urlsplit(self._backend()).password or ""}

    def answers(self, port: int) -> bool:
        return speaks_postgres(port)
