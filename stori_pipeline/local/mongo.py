"""The local stack's MongoDB: a server of its wire protocol, run as a program of its own.

Belongs here: how that program is started. Does not belong here: what is in its databases.

The program is under the GPL; it is executed and never imported.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from stori_pipeline.local import probe
from stori_pipeline.local.program import Program
from stori_pipeline.local.state import StackError

_OPLOG_SECONDS = 7 * 24 * 3600
_OPLOG_ENTRIES = 5_000_000


class Mongo(Program):
    """A replica set of one, which change streams need."""

    name = "mongo"
    preferred_port = 27117

    def address(self, port: int) -> str:
        return f"mongodb://127.0.0.1:{port}"

    def url(self, port: int, database: str) -> str:
        return f"{self.address(port)}/{database}?directConnection=true"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self, port: int) -> list[str]:
        script = Path(sys.executable).with_name("secantusd-py")
        found = str(script) if script.exists() else shutil.which("secantusd-py")
        if found is None:
            raise StackError("mongo: the program secantusd-py is not installed; install the extra `local` of this package")
        arguments = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(self.data), "--cache-size", "256M"]
        # Quiet streams stay resumable by the heartbeat; a laptop that slept over the weekend still resumes by the retention.
        arguments += ["--noop-heartbeat-seconds", "10"]
        arguments += ["--oplog-retention-seconds", str(_OPLOG_SECONDS), "--oplog-max-entries", str(_OPLOG_ENTRIES)]
        return [sys.executable, found, *arguments]

    def answers(self, port: int) -> bool:
        return probe.mongo(port)
