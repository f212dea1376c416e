"""The local stack's API of exchange rates.

Belongs here: starting it, and its command line. Does not belong here: its responses (`rates_server`).
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from stori_pipeline.local import probe
from stori_pipeline.local.program import SourceProgram

BASE = "GBP"
"""The base currency of the rates that the pipeline requests."""


class Rates(SourceProgram):
    """Daily rates over HTTP, in the format of public APIs of central banks' rates."""

    name = "rates"
    preferred_port = 8095

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def source_url(self, port: int) -> str:
        return f"{self.address(port)}?base={BASE}"

    def prepare(self) -> None:
        """Nothing to prepare: the server stores no data, and computes each day's rates from the date."""

    def command(self, port: int) -> list[str]:
        # The program takes no folder. The interpreter's option names one, so that processes of two stacks can be told apart.
        return [sys.executable, "-X", f"stack={self.home}", "-m", "stori_pipeline.local.rates", "--port", str(port)]

    def answers(self, port: int) -> bool:
        return probe.http(port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m stori_pipeline.local.rates", description="Exchange rates on one machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stori_pipeline.local.rates_server import RatesServer

    with RatesServer((options.host, options.port)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
