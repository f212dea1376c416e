"""The Dagster instance of a command.

Belongs here: opening it, and one clear line if it cannot be opened. Does not belong here: its storage (`storage`), or what is read from it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from dagster import DagsterError, DagsterInstance


class InstanceError(RuntimeError):
    """Dagster's instance cannot be opened. The message says why, and what to do."""


@contextlib.contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """The instance of `DAGSTER_HOME`.

    Raises:
        InstanceError: DAGSTER_HOME or the address of its storage is not set, or its storage does not answer.
    """
    from sqlalchemy.exc import OperationalError

    try:
        instance = DagsterInstance.get()
    except (DagsterError, OperationalError) as error:
        lines = [line.strip() for line in str(getattr(error, "orig", error)).splitlines() if line.strip()]
        found = next((line for line in lines if "is not set" in line), lines[0] if lines else type(error).__name__)
        reason = re.sub(r"^[\w.]+Error: ", "", found).split(". ")[0]
        advice = "on a laptop, `stori up` starts its storage and writes the settings to .env"
        raise InstanceError(f"Dagster's instance cannot be opened: {reason.rstrip('.')}; {advice}") from error
    with instance:
        yield instance
