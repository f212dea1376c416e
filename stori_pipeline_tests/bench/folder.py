"""A project in a temporary folder, with its local stack and `dagster dev`, as a user would have them.

Belongs here: making the folder, commands in it, and stopping everything that was started. Does not belong here: what is measured.
"""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from redshift_local.embedded.ports import free_port
from stori_pipeline.discovery import LocalSources
from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.bench.usage import cpu_seconds, tree
from stori_pipeline_tests.commands import inherited_environ
from stori_pipeline_tests.readme import ROOT
from stori_pipeline_tests.shipped import LOCAL, SERVERS

PATIENCE = 600.0
"""Seconds within which any command here must have ended."""
_READY = 180.0
_STOP = 30.0

_ROLES = {"webserver": "dagster_webserver", "daemon": "daemon run", "code_server": "code-server start", "code_server_api": "api grpc"}
"""What the command line of each process of `dagster dev` has."""


@dataclass(frozen=True)
class Folder:
    """The project's folder, and its stack, which runs."""

    path: Path
    stack: Stack

    def environ(self) -> dict[str, str]:
        """The environment of commands. The addresses are in `.env`."""
        own = {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(self.path), "DAGSTER_DISABLE_TELEMETRY": "yes"}
        # An installed package is compiled; so is this checkout, unless the variable forbids to keep what was compiled.
        left_out = ("PYTHONDONTWRITEBYTECODE", "STORI_PROJECT")  # the folder's `pyproject.toml` names the project
        return {name: value for name, value in inherited_environ().items() if name not in left_out} | own

    def start(self, *arguments: str, log: str) -> subprocess.Popen[bytes]:
        """Start `python -m ARGUMENTS` in a session of its own; its output is appended to a file of the folder."""
        with (self.path / log).open("ab") as output:
            command = [sys.executable, "-m", *arguments]
            return subprocess.Popen(
                command, cwd=self.path, env=self.environ(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def stori(self, *arguments: str) -> None:
        """Run `stori`, which must succeed.

        Raises:
            SystemExit: it failed, or did not end. The message is the end of its output.
        """
        self.run("stori_pipeline", *arguments, log="stori.log")

    def run(self, *arguments: str, log: str) -> None:
        """Run `python -m ARGUMENTS`, which must succeed; see `start` and `stori`."""
        process = self.start(*arguments, log=log)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            stop(process)
        if code != 0:
            output = (self.path / log).read_text(errors="replace")[-3_000:]
            raise SystemExit(f"`python -m {' '.join(arguments)}` {'did not end' if code is None else f'ended with {code}'}\n{output}")


def _write_shipped(folder: Path) -> None:
    shutil.copy(ROOT / "workspace.yaml", folder)
    (folder / "pyproject.toml").write_text('[tool.stori]\nproject = "stori_pipeline.project"\n')


@contextmanager
def project_folder(
    say: Callable[[str], None],
    *,
    local: LocalSources = LOCAL,
    servers: Sequence[str] = SERVERS,
    write: Callable[[Path], None] = _write_shipped,
) -> Iterator[Folder]:
    """A folder with a project's files and a running stack. After the block the servers are stopped and the folder is removed.

    Args:
        local, servers: the sources that the stack serves, and its servers; by default those of the shipped project.
        write: writes the project's files into the folder.
    """
    path = Path(tempfile.mkdtemp(prefix="stori-bench-"))
    path.chmod(0o711)  # the account that Postgres may need can pass
    stack = Stack(path / ".stori", local)
    try:
        shutil.copy(ROOT / "dagster.yaml", path)
        write(path)
        compileall.compile_dir(ROOT / "stori_pipeline", quiet=2)
        compileall.compile_dir(Path(__file__).parent, quiet=2)
        say("Starting the servers ...")
        stack.up(ports=dict.fromkeys(servers, 0))
        write_env(path / ".env", stack.environ())
        yield Folder(path, stack)
    finally:
        stack.down()
        shutil.rmtree(path, ignore_errors=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process, and kill what is left of it and its descendants after half a minute."""
    family = tree(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP)
    for each in family:  # psutil knows a process by its start, too: a pid that another has got is not signalled
        with suppress(psutil.NoSuchProcess):
            each.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP)


@dataclass(frozen=True)
class Dagster:
    """`dagster dev` with its webserver, daemon and code server."""

    process: subprocess.Popen[bytes]

    def cpu(self) -> dict[str, float]:
        """Processor seconds so far, by what a process does. Runs are the code server's: they are its children."""
        found: dict[str, float] = {"dev": 0.0}
        for each in tree(self.process.pid)[1:]:
            with suppress(psutil.NoSuchProcess):
                line = " ".join(each.cmdline())
                role = next((role for role, words in _ROLES.items() if words in line), None)
                if role and each.ppid() == self.process.pid:
                    found[role] = found.get(role, 0.0) + cpu_seconds(each.pid)
        found["all"] = cpu_seconds(self.process.pid)
        return found

    def cpu_apart(self) -> dict[str, float]:
        """Processor seconds so far as in `cpu`, with those of the runs apart from the code server's own."""
        found: dict[str, float] = {"runs": 0.0}
        for each in tree(self.process.pid):
            with suppress(psutil.NoSuchProcess):
                line = " ".join(each.cmdline())
                times = each.cpu_times()
                role = "dev" if each.pid == self.process.pid else next((role for role, words in _ROLES.items() if words in line), "runs")
                found[role] = found.get(role, 0.0) + times.user + times.system
                if role in ("code_server_api", "runs"):  # runs that have ended
                    found["runs"] += times.children_user + times.children_system
        return found

    def memory_mb(self) -> float:
        """The memory of all its processes now: what each has for itself, and its part of what they share."""
        total = 0
        for each in tree(self.process.pid):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += each.memory_full_info().pss
        return total / 2**20


@contextmanager
def dagster_dev(folder: Folder) -> Iterator[Dagster]:
    """Run `dagster dev` for the block, which begins when the webserver answers.

    Raises:
        SystemExit: it ended, or did not answer in time. The message is the end of its log.
    """
    port = free_port()
    process = folder.start("dagster", "dev", "--host", "127.0.0.1", "--port", str(port), log="dev.log")
    try:
        until = time.monotonic() + _READY
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"`dagster dev` did not start\n{(folder.path / 'dev.log').read_text(errors='replace')[-3_000:]}")
            time.sleep(0.5)
        yield Dagster(process)
    finally:
        stop(process)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=5).is_success
    except httpx.TransportError:
        return False
