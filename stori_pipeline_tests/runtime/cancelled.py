"""A process that executes a run and is interrupted while the run's first step reads, as the UI does to cancel a run.

Belongs here: the run. It prints the run's status and the steps' events as JSON. Does not belong here: what they must be (`test_retries`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from dagster import DagsterInstance, asset, materialize

from stori_pipeline.runtime.retries import RETRY, only_transient

_BOUND = 60


def main(home: Path) -> None:
    reading = threading.Event()

    @asset(retry_policy=RETRY)
    def landing() -> None:
        with only_transient():
            reading.set()
            time.sleep(_BOUND)

    @asset(deps=[landing])
    def mirror() -> None: ...

    with DagsterInstance.local_temp(str(home)) as instance:

        def cancel() -> None:
            assert reading.wait(_BOUND)
            (run,) = instance.get_runs()
            instance.report_run_canceling(run)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=cancel, daemon=True).start()
        try:
            materialize([landing, mirror], instance=instance, raise_on_error=False)
        finally:
            (run,) = instance.get_runs()
            events = [each.dagster_event for each in instance.all_logs(run.run_id) if each.dagster_event]
            steps = [[each.step_key, each.event_type_value] for each in events if each.event_type_value.startswith("STEP_")]
            print(json.dumps({"status": run.status.value, "steps": steps}))  # noqa: T201


main(Path(sys.argv[1]))
