"""The command with its own PostgreSQL: it starts and stops it, keeps the data, and explains failures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import pytest

from redshift_local.embedded import process
from redshift_local.embedded.cluster import binary
from redshift_local.instance import stop_leftovers
from tests.sessions import PATIENCE, ask, eventually


@dataclass(frozen=True)
class Running:
    """The running command: `line` is the line that it printed, `port` its port, `data` its folder."""

    program: subprocess.Popen[str]
    line: str
    port: int
    data: Path

    def url(self) -> str:
        return (self.data / "url").read_text().strip()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send this signal; returns the exit code and what was printed to stderr."""
        self.program.send_signal(number)
        _, errors = self.program.communicate(timeout=PATIENCE)
        return self.program.returncode, errors


def command(data: Path, *options: str, port: int = 0) -> list[str]:
    return [sys.executable, "-m", "redshift_local", "--port", str(port), "--data", str(data), *options]


@contextmanager
def running_command(data: Path) -> Iterator[Running]:
    with subprocess.Popen(command(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            address = re.match(r"redshift-local listens at 127\.0\.0\.1:(\d+); connect with ", line)
            assert address, line
            yield Running(program, line, int(address[1]), data)
        finally:
            program.kill()


def error_of(*words: str) -> str:
    """Run a command that must end with exit code 1; returns what it printed to stderr."""
    result = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def servers(data: Path) -> list[int]:
    """The pids of the PostgreSQL servers of this folder, without their children, which briefly have the same command line."""
    commands = process.having("-D", str(data / "postgres"))
    return [pid for pid in commands if psutil.Process(pid).ppid() not in commands]


@pytest.fixture
def data() -> Iterator[Path]:
    """The path of a folder that does not exist, with a blank in it. After the test it is removed, and its servers are stopped."""
    folder = Path(tempfile.mkdtemp(prefix="redshift-local-command-"))
    folder.chmod(0o711)
    yield folder / "some data"
    if (folder / "some data").is_dir():
        stop_leftovers(folder / "some data")
    shutil.rmtree(folder)


def test_it_keeps_its_data_and_its_address_is_in_a_file(data: Path) -> None:
    with running_command(data) as first:
        with closing(psycopg2.connect(first.url())) as connection, connection:
            ask(connection, "CREATE TABLE t (a VARCHAR(3), b SUPER)")
            ask(connection, "INSERT INTO t VALUES ('abc', JSON_PARSE('[1]'))")
        assert (data / "url").stat().st_mode & 0o777 == 0o600
        password = first.url().split(":")[2].split("@")[0]
        shown = first.line + " ".join(" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))
        assert password not in shown
        assert first.end(signal.SIGINT) == (0, "")
    with running_command(data) as second, closing(psycopg2.connect(second.url())) as connection:
        assert ask(connection, "SELECT a, b[0] FROM t") == [("abc", "1")]


def test_the_line_that_it_prints_connects_psql(data: Path) -> None:
    with running_command(data) as running:
        call = running.line.strip().partition("; connect with ")[2]
        result = subprocess.run(
            ["bash", "-euc", f"{call} --no-psqlrc -tAc 'SELECT NVL(NULL, 42)'"],
            env={"PATH": f"{binary('psql').parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (result.stdout, result.stderr) == ("42\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_postgres(data: Path, number: signal.Signals) -> None:
    with running_command(data) as running:
        assert len(servers(data)) == 1
        with closing(psycopg2.connect(running.url())) as connection:
            assert running.end(number) == (0, "")
            with pytest.raises(psycopg2.OperationalError):
                ask(connection, "SELECT 1")
    assert servers(data) == []


@pytest.mark.parametrize("reached", ["lock", "postgres.log"])
def test_a_signal_while_it_starts_ends_it_and_its_postgres(data: Path, reached: str) -> None:
    with subprocess.Popen(command(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert eventually((data / reached).exists)
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    assert servers(data) == []


def test_after_a_kill_the_next_start_ends_the_old_postgres_and_has_the_data(data: Path) -> None:
    with running_command(data) as killed:
        with closing(psycopg2.connect(killed.url())) as connection, connection:
            ask(connection, "CREATE TABLE t (a INT)")
        killed.program.kill()
    (old,) = servers(data)
    with running_command(data) as running, closing(psycopg2.connect(running.url())) as connection:
        assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
        assert [pid != old for pid in servers(data)] == [True]


def test_it_ends_with_an_error_when_its_postgres_ends(data: Path) -> None:
    with running_command(data) as running:
        (pid,) = servers(data)
        os.kill(pid, signal.SIGQUIT)
        _, errors = running.program.communicate(timeout=PATIENCE)
        assert running.program.returncode == 1
        assert errors.startswith(f"redshift-local: the PostgreSQL behind it has ended; its log {data}/postgres.log ends with\n")


def test_it_listens_only_at_the_loopback_address(data: Path) -> None:
    with running_command(data) as running:
        listening = [each.laddr for each in psutil.Process(running.program.pid).net_connections() if each.status == psutil.CONN_LISTEN]
        assert [(each.ip, each.port) for each in listening] == [("127.0.0.1", running.port)]
        (pid,) = servers(data)
        assert "--listen_addresses=127.0.0.1" in psutil.Process(pid).cmdline()


def test_it_works_in_a_folder_closed_to_others(data: Path) -> None:
    """If the test runs as root, PostgreSQL runs under another account, which must be able to enter the folder."""
    data.parent.chmod(0o700)
    with running_command(data) as running, closing(psycopg2.connect(running.url())) as connection:
        assert ask(connection, "SELECT 1") == [(1,)]
    assert data.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_command_on_the_same_folder_is_refused(data: Path) -> None:
    with running_command(data) as running:
        assert f"another redshift-local uses {data}; stop it, or name another folder" in error_of(*command(data))
        assert running.program.poll() is None


def test_a_port_that_is_in_use_is_refused_before_anything_is_created(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        errors = error_of(*command(data, port=port))
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use; free the port, or name another one" in errors
    assert not data.exists()


def test_a_folder_with_other_files_is_refused_and_not_changed(data: Path) -> None:
    data.mkdir(mode=0o700)
    (data / "thesis.txt").write_text("mine")
    assert "contains files that are not a local Redshift's data; name a new or an empty folder" in error_of(*command(data))
    assert [path.name for path in data.iterdir()] == ["thesis.txt"]
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_path_that_is_a_file_is_refused(data: Path) -> None:
    data.write_text("mine")
    assert f"{data} cannot be used: Not a directory; name another folder" in error_of(*command(data))


@pytest.mark.parametrize("character", ["$", '"', "`"])
def test_a_path_that_initdb_cannot_handle_is_refused_before_anything_is_created(data: Path, character: str) -> None:
    folder = data / f"a{character}b"
    assert "which PostgreSQL's initdb cannot handle; use a path without it" in error_of(*command(folder))
    assert not data.exists()


def test_a_data_folder_without_its_passwords_is_refused(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "lock").touch()
    assert f"{data}/passwords.json is missing" in error_of(*command(data))


@pytest.mark.parametrize("options", [["--port", "65536"], ["--port", "-1"], ["--backend", "dev"], ["--data", "a", "--backend", "b"]])
def test_wrong_options_are_explained(options: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "redshift_local", *options], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("usage: redshift-local ")
