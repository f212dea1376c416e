"""The local stack's API of exchange rates, as a server of it.

Belongs here: how that program is started, and the program. Does not belong here: what it answers (`rates_server`).
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from stori_pipeline.local import probe
from stori_pipeline.local.program import Program

BASE = "GBP"
"""The currency that the pipeline is told to ask rates for: one of it in others."""


class Rates(Program):
    """Daily rates over HTTP, of the kind that central banks' rates are offered with."""

    name = "rates"
    preferred_port = 8095

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def source_url(self, port: int) -> str:
        return f"{self.address(port)}?base={BASE}"

    def prepare(self) -> None:
        """It keeps nothing: every day's rates follow from the day."""

    def command(self, port: int) -> list[str]:
        # The program takes no folder, so the interpreter is told one: by it this stack's process is known from another stack's.
        return [sys.executable, "-X", f"stack={self.home}", "-m", "stori_pipeline.local.rates", "--port", str(port)]

    def answers(self, port: int) -> bool:
        return probe.http(port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m stori_pipeline.local.rates", description="Exchange rates on one machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    told = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stori_pipeline.local.rates_server import RatesServer

    with RatesServer((told.host, told.port)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
