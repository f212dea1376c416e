"""Other tools on the same table, in the same rounds: rivet and dlt, to Parquet in the same S3.

Belongs here: their environment, their configuration, and their figures. Does not belong here: dlt's own program (`peer_dlt`, which runs in
that environment). Their versions are pinned in `peers.txt`.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stori_pipeline_tests.bench.figures import ratio
from stori_pipeline_tests.bench.measure import CLIENT, Measured
from stori_pipeline_tests.bench.works import Works

PEERS = ("rivet", "dlt")
_PINS = Path(__file__).with_name("peers.txt")
_PROGRAM = Path(__file__).with_name("peer_dlt.py")
_INSTALL_SECONDS = 900.0

_STEPS = {"extract_full": ("full", "raw out"), "extract_1pct": ("1 %", "raw out 1 %"), "nothing_new": ("nothing", "raw out nothing")}
"""The figures of a peer: the end of its step's name, and the raw limit."""

_RIVET = """\
source: {{ type: postgres, url_env: STORI_SOURCE_BENCH }}
exports:
  - name: movements
    table: movements
    mode: {mode}
    {cursor}
    format: parquet
    destination:
      type: s3
      bucket: {bucket}
      prefix: rivet/{mode}/
      region: {region}
      endpoint: {endpoint}
      access_key_env: AWS_ACCESS_KEY_ID
      secret_key_env: AWS_SECRET_ACCESS_KEY
"""


class Peers:
    """The installed peers, and what they have read of the table so far."""

    def __init__(self, works: Works, programs: Path) -> None:
        self._works, self._programs = works, programs
        self._folder = works.folder.path / "peers"

    @classmethod
    def install(cls, works: Works, folder: Path, say: Callable[[str], None]) -> Peers:
        """Make their environment in a folder, unless it is there and has these versions.

        Raises:
            SystemExit: they cannot be installed.
        """
        installed, pins = folder / "pins.txt", _PINS.read_text()
        if not installed.exists() or installed.read_text() != pins:
            say("installing the peers")
            venv.create(folder, with_pip=True, clear=True)
            command: list[str | Path] = [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", _PINS]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
            if done.returncode:
                raise SystemExit(f"the peers cannot be installed\n{done.stderr[-3_000:]}")
            installed.write_text(pins)
        return cls(works, folder / "bin")

    def full(self, turn: int) -> None:
        """All rows, by tools that have read nothing. rivet reads them a second time, unmeasured, in the mode that knows what is new."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for mode in ("full", "incremental"):
            (self._folder / mode).mkdir(parents=True)
            (self._folder / mode / "rivet.yaml").write_text(self._configuration(mode))
        order = (self._rivet, self._dlt) if turn % 2 == 0 else (self._dlt, self._rivet)
        for peer in order:
            peer("full", self._works.rows)
        self._rivet("first read of the increments", self._works.rows, "incremental")

    def changes(self, rows: int) -> None:
        self._rivet("1 %", rows, "incremental")
        self._dlt("1 %", rows)

    def nothing(self) -> None:
        self._rivet("nothing", 0, "incremental")
        self._dlt("nothing", 0)

    def _configuration(self, mode: str) -> str:
        environ, cursor = self._works.environ, "cursor_column: updated_at" if mode == "incremental" else ""
        bucket, region = environ["STORI_PROCESSED_BUCKET"], environ["AWS_DEFAULT_REGION"]
        return _RIVET.format(mode=mode, cursor=cursor, bucket=bucket, region=region, endpoint=environ["AWS_ENDPOINT_URL"])

    def _rivet(self, step: str, rows: int, mode: str = "full") -> None:
        configuration = self._folder / mode / "rivet.yaml"  # it keeps its state beside this file
        measured = self._works.command(f"rivet {step}", [str(self._programs / "rivet"), "run", "--config", str(configuration), "--json"])
        _moved(f"rivet {step}", int(json.loads(measured.output)["total_rows"]), rows)

    def _dlt(self, step: str, rows: int) -> None:
        command = [self._programs / "python", _PROGRAM, self._folder / "dlt", self._works.environ["STORI_PROCESSED_BUCKET"]]
        measured = self._works.command(f"dlt {step}", list(map(str, command)))
        _moved(f"dlt {step}", int(measured.output.splitlines()[-1]), rows)

    def figures(self) -> dict[str, Any]:
        """Of each peer its version and, for each figure, wall and processor seconds of its process, and their ratios to the raw limit."""
        found: dict[str, Any] = {}
        for peer in PEERS:
            found[peer] = {"version": _version(peer)}
            for key, (step, raw) in _STEPS.items():
                found[peer][key] = _peer_values(self._works.found[f"{peer} {step}"], self._works.found[raw])
        return found


def _moved(step: str, found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{step}: {found} rows moved, where {rows} should have")


def _version(peer: str) -> str:
    (line,) = [line for line in _PINS.read_text().splitlines() if line.startswith(peer)]
    return line.partition("==")[2]


def _peer_values(own: list[Measured], raw: list[Measured]) -> dict[str, Any]:
    client, limit = [each.cpu[CLIENT] for each in own], [each.cpu[CLIENT] for each in raw]
    return {
        "wall_s": round(statistics.median(each.seconds for each in own), 3),
        "client_cpu_s": round(statistics.median(client), 3),
        "wall_ratio": ratio([each.seconds for each in own], [each.seconds for each in raw]),
        "client_cpu_ratio": ratio(client, limit),
        "peak_mb": round(max(each.megabytes for each in own)),
    }
