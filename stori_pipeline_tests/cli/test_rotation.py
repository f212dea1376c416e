"""A value that is rotated in `.env` is read by what runs, and by what that starts; the environment proper wins."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from dotenv import set_key

from stori_pipeline_tests.cli.conftest import STORI, ProjectFolder
from stori_pipeline_tests.commands import inherited_environ

# As `dagster dev` does, it copies `.env` into its environment when it starts. Its child inherits the copy, as a run does.
_LIKE_DAGSTER_DEV = """
import os, subprocess, sys
from dotenv import dotenv_values
os.environ.update({**dotenv_values(".env"), **os.environ})
from stori_pipeline.settings import Settings
for _ in sys.stdin:
    Settings.load()
    child = "from stori_pipeline.settings import Settings; print(Settings.load().environ['STORI_WAREHOUSE'])"
    inherited = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout.strip()
    print(Settings.load().environ.get("STORI_WAREHOUSE"), inherited, flush=True)
"""
_FIRST, _SECOND = "postgresql://loader:first@127.0.0.1/dev", "postgresql://loader:second@127.0.0.1/dev"


@contextmanager
def asked(folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", _LIKE_DAGSTER_DEV]
    more = inherited_environ() | environ
    with subprocess.Popen(program, cwd=folder, env=more, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def answer(process: subprocess.Popen[str]) -> list[str]:
    """The address of the warehouse, as the process and a child of it read it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().split()


def test_a_running_process_and_its_children_read_a_changed_dotenv(tmp_path: Path) -> None:
    set_key(tmp_path / ".env", "STORI_WAREHOUSE", _FIRST)
    with asked(tmp_path) as process:
        assert answer(process) == [_FIRST, _FIRST]
        set_key(tmp_path / ".env", "STORI_WAREHOUSE", _SECOND)
        assert answer(process) == [_SECOND, _SECOND]
        set_key(tmp_path / ".env", "STORI_WAREHOUSE", _FIRST)
        assert answer(process) == [_FIRST, _FIRST]


def test_the_environment_proper_wins_over_a_changed_dotenv(tmp_path: Path) -> None:
    set_key(tmp_path / ".env", "STORI_WAREHOUSE", _FIRST)
    proper = "postgresql://loader:proper@127.0.0.1/dev"
    with asked(tmp_path, STORI_WAREHOUSE=proper) as process:
        assert answer(process) == [proper, proper]
        set_key(tmp_path / ".env", "STORI_WAREHOUSE", _SECOND)
        assert answer(process) == [proper, proper]


def _health(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code


def test_the_api_reads_a_rotated_address_without_a_restart(project: ProjectFolder, tmp_path: Path) -> None:
    """Regression: it kept the address that it was started with."""
    for name in ("STORI_PROCESSED_BUCKET", "AWS_ENDPOINT_URL"):
        set_key(tmp_path / ".env", name, project.environ[name])
    set_key(tmp_path / ".env", "STORI_WAREHOUSE_READER", "postgresql://reader:old@127.0.0.1:1/dev")
    command: list[str | Path] = [STORI, "api", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=inherited_environ(), stderr=subprocess.PIPE, text=True) as api:
        try:
            assert api.stderr is not None
            port = int(api.stderr.readline().partition("127.0.0.1:")[2].partition("/")[0])
            assert _health(port) == 503
            set_key(tmp_path / ".env", "STORI_WAREHOUSE_READER", project.environ["STORI_WAREHOUSE_READER"])
            assert _health(port) == 200
        finally:
            api.terminate()


def test_a_failed_connection_fetches_the_secrets_again(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: after a rotation the old password was tried for five minutes."""
    import boto3

    from stori_pipeline.settings import Settings
    from stori_pipeline.warehouse import Warehouse, WarehouseUnavailable

    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, project.environ[name])
    manager, name, url = boto3.client("secretsmanager"), f"rotated-{time.time_ns()}", project.environ["STORI_WAREHOUSE"]
    arn = manager.create_secret(Name=name, SecretString=url.replace("://loader:", "://loader:old"))["ARN"]
    settings = Settings(project.environ | {"STORI_WAREHOUSE": arn})
    assert settings.warehouse_url != url
    manager.put_secret_value(SecretId=name, SecretString=url)
    with pytest.raises(WarehouseUnavailable, match="authentication failed"):
        Warehouse(settings.warehouse_url, settings.copy_role).query("SELECT 1")
    assert Warehouse(settings.warehouse_url, settings.copy_role).query("SELECT 1") == [(1,)]
