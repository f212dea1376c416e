"""Logs as JSON, one object to a line, and keeping secrets out of text.

Belongs here: how a log record is written. Does not belong here: what is logged, or what Dagster knows of a record (`defs.logs`).

`STORI_LOG=json` switches it on, for the log of a run and for the command. Dagster's own processes have `--log-format json` for theirs.
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
    """The text without passwords in addresses, and without what makes a webhook's address a secret.

    No error of the pipeline's quotes a secret; this is for those of libraries.
    """
    return _HOOK.sub(r"\1…", _PASSWORD.sub(r"\1:…@", text))


def wanted() -> bool:
    return os.environ.get("STORI_LOG", "") == "json"


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger` and `message`; `error` is a traceback, where there is one."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """What is said of a record, by name."""
        said = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        return said | ({"error": self.formatException(record.exc_info)} if record.exc_info and record.exc_info[0] else {})

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({name: redacted(text) for name, text in self.fields(record).items()}, ensure_ascii=False)


def install() -> None:
    """Write what the pipeline's own modules log as JSON to stderr, in a process that is not a run of Dagster's, if it is wanted."""
    logger = logging.getLogger("stori_pipeline")
    if wanted() and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
