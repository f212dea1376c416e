"""Logs as JSON, one object to a line, and keeping secrets out of text.

Belongs here: how a log record is written. Does not belong here: what is logged.

`STORI_LOG=json` switches it on, for the log of a run (`dagster.yaml`, `defs.logs`) and for the command. Dagster's own processes have
`--log-format json` for theirs.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime, timezone

_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@\"']*):[^\s@/\"']*@")
_HOOK = re.compile(r"(https?://[\w.-]*hooks?[\w.-]*/)[^\s\"']+", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text without passwords in addresses, and without what makes a webhook's address a secret."""
    return _HOOK.sub(r"\1…", _PASSWORD.sub(r"\1:…@", text))


def wanted() -> bool:
    return os.environ.get("STORI_LOG", "") == "json"


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; of a run also `run_id` and `job`, of a step `step`; `error` is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        of_run = getattr(record, "dagster_meta", None) or {}
        for name, key in (("run_id", "run_id"), ("job", "job_name"), ("step", "step_key")):
            if value := of_run.get(key):
                said[name] = str(value)
        if orig := of_run.get("orig_message"):
            said["message"] = str(orig)
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps({name: redacted(text) for name, text in said.items()}, ensure_ascii=False)


def install() -> None:
    """Write what the pipeline's own modules log as JSON to stderr, in a process that is not a run of Dagster's, if it is wanted."""
    if wanted():
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logger = logging.getLogger("stori_pipeline")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
