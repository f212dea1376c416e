"""The command without its work: help, imports at start-up, errors, and the stack's commands."""

from __future__ import annotations

import ast
import importlib
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import stori_pipeline
from stori_pipeline.cli import console, main
from stori_pipeline.local.samples.report import ImportRefused, SampleError
from stori_pipeline.local.state import StackError
from stori_pipeline.warehouse import WarehouseUnavailable
from stori_pipeline_tests.cli.conftest import ProjectFolder
from stori_pipeline_tests.shipped import SERVERS

PACKAGE = Path(stori_pipeline.__file__).parent
COMMANDS = [
    *("add", "api", "completion", "detect-deletes", "down", "drop-table", "init", "quarantine", "scaffold", "schema", "settings", "status"),
    *("sync", "up", "verify"),
]
OWN = ["demo", "seed", "workload"]
"""What the shipped project adds."""


def test_these_are_the_commands() -> None:
    assert sorted(main.commands) == COMMANDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command_says_what_it_does_and_what_each_option_means(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3
    found = main.commands[command] if command else main
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command} {parameter.name}"


def test_the_version_is_the_packages() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.exit_code == 0
    assert "0." in done.output


@pytest.mark.parametrize("words", [["--help"], ["sync", "--help"], ["status"]])
def test_quick_commands_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from stori_pipeline.cli import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        "heavy = {'dagster', 'polars', 'pyarrow', 'pandas', 'psycopg2', 'pymongo', 'boto3', 'sqlglot', 'moto'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "imported" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_background_command_of_a_script_ends_on_sigint(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "from stori_pipeline.cli import main\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "main(['status', '--help'], standalone_mode=False)\n"
        "from dagster._utils.interrupts import capture_interrupts\n"
        "with capture_interrupts(): pass  # as around a run\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program]
    ignoring = ["env", "--ignore-signal=INT", *command]
    with subprocess.Popen(ignoring, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        while "ready" not in (line := started.stdout.readline()):
            assert line, started.communicate()[1]
        started.send_signal(signal.SIGTERM)
        try:
            started.communicate(timeout=30)
        finally:
            started.kill()
    assert started.returncode == -signal.SIGINT  # Dagster's handler is Python's own for SIGINT


@pytest.mark.parametrize(
    "error",
    [
        ImportRefused("txns.csv: no header"),
        StackError("mongo did not start"),
        WarehouseUnavailable("away"),
    ],
)
def test_the_projects_own_errors_become_one_line(error: Exception) -> None:
    with pytest.raises(click.ClickException, match=str(error)), console.plain_errors(SampleError):
        raise error


def test_an_error_of_several_lines_becomes_one_line() -> None:
    with pytest.raises(click.ClickException, match=r"^away: is it up\?$"), console.plain_errors():
        raise WarehouseUnavailable("away:\n\tis it up?\n")


def test_every_error_class_that_the_command_translates_exists() -> None:
    for module, name in console._OWN_ERRORS:
        assert issubclass(getattr(importlib.import_module(module), name), Exception)


# Errors that no command lets out, and what becomes of each.
_NEVER_SEEN = {
    "Abandoned": "ends a thread of a reading that its caller closed",
    "BrokenFile": "becomes a rejected row",
    "Doubtful": "the block is read again, row by row",
    "Failed": "the command raises it, and prints its lines",
    "DrawingError": "fails its step, whose message the command prints",
    "MetricsError": "the alerts go on, and warn",
    "MisfitError": "becomes a rejected row",
    "NotJson": "becomes a rejected row",
    "Refusal": "becomes a rejected line of an import",
    "TooMuch": "the continuous sync leaves the table to a run",
    "Unanswered": "the sync runs, and says what is wrong",
    "SendError": "the alerts go on, and warn",
    "StorageUnavailable": "is one of click's, which prints its message",
    "StoreUnavailable": "the API's response 503",
    "TooManyRequests": "the API's response 429",
    "Unauthorized": "the API's response 401",
    "UnsupportedSql": "becomes a DefinitionError",
}


def test_the_command_translates_every_error_class_of_the_package() -> None:
    plain = (SampleError, *(getattr(importlib.import_module(module), name) for module, name in console._OWN_ERRORS))
    unknown = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.bases:
                module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
                defined = getattr(importlib.import_module(module.removesuffix(".__init__")), node.name)
                if issubclass(defined, Exception) and not issubclass(defined, plain):
                    unknown.add(node.name)
    assert unknown == set(_NEVER_SEEN)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), console.plain_errors():
        raise ZeroDivisionError


# ---- the stack's commands


def test_status_json_has_its_shape_and_says_that_all_answer(project: ProjectFolder) -> None:
    ended = project.stori("status", "--json")
    assert ended.code == 0
    servers = ended.json["servers"]
    assert [list(each) for each in servers] == [["name", "address", "up"]] * len(SERVERS)
    assert [each["name"] for each in servers] == list(SERVERS)
    assert all(each["up"] is True and "127.0.0.1:" in each["address"] for each in servers)
    assert "@" not in ended.out  # no credentials


def test_status_without_a_started_stack_fails_and_lists_the_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["status"])
    assert list(tmp_path.iterdir()) == []
    assert done.exit_code == 1
    assert all(name in done.output for name in SERVERS)


@pytest.mark.parametrize("command", ["up", "down", "status", "demo"])
def test_a_broken_state_file_is_one_line_with_advice(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".stori").mkdir()
    (tmp_path / ".stori" / "state.json").write_text("{")
    done = CliRunner().invoke(main, [command])
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert "state.json" in done.output
    assert "move" in done.output


@pytest.mark.parametrize("port", ["redshift", "redshift=", "redshift=x"])
def test_an_invalid_port_is_refused_with_an_example(project: ProjectFolder, port: str) -> None:
    ended = project.stori("up", "--port", port)
    assert ended.code == 2
    assert "such as redshift=5439" in ended.err


def test_an_unknown_server_is_refused_with_the_list_of_servers(project: ProjectFolder) -> None:
    ended = project.stori("up", "--port", "mysql=3306")
    assert ended.code == 1
    assert f"there is no server 'mysql'; the stack has {', '.join(SERVERS)}" in ended.err
    assert "Traceback" not in ended.err
