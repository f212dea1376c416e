"""The log of a run on the console, as JSON if `STORI_LOG=json`.

Belongs here: Dagster's fields of a log line. Does not belong here: the format of a line (`stori_pipeline.logs`), and the event log that
the UI shows.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from dagster import DagsterEvent, DagsterEventType, InitLoggerContext, LoggerDefinition, colored_console_logger

from stori_pipeline.logs import JsonFormatter, json_enabled
from stori_pipeline.runtime.failures import root_message, step_error


class RunFormatter(JsonFormatter):
    """Adds `run_id`, `job`, `step`, `event` and `asset`. `error` is the message of the error that failed a step."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        fields = super().fields(record)
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        fields["message"] = meta.get("orig_message") or fields["message"]
        fields |= {name: str(meta[key]) for name, key in (("run_id", "run_id"), ("job", "job_name"), ("step", "step_key")) if meta.get(key)}
        event = meta.get("dagster_event")
        if isinstance(event, DagsterEvent):
            fields["event"] = event.event_type.value
            if event.asset_key:
                fields["asset"] = "/".join(event.asset_key.path)
            if event.event_type == DagsterEventType.STEP_FAILURE and (failed := step_error(event)):
                fields["error"] = root_message(failed)
        return fields


def _console(context: InitLoggerContext) -> logging.Logger:
    if not json_enabled():
        plain: logging.Logger = colored_console_logger.logger_fn(context)
        return plain
    # DEBUG, because Dagster logs a materialization at that level, and a searchable log should have it.
    logger = logging.getLoggerClass()(context.logger_config["name"], level=logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RunFormatter())
    logger.addHandler(handler)
    return logger


console = LoggerDefinition(_console, colored_console_logger.config_schema, "Colours for people, or JSON if STORI_LOG=json.")

TO_CONSOLE: Mapping[str, Any] = {"console": {"config": {}}}
"""The run configuration of the logger. Without it, a run uses Dagster's own logger instead of the one in the definitions."""
