"""Which errors of a step are retried."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_run_that_is_cancelled_while_its_landing_reads_ends_cancelled(tmp_path: Path) -> None:
    """Dagster asks the retry policy about an interrupt, too. The landing was then read again, landed, and the run succeeded."""
    ended = subprocess.run(
        [sys.executable, "-m", "stori_pipeline_tests.runtime.cancelled", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout, ended.stderr
    run = json.loads(ended.stdout.splitlines()[-1])
    assert run == {"status": "CANCELED", "steps": [["landing", "STEP_START"], ["landing", "STEP_FAILURE"]]}
