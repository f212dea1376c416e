"""Retries of steps: after which errors, and how often.

Belongs here: the list of transient errors, and the retry policy. Does not belong here: retries of a single request or transaction (`lake`,
`warehouse`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dagster import Backoff, DagsterError, DagsterExecutionInterruptedError, Failure, Jitter, RetryPolicy, RetryRequested

from stori_pipeline.lake.bucket import LakeUnavailable
from stori_pipeline.readers import SourceUnavailable
from stori_pipeline.settings import SettingError
from stori_pipeline.warehouse import WarehouseUnavailable

TRANSIENT = (SourceUnavailable, LakeUnavailable, WarehouseUnavailable)
"""A server that cannot be reached, or a conflict that the next attempt may not have."""


class _UnlessInterrupted(RetryPolicy):
    """A retry policy that does not retry a step which was interrupted.

    Dagster retries those too, so a run that somebody cancels would read its table again, land it and succeed. It asks for the delay while
    it handles the error.
    """

    def calculate_delay(self, attempt_num: int) -> int | float:
        if isinstance(interrupt := sys.exc_info()[1], (KeyboardInterrupt, DagsterExecutionInterruptedError)):
            raise interrupt
        return super().calculate_delay(attempt_num)


# Waits of about 2, 4, 8 and 16 seconds: long enough for a restart or a failover; after that, the schedule's next run tries again.
RETRY = _UnlessInterrupted(max_retries=4, delay=2, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)

NO_RETRIES: ContextVar[bool] = ContextVar("NO_RETRIES", default=False)
"""True for a run at a terminal: a person prefers an immediate error to one after half a minute."""


@contextmanager
def only_transient() -> Iterator[None]:
    """Passes only transient errors on to the retry policy. Any other error fails the step immediately, with the error's own message."""
    try:
        yield
    except (DagsterError, Failure, RetryRequested):
        raise
    except SettingError as error:
        # Without the error as its cause: it says nothing more, and Dagster prints the traceback of each.
        raise Failure(description=str(error), allow_retries=False) from None
    except Exception as error:
        if isinstance(error, TRANSIENT) and _is_local(error):
            what = " ".join(str(error).split())  # a driver's message has several lines
            end = "" if what.endswith((".", "?", "!")) else "."
            error.args = (f"{what}{end} On a laptop, `stori up` starts it",)
        if isinstance(error, TRANSIENT) and not NO_RETRIES.get():
            raise
        raise Failure(description=str(error) or type(error).__name__, allow_retries=False) from error


def _is_local(error: Exception) -> bool:
    """Whether a server of this machine does not answer. The errors of S3 do not name its address."""
    address = os.environ.get("AWS_ENDPOINT_URL", "") if isinstance(error, LakeUnavailable) else str(error)
    return re.search(r"127\.0\.0\.1|localhost", address) is not None
