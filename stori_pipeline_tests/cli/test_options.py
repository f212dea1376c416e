"""What all commands understand: --verbose, --quiet, errors as JSON, completion, colours, and being called outside a project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from stori_pipeline.cli import main
from stori_pipeline_tests.cli.conftest import STORI, ProjectFolder
from stori_pipeline_tests.commands import Ended, inherited_environ


def run(words: list[str | Path], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, as a shell starts it."""
    more = inherited_environ() | environ
    return subprocess.run(words, cwd=folder, env=more, capture_output=True, text=True, timeout=60, check=False)


def error_of(ended: Ended) -> dict[str, object]:
    """The error on the last line of stderr."""
    found: dict[str, object] = json.loads(ended.err.splitlines()[-1])
    return found


@pytest.mark.parametrize("words", [["-v", "sync", "bank.transactions"], ["sync", "bank.transactions", "--verbose"]])
def test_verbose_logs_to_stderr_what_was_done(project: ProjectFolder, words: list[str]) -> None:
    project.bank("UPDATE transactions SET transaction_details = transaction_details || '!' WHERE transaction_no = 3")
    ended = project.stori(*words).expect(0)
    assert "INFO stori_pipeline.pipeline.sync: bank.transactions: batch " in ended.err
    assert "DEBUG" not in ended.err
    assert "INFO" not in ended.out


def test_twice_verbose_logs_details_without_passwords(project: ProjectFolder) -> None:
    ended = project.stori("sync", "-vv", "bank.transactions").expect(0)
    assert "DEBUG stori_pipeline.warehouse.session: " in ended.err
    assert str(project.environ["STORI_WAREHOUSE"]).partition("://")[2].partition("@")[0].partition(":")[2] not in ended.err


@pytest.mark.parametrize("words", [["-q", "sync", "--full", "exchange.trades"], ["sync", "--full", "exchange.trades", "--quiet"]])
def test_quiet_prints_nothing_if_all_is_well(project: ProjectFolder, words: list[str]) -> None:
    # Not the bank's table: other tests delete rows of it, of which a check warns.
    assert project.stori(*words).expect(0).output == ""


def test_quiet_prints_errors_and_json(project: ProjectFolder) -> None:
    assert project.stori("-q", "sync", "bank.nothing").expect(1).err.startswith("Error: ")
    assert project.stori("-q", "status", "--json").json


# ---- errors as JSON


def test_with_json_an_error_is_one_object_on_stderr(project: ProjectFolder) -> None:
    ended = project.stori("sync", "--json", "bank.nothing")
    assert (ended.code, ended.out) == (1, "")
    error = error_of(ended)
    assert (error["error"], error["code"]) == ("DefinitionError", 1)
    assert "no source table 'bank.nothing'" in str(error["message"])


@pytest.mark.parametrize("words", [["sync", "--json", "--nonsense"], ["synk", "--json"], ["settings", "--json", "extra"]])
def test_with_json_a_usage_error_is_json_with_exit_code_2(project: ProjectFolder, words: list[str]) -> None:
    ended = project.stori(*words)
    assert (ended.code, ended.out, error_of(ended)["code"]) == (2, "", 2)
    assert len(ended.err.splitlines()) == 1


def test_without_json_a_usage_error_is_text(project: ProjectFolder) -> None:
    ended = project.stori("sync", "--", "--json")  # the name of a table, which there is not
    assert ended.code == 1
    assert ended.err.startswith("Error: ")


# ---- outside a project, and in a broken one


@pytest.mark.parametrize("command", ["sync", "status", "settings", "down", "verify"])
def test_outside_a_project_is_one_clear_line(command: str, tmp_path: Path) -> None:
    """Regression: it printed a table of blanks, and advice about DAGSTER_HOME."""
    done = run([STORI, command], tmp_path, DAGSTER_HOME=str(tmp_path / "another"), STORI_PROJECT="")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"Error: {tmp_path} is in no project of stori; change into a project's folder, or make one with `stori init NAME`\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["completion", "bash"], ["init", "shop"], ["sync", "--help"]])
