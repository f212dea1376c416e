"""Which failures a step tries again, and how often.

Belongs here: the one list of what passes by itself, and the policy that waits for it. Does not belong here: retries of a
single request or transaction, which `lake` and `redshift` do themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dagster import Backoff, DagsterError, Failure, Jitter, RetryPolicy, RetryRequested

from stori_pipeline.lake.bucket import LakeUnavailable
from stori_pipeline.readers import SourceUnavailable
from stori_pipeline.warehouse import WarehouseUnavailable

TRANSIENT = (SourceUnavailable, LakeUnavailable, WarehouseUnavailable)
"""A server that is away, or a conflict that the next attempt may not meet."""

# Waits of about 2, 4, 8 and 16 seconds: long enough for a restart or a failover, short enough that the schedule takes over from there.
RETRY = RetryPolicy(max_retries=4, delay=2, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)

AT_ONCE: ContextVar[bool] = ContextVar("AT_ONCE", default=False)
"""For a run in this very process: someone waits for it, and is better told at once what is away than after half a minute."""


@contextmanager
def only_transient() -> Iterator[None]:
    """Let the step's policy see what passes by itself; everything else fails the step at once, in the error's own words."""
    try:
        yield
    except (DagsterError, Failure, RetryRequested):
        raise
    except Exception as error:
        if isinstance(error, TRANSIENT) and not AT_ONCE.get():
            raise
        raise Failure(description=str(error) or type(error).__name__, allow_retries=False) from error
