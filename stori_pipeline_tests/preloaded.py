"""The program `python -m stori_pipeline_tests.preloaded`: it has imported what every command imports, and forks a child for each command.

Belongs here: forking, and how a child ended. Does not belong here: which command (`commands`). A child runs `stori_pipeline.cli.main`, as
the installed command does. It saves the import of Dagster and of the drivers, the larger part of a short command's time.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3  # noqa: F401
import dagster_aws.redshift
import dagster_aws.s3  # noqa: F401
import dagster_postgres  # noqa: F401
import psycopg2  # noqa: F401
import pymongo  # noqa: F401
import sqlglot.optimizer.qualify  # noqa: F401

# Nothing of the project, which may read the environment, and neither polars nor pyarrow: they start threads, which a fork loses.


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
    sys.argv = ["stori", *command["arguments"]]
    from stori_pipeline.cli import main

    main()


def _exit_code(pid: int) -> int | None:
    """How the child ended, negative for a signal; None while it runs. A child that has ended keeps its pid until this was asked."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def serve() -> None:
    """Answer each line of stdin with one of stdout: a command to run with the child's pid, a pid with its exit code."""
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        raise SystemExit(f"{threads} threads run; a child would have only one of them, and hang")
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
