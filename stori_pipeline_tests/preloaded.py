"""The program `python -m stori_pipeline_tests.preloaded`: it has imported what every command imports, and forks a child for each command.

Belongs here: forking, and how a child ended. Does not belong here: which command (`commands`). A child runs `stori_pipeline.cli.main`, as
the installed command does. It saves the imports and the definitions, the larger part of a short command's time.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from stori_pipeline.cli import main
from stori_pipeline.definitions import defs

_LOST = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""The threads of this process that a child does not have: they free memory and remove files of polars in the background."""


def _become(command: dict[str, Any]) -> None:
    """Run the command in this process, up to its `SystemExit`."""
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environ"])
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, command["out"], os.O_WRONLY), (2, command["err"], os.O_WRONLY)):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    faulthandler.enable()
    # What the imports left to do at the end waits for threads that this process does not have: polars's, for ever, on Python 3.10.
    atexit._clear()
    atexit.register(logging.shutdown)
    sys.argv = ["stori", *command["arguments"]]
    main()


def _exit_code(pid: int) -> int | None:
    """How the child ended, negative for a signal; None while it runs. A child that has ended keeps its pid until this was asked."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def serve() -> None:
    """Answer each line of stdin with one of stdout: a command to run with the child's pid, a pid with its exit code."""
    defs.get_repository_def()
    # Otherwise a child copies what it shares with this process when it collects garbage, and collects all of it when it ends.
    gc.collect()
    gc.freeze()
    names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(others := [name for name in names if name not in _LOST]) > 1:
        raise SystemExit(f"the threads {others} run; a child would have only one of them, and could wait for another for ever")
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            answer = _exit_code(request)
        elif (answer := os.fork()) == 0:
            return _become(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return None


if __name__ == "__main__":
    serve()
