"""Why a step failed: the message of its original error.

Belongs here: finding the message in Dagster's events, and the table or report of a step. Does not belong here: showing the message (`cli`),
or sending alerts (`alerts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from dagster import DagsterEvent, DagsterEventType

from stori_pipeline.runtime.names import OWN_STEPS


class ErrorInfo(Protocol):
    """An error as Dagster stores it. Dagster's class is not public."""

    @property
    def message(self) -> str: ...
    @property
    def cls_name(self) -> str | None: ...
    @property
    def cause(self) -> ErrorInfo | None: ...


def steps_about(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern for the steps of these tables and reports (full names). The group `name` is the full name, with `__` for its dot.

    A check with a step of its own is named after its asset's step and the check. No other asset's step has such a name.
    """
    either = "|".join(re.escape(name.replace(".", "__")) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(checks__)?(landing__|warehouse__)?(?P<name>{either})(__across|_({'|'.join(OWN_STEPS)}))?")


def failure_message(failed: DagsterEvent, events: Iterable[DagsterEvent]) -> str:
    """Why a step failed. `events` are the events of its run."""
    raised = failed.step_failure_data.user_failure_data
    if raised and raised.description:
        return raised.description
    for each in events:  # a blocking check gives its reason in its evaluation, not in its step's error
        if each.step_key == failed.step_key and each.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = each.asset_check_evaluation_data
            if not evaluation.passed and evaluation.description:
                return evaluation.description
    error = step_error(failed)
    return root_message(error) if error else f"{failed.step_key} failed"


def step_error(failed: DagsterEvent) -> ErrorInfo | None:
    """The error that failed a step."""
    return failed.step_failure_data.error


def is_failure_of_run(failed: DagsterEvent) -> bool:
    """Whether a run failed as a whole, such as a killed one, and not because a step failed."""
    data = failed.job_failure_data  # None, if another process reported the failure
    return data is None or data.failure_reason is None or data.failure_reason.value != "STEP_FAILURE"


def run_failure_message(failed: DagsterEvent) -> str:
    """The error that failed a run as a whole; "" if no error did."""
    data = failed.job_failure_data
    return root_message(data.error) if data and data.error else ""


def first_error(error: ErrorInfo) -> ErrorInfo:
    """The error at the beginning of a chain."""
    while error.cause:
        error = error.cause
    return error


def root_message(error: ErrorInfo) -> str:
    """The message of the error at the beginning of a chain."""
    error = first_error(error)
    name, _, message = error.message.strip().partition(": ")
    return message if error.cls_name and name.endswith(error.cls_name) else error.message.strip()
