"""Run the tests that depend on the day at every moment: `python -m stori_pipeline_tests.moments [MOMENT]...`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from stori_pipeline_tests.moments import EACH_AT, MOMENTS, OFFSET, Moment

_TESTS = Path(__file__).parents[1]
_MARKED = sorted(str(path) for path in _TESTS.rglob("test_*.py") if "pytest.mark.clock" in path.read_text())
"""The files with marked tests: pytest would import all the others to find none in them."""
_AT_ONCE = 3
_PATIENCE = 1_800.0
_PATIENCE_TO_END = 120.0


def _run(moment: Moment) -> tuple[Moment, datetime, int, str]:
    """The marked tests at that moment: when it is, pytest's exit code, and what it printed."""
    now = datetime.now(timezone.utc)
    at = moment.at(now)
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    environ = os.environ | {"TZ": moment.zone, OFFSET: str((at - now).total_seconds()), "PYTHONPATH": path}
    if moment.each:
        environ[EACH_AT] = str(at.timestamp())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stori_pipeline_tests.moments.each"]
    # It is imported before pytest, which it is a plugin of as well.
    command += ["-W", "ignore:Module already imported so cannot be rewritten; time_machine"]
    with subprocess.Popen(
        [*command, "-m", "clock", *_MARKED],
        cwd=_TESTS.parent,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            printed, _ = running.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)  # on which pytest stops the servers that it has started
            printed, _ = running.communicate(timeout=_PATIENCE_TO_END)
            printed += f"\nthis did not end within {_PATIENCE:.0f} s and was interrupted"
    return moment, at, running.returncode, printed


def main() -> int:
    """Returns the exit code: 0 where every test passed at every moment."""
    by_name = {moment.name: moment for moment in MOMENTS}
    parser = argparse.ArgumentParser(prog="make test-clock", description="Run the tests that depend on the day, at other moments.")
    parser.add_argument("moments", nargs="*", metavar="MOMENT", help=f"one or more of {', '.join(by_name)}; all of them by default")
    names = parser.parse_args().moments or list(by_name)
    if unknown := [name for name in names if name not in by_name]:
        parser.error(f"there is no moment {unknown[0]!r}; there are {', '.join(by_name)}")
    failed = False
    began = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for moment, at, code, printed in threads.map(_run, [by_name[name] for name in names]):
            failed |= code != 0
            shown = printed if code else printed.strip().rpartition("\n")[2] + "\n"
            sys.stdout.write(f"== {moment.name}: {at:%Y-%m-%d %H:%M:%S} UTC, in {moment.zone}\n{shown}")
            sys.stdout.flush()
    sys.stdout.write(f"{len(names)} moments in {time.monotonic() - began:.0f} s\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
