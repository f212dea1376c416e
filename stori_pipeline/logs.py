"""Logs as JSON, one object per line, and the removal of secrets from text.

Belongs here: the format of a log record. Does not belong here: Dagster's fields of a record (`runtime.logging`). `STORI_LOG=json` turns
the format on for runs and for the command; Dagster's own processes have the option `--log-format json`.
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
    """The text without the passwords of URLs and without the paths of webhooks, which are secrets.

    No error of the pipeline contains a secret; errors of libraries may.
    """
    return _HOOK.sub(r"\1…", _PASSWORD.sub(r"\1:…@", text))


def json_enabled() -> bool:
    """Whether the setting `STORI_LOG` is `json`."""
    return os.environ.get("STORI_LOG", "") == "json"


class JsonFormatter(logging.Formatter):
    """Writes `time` (UTC), `level`, `logger`, `message`, and `error` with the traceback if there is one."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """The fields of a record by name."""
        fields = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        return fields | ({"error": self.formatException(record.exc_info)} if record.exc_info and record.exc_info[0] else {})

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({name: redacted(text) for name, text in self.fields(record).items()}, ensure_ascii=False)


def install() -> None:
    """Write the pipeline's log as JSON to stderr if `STORI_LOG=json`. For processes that are not Dagster runs."""
    logger = logging.getLogger("stori_pipeline")
    if json_enabled() and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