def test_what_needs_no_project_works_outside(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, words).exit_code == 0


@pytest.mark.parametrize("broken", ["raise RuntimeError('broken')", "def", "import nowhere_at_all", "PROJECT = 1"])
def test_help_and_completion_answer_in_a_broken_project(broken: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.stori]\nproject = "broken.project"\n')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "project.py").write_text(broken)
    assert completed("sync ba", tmp_path, STORI_PROJECT="") == []
    assert "sync" in completed("sy", tmp_path, STORI_PROJECT="")
    done = run([STORI, "--help"], tmp_path, STORI_PROJECT="")
    assert (done.returncode, done.stderr) == (0, "")


# ---- completion


def completed(line: str, folder: Path, **environ: str) -> list[str]:
    """What bash would offer at the end of `stori LINE`."""
    words = ["stori", *line.split(" ")]
    done = run([STORI], folder, **environ, _STORI_COMPLETE="bash_complete", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1))
    assert done.stderr == ""
    return [each.partition(",")[2] for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sync bank.", ["bank.transactions"]),
        ("verify bank.transactions exch", ["exchange.trades"]),
        ("workload ba", ["bank"]),
        ("up --port red", ["redshift="]),
        ("sync --det", ["--detect-deletes"]),
        ("detect-d", ["detect-deletes"]),
        ("sync --qui", ["--quiet"]),
    ],
)
def test_completion_offers_commands_options_and_names(project: ProjectFolder, line: str, offered: list[str]) -> None:
    assert completed(line, project.folder) == offered


def test_completion_parses_no_sql_and_imports_no_dagster(project: ProjectFolder) -> None:
    program = (
        "import atexit, sys\n"
        "from stori_pipeline.cli import main\n"
        "heavy = {'dagster', 'psycopg2', 'pymongo', 'boto3', 'sqlglot', 'moto', 'pydantic_settings'}\n"
        "try:\n"
        "    main(prog_name='stori')\n"
        "finally:\n"
        "    sys.stderr.write(str(heavy & set(sys.modules)))\n"
    )
    asking = {"_STORI_COMPLETE": "zsh_complete", "COMP_WORDS": "stori sync ba", "COMP_CWORD": "2"}
    done = run([sys.executable, "-c", program], project.folder, **asking)
    assert "bank.transactions" in done.stdout
    assert done.stderr == "set()"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_of_the_shell(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_STORI_COMPLETE={shell}_complete" in done.output
    if found := shutil.which(shell):  # each shell that is here must take it
        subprocess.run([found, "-n"] if shell != "fish" else [found, "--no-execute"], input=done.output, text=True, check=True, timeout=20)


# ---- the module, and colours


def test_the_package_is_a_program(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "stori_pipeline", "--version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "version 0." in done.stdout


def on_a_terminal(words: list[str], folder: Path, environ: dict[str, str]) -> str:
    """The output of a command whose stdout and stderr are a terminal."""
    main_end, its_end = os.openpty()
    with subprocess.Popen([STORI, *words], cwd=folder, env=inherited_environ() | environ, stdout=its_end, stderr=its_end) as process:
        os.close(its_end)
        shown = b""
        try:
            while more := os.read(main_end, 65_536):
                shown += more
        except OSError:
            pass  # the other end is closed: the command has ended
        process.wait(60)
    os.close(main_end)
    return shown.decode()


def test_colours_are_for_terminals_and_follow_no_color_and_force_color(project: ProjectFolder) -> None:
    colour, bold = re.compile("\x1b\\[[0-9;]*3[0-7]m"), "\x1b[1m"
    assert "\x1b[" not in project.installed("status").out
    assert "\x1b[" in on_a_terminal(["status"], project.folder, {"TERM": "xterm-256color"})
    assert not colour.search(on_a_terminal(["status"], project.folder, {"TERM": "xterm-256color", "NO_COLOR": "1"}))
    assert bold in run([STORI, "status"], project.folder, FORCE_COLOR="1").stdout
