"""`python -m stori_pipeline_tests.bench`: the commands behind `make bench`, `make bench-latency` and `make bench-idle`.

Belongs here: their names. Does not belong here: their arguments and their work (their modules).
"""

from __future__ import annotations

import argparse
import signal
import sys

from stori_pipeline_tests.bench import compare, idle, latency, page, rounds

_COMMANDS = {
    "run": (rounds, "measure the pipeline against a raw COPY of the same run"),
    "compare": (compare, "show which ratios of processor time got worse between two files of figures"),
    "page": (page, "write the landed figures into docs/performance.md"),
    "latency": (latency, "measure how long a change takes to reach the warehouse"),
    "idle": (idle, "measure what a project of many tables costs while nothing changes"),
}


def _end(*_: object) -> None:
    """Ends as after Ctrl-C: every server that was started is stopped."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m stori_pipeline_tests.bench", description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=f"{description[:1].upper()}{description[1:]}.")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    chosen.run(chosen)


if __name__ == "__main__":
    main(sys.argv[1:])
