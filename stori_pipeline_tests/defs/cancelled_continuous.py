"""A process that runs the continuous sync while the bank is written to, and is interrupted as the UI does to cancel a run.

Belongs here: the run. It prints the run's status, and which slots it still holds, as JSON. Does not belong here: what they must be
(`test_continuous`).
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time

from dagster import DagsterInstance, RunRequest

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.follower import SCOPES_TAG
from stori_pipeline.runtime.in_process import execute_job
from stori_pipeline.runtime.names import CONTINUOUS
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.defs.graphs import PLAIN

_BOUND = 60
_CHANGE = "UPDATE transactions SET chip_used = NOT chip_used"


def main() -> None:
    with DagsterInstance.local_temp() as instance:

        def cancel() -> None:
            deadline = time.monotonic() + _BOUND
            while not (runs := instance.get_runs()) or SCOPES_TAG not in runs[0].tags:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            for _ in range(10):
                execute(os.environ["STORI_ADMIN_BANK"], _CHANGE)
                time.sleep(0.2)
            instance.report_run_canceling(runs[0])
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=cancel, daemon=True).start()
        try:
            execute_job(build_defs(PLAIN), CONTINUOUS, RunRequest(), instance=instance)
        finally:
            (run,) = instance.get_runs()
            slots = sorted(instance.event_log_storage.get_concurrency_run_ids())
            print(json.dumps({"status": run.status.value, "slots": slots}))  # noqa: T201


main()
