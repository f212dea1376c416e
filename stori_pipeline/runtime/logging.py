"""The log of a run on the console, as JSON if that is switched on.

Belongs here: the fields of a log line that Dagster knows. Does not belong here: how a line is written (`stori_pipeline.logs`), or the
event log that the UI shows.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from dagster import DagsterEvent, DagsterEventType, InitLoggerContext, LoggerDefinition, colored_console_logger

from stori_pipeline.logs import JsonFormatter, wanted
from stori_pipeline.runtime.failures import root_message


class RunFormatter(JsonFormatter):
    """Besides, `run_id`, `job` and `step`, and `asset` for what is about one; `error` is the first error of a step that failed."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        said = super().fields(record)
        known: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        said["message"] = known.get("orig_message") or said["message"]
        said |= {name: str(known[key]) for name, key in (("run_id", "run_id"), ("job", "job_name"), ("step", "step_key")) if known.get(key)}
        event = known.get("dagster_event")
        if isinstance(event, DagsterEvent):
            said["event"] = event.event_type_value
            if event.asset_key:
                said["asset"] = event.asset_key.to_user_string()
            if event.event_type == DagsterEventType.STEP_FAILURE and (failed := event.step_failure_data.error):
                said["error"] = root_message(failed)
        return said


def _console(context: InitLoggerContext) -> logging.Logger:
    if not wanted():
        plain: logging.Logger = colored_console_logger.logger_fn(context)
        return plain
    # Dagster counts it as debugging that a table was materialized; a log that is searched should have it.
    made = logging.getLoggerClass()(context.logger_config["name"], level=logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RunFormatter())
    made.addHandler(handler)
    return made


console = LoggerDefinition(_console, colored_console_logger.config_schema, "Colours for people, or JSON where STORI_LOG=json.")

TO_CONSOLE: Mapping[str, Any] = {"console": {"config": {}}}
"""A run whose configuration names no logger gets Dagster's own, whatever the definitions have."""
