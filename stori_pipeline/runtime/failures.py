"""Why a step failed: the message of its original error.

Belongs here: finding the message in Dagster's events, and the table or report of a step. Does not belong here: showing the message (`cli`),
or sending alerts (`alerts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from dagster import DagsterEvent

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
    failure = failed.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    for each in events:  # a blocking check gives its reason in its evaluation, not in its step's error
        if each.step_key == failed.step_key and each.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = each.asset_check_evaluation_data
            if not evaluation.passed and evaluation.description:
                return evaluation.description
    return root_message(failure.error) if failure.error else f"{failed.step_key} failed"


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
