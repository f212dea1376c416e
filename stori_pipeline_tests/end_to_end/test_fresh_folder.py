"""Dagster's own commands in a fresh clone: no server, no `.env`, no setting."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from stori_pipeline_tests.commands import inherited_environ

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
_NODES = "{ assetNodes { assetKey { path } } }"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("stori_pipeline", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


def environ(clone: Path, **more: str) -> dict[str, str]:
    return inherited_environ() | {"PYTHONPATH": str(clone), "HOME": str(clone), "DAGSTER_DISABLE_TELEMETRY": "yes"} | more


def run(clone: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    program = str(SCRIPTS / command[0])
    return subprocess.run(
        [program, *command[1:]], cwd=clone, env=environ(clone, **more), capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def dagster_dev(clone: Path) -> Iterator[int]:
    """`dg dev`, which starts `dagster dev`, in the clone. Gives its port when it answers."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    log = clone / "dev.log"
    with log.open("wb") as out:
        command = [str(SCRIPTS / "dg"), "dev", "--port", str(port)]
        process = subprocess.Popen(command, cwd=clone, env=environ(clone), stdout=out, stderr=out, start_new_session=True)
        try:
            until = time.monotonic() + 100
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=5)
                    break
                except httpx.TransportError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < until, log.read_text()
                    time.sleep(0.3)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # all that it started is in its group
            process.wait(20)


def test_definitions_load_and_are_listed(clone: Path) -> None:
    listed = run(clone, "dg", "list", "defs", "--json")
    assert listed.returncode == 0, listed.stderr
    keys = {each["asset_key"] for each in json.loads(listed.stdout)["assets"]}
    assert {"bank/transactions", "landing/bank/transactions", "warehouse/bank/transactions", "reports/sales_by_month"} <= keys
    assert listed.stderr.count("STORI_DAGSTER_STORAGE is not set") == 1


def test_the_home_of_another_project_is_named_and_definitions_are_valid(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    validated = run(clone, "dagster", "definitions", "validate", DAGSTER_HOME=str(tmp_path))
    assert validated.returncode == 0, validated.stderr
    output = validated.stdout + validated.stderr
    assert output.count(f"DAGSTER_HOME is {tmp_path}, which belongs to another project") == 1
    assert f"set it to {clone}" in output


def test_what_needs_a_server_says_which_command_starts_it(clone: Path) -> None:
    done = run(clone, "dagster", "asset", "materialize", "--select", "landing/bank/transactions", "-m", "stori_pipeline.definitions")
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if "STORI_SOURCE_BANK is not set" in line]
    assert said
    assert all("On a laptop, `stori up` writes it to .env" in line for line in said)


def test_dagster_dev_comes_up_and_shows_the_graph(clone: Path) -> None:
    with dagster_dev(clone) as port:
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": _NODES}, timeout=60).json()
        keys = {"/".join(node["assetKey"]["path"]) for node in answer["data"]["assetNodes"]}
        assert {"bank/transactions", "warehouse/bank/transactions"} <= keys
    assert (clone / ".stori" / "dagster" / "history").is_dir()
