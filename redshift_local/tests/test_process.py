"""Detached processes: identifying them by pid and command, and stopping them; and the last lines of logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from redshift_local.embedded import process

PATIENCE = 20.0


def start_process(tmp_path: Path, program: str) -> tuple[int, list[str]]:
    """Start a Python program, and wait until it has printed `ready`; returns its pid and its command."""
    command = [sys.executable, "-u", "-c", program, str(tmp_path)]
    log = tmp_path / "log"
    pid = process.launch(command, log=log, env=dict(os.environ), cwd=tmp_path)
    deadline = time.monotonic() + PATIENCE
    while "ready" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return pid, command


def test_a_process_is_identified_by_its_pid_and_its_command(tmp_path: Path) -> None:
    pid, command = start_process(tmp_path, "import time; print('ready'); time.sleep(600)")
    assert process.alive(pid, command)
    assert process.find(command) == pid
    assert process.find([*command, "more"]) is None
    assert not process.alive(os.getpid(), command)
    assert not process.alive(None, command)
    assert os.getsid(pid) == pid  # the terminal's Ctrl-C does not reach it
    process.stop(pid, command, signal.SIGTERM, PATIENCE)
    assert not process.alive(pid, command)
    assert process.find(command) is None


def test_a_process_that_ignores_the_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    program = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready' if (child := os.fork()) else 'child')\n"
        "time.sleep(600)\n"
    )
    pid, command = start_process(tmp_path, program)
    assert process.find(command) is not None
    process.stop(pid, command, signal.SIGTERM, 0.2)
    deadline = time.monotonic() + PATIENCE
    while process.find(command) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_program_starts_whose_launcher_is_killed_before_it_has_stored_the_pid(tmp_path: Path) -> None:
    """Regression: `up` was killed after it had started a server and before it stored the pid. `down` did not find the server."""
    program = (
        "import os, sys, time; from pathlib import Path; from redshift_local.embedded import process\n"
        "def note(pid): print(pid, flush=True); time.sleep(600)\n"
        "folder = Path(sys.argv[1])\n"
        "process.launch(['touch', str(folder / 'begun')], log=folder / 'log', env=dict(os.environ), cwd=folder, note=note)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        assert process.exists(pid)
        launcher.kill()
    deadline = time.monotonic() + PATIENCE
    while process.exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not (tmp_path / "begun").exists()


def test_a_process_is_identified_before_it_executes_its_command(tmp_path: Path) -> None:
    command = ["sleep", "600", str(tmp_path)]
    becoming = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)", *command]
    with subprocess.Popen(becoming, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        assert process.find(command) == other.pid
        process.stop(other.pid, command, signal.SIGTERM, PATIENCE)


def test_a_process_of_another_command_is_not_stopped(tmp_path: Path) -> None:
    pid, command = start_process(tmp_path, "import time; print('ready'); time.sleep(600)")
    stranger, other = start_process(tmp_path, "import time; print('ready '); time.sleep(601)")
    process._children.pop(stranger).returncode = 0  # as if another process had started it
    process.stop(stranger, command, signal.SIGTERM, 0.2)
    assert process.alive(stranger, other)
    process.stop(pid, command, signal.SIGTERM, PATIENCE)
    process.stop(stranger, other, signal.SIGTERM, PATIENCE)


def test_the_tail_of_a_log_is_its_last_lines_since_a_point(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert process.tail(log) == ""
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert process.tail(log, lines=2) == "    line 9998\n    line 9999"
    begin = log.stat().st_size
    assert process.tail(log, since=begin) == ""
    with log.open("a") as file:
        file.write("new\n")
    assert process.tail(log, since=begin) == "    new"
    log.write_text("new file\n")
    assert process.tail(log, since=begin) == "    new file"
