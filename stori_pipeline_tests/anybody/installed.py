"""The built wheels in an environment of their own, and commands in a folder that knows no checkout.

Belongs here: building, installing and running. Does not belong here: what a test runs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redshift_local.embedded.ports import free_port
from stori_pipeline_tests.commands import PATIENCE, Ended, inherited_environ

ROOT = Path(__file__).parents[2]
_DEV_SECONDS = 120.0


def build_wheels(folder: Path) -> list[Path]:
    """Build the wheels of both distributions into a folder."""
    for project in (ROOT, ROOT / "redshift_local"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=project, capture_output=True, timeout=PATIENCE, check=True)
    return sorted(folder.glob("*.whl"))


def install(wheels: list[Path], folder: Path) -> Path:
    """A new environment with the wheels and nothing else of this checkout; returns its folder of programs.

    It sees the libraries that they need in this process's environment, through a path file. Path files of that environment, such as the one
    of an editable installation, do not count there.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", *map(str, wheels)], capture_output=True, timeout=PATIENCE, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"


@dataclass(frozen=True)
class InstalledProject:
    """A project's folder, and the environment whose `stori` runs in it."""

    folder: Path
    bin: Path

    def environ(self) -> dict[str, str]:
        """The environment of its commands, without anything that leads to this checkout."""
        return {name: value for name, value in inherited_environ().items() if name not in ("STORI_PROJECT", "PYTHONPATH")}

    def run(self, *command: str) -> Ended:
        """Run a program of the environment, such as `stori`."""
        program = [str(self.bin / command[0]), *command[1:]]
        done = subprocess.run(
            program, cwd=self.folder, env=self.environ(), capture_output=True, text=True, timeout=2 * PATIENCE, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr, command)

    def stori(self, *words: str) -> Ended:
        """Run `stori`, which must succeed."""
        return self.run("stori", *words).expect(0)

    @contextmanager
    def dagster_dev(self) -> Iterator[Callable[[str], Any]]:
        """Run `dagster dev` for the block, which gets a function that answers a GraphQL query."""
        port, log = free_port(), self.folder / "dev.log"
        command = [str(self.bin / "python"), "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environ(), stdout=output, stderr=output, start_new_session=True)

        def ask(query: str) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- a loopback address
                return json.loads(answer.read())["data"]

        try:
            wait_until(lambda: bool(ask("{ version }")), lambda: log.read_text(errors="replace"))
            yield ask
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                pass
            finally:
                with _no_group_left():
                    os.killpg(process.pid, signal.SIGKILL)  # what it left behind
                process.wait(10)


@contextmanager
def _no_group_left() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return


def wait_until(true: Callable[[], bool], log: Callable[[], str], seconds: float = _DEV_SECONDS) -> None:
    """Wait until something is true. An `OSError` counts as not yet. `log` says what to show if it never is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"not true within {seconds:.0f} s\n{log()[-5_000:]}")
