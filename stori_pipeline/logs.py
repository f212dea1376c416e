"""Logs as JSON, one object per line, and the removal of secrets from text.

Belongs here: the format of a log record. Does not belong here: Dagster's fields of a record (`runtime.logging`). `STORI_LOG=json` turns
the format on for runs and for the command; Dagster's own processes have the option `--log-format json`.
"""

from __future__ import annotations

import json
import logging
import os
import pkgutil
import re
from datetime import datetime, timezone

import stori_pipeline

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


class PlainFormatter(logging.Formatter):
    """Writes a line for people: time (UTC), level, module and message. Secrets in addresses are left out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802  (logging's names)
        return datetime.fromtimestamp(record.created, timezone.utc).strftime("%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


_handler: logging.Handler | None = None


def install(level: str = "WARNING") -> None:
    """Write the pipeline's log to stderr: as JSON if `STORI_LOG=json`, which shows INFO, too. For processes that are not Dagster runs."""
    global _handler
    logger = logging.getLogger("stori_pipeline")
    if _handler is not None:
        logger.removeHandler(_handler)
    _handler = logging.StreamHandler()
    number = int(getattr(logging, level))
    number = min(number, logging.INFO) if json_enabled() else number
    _handler.setLevel(number)  # while a run executes, Dagster sets the logger's own level
    _handler.setFormatter(JsonFormatter() if json_enabled() else PlainFormatter())
    logger.addHandler(_handler)
    logger.setLevel(number)
    for package in pkgutil.iter_modules(stori_pipeline.__path__):
        logging.getLogger(f"stori_pipeline.{package.name}").setLevel(number if number < logging.INFO else logging.NOTSET)
    logger.propagate = not json_enabled()
