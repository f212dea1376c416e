"""Ctrl-C at a terminal: every process of the command gets the signal, and the command ends with a plain line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from stori_pipeline_tests.commands import PATIENCE, inherited_environ
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def test_ctrl_c_of_a_continuous_sync_ends_with_a_plain_line(platform: Platform) -> None:
    platform.move(5)
    platform.trade(0, 5)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    platform.move(1)
    shown = platform.folder / "shown"
    with shown.open("w") as output:
        command = subprocess.Popen(
            [sys.executable, "-m", "stori_pipeline", "sync", "--continuous"],
            cwd=platform.folder,
            env={**inherited_environ(), **platform.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a process group of its own, as a terminal gives each command
        )
    try:
        until = time.monotonic() + PATIENCE
        while "bank.transactions: batch 2" not in shown.read_text():
            assert command.poll() is None, shown.read_text()
            assert time.monotonic() < until, shown.read_text()
            time.sleep(0.1)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(PATIENCE) == 0, shown.read_text()
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait(PATIENCE)
    lines = shown.read_text().splitlines()
    assert lines[-1].startswith("Ended. ")
    assert not any("Traceback" in line or "Interrupt" in line for line in lines), lines
    platform.assert_equal(BANK)
