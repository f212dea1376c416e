"""Why a step or a run failed, in the words of its own error."""

from __future__ import annotations

from typing import Any

from dagster import DagsterEventType, DagsterInstance, ExecuteInProcessResult, Failure, asset, materialize, resource

from stori_pipeline.runtime.failures import failure_message, first_error, is_failure_of_run, run_failure_message, step_error


class NoSuchServer(RuntimeError):
    """What the source raises here."""


def connect() -> None:
    raise NoSuchServer("bank.transactions: the server cannot be reached")


@asset
def unreachable() -> None:
    try:
        connect()
    except NoSuchServer as error:
        raise ValueError("the step failed") from error


@asset
def described() -> None:
    raise Failure("bank.transactions: 2023-01-01 cannot be read again", allow_retries=False)


@resource
def broken(_context: Any) -> None:
    raise NoSuchServer("the address has no password")


@asset(required_resource_keys={"warehouse"})
def never_begun() -> None: ...


def run(*assets: Any, **resources: Any) -> ExecuteInProcessResult:
    with DagsterInstance.ephemeral() as instance:
        return materialize(list(assets), resources=resources, instance=instance, raise_on_error=False)


def test_a_failed_step_says_why() -> None:
    result = run(unreachable, described)
    failed = {event.step_key: event for event in result.all_events if event.is_step_failure}
    assert {key: failure_message(event, result.all_events) for key, event in failed.items()} == {
        "unreachable": "bank.transactions: the server cannot be reached",
        "described": "bank.transactions: 2023-01-01 cannot be read again",
    }
    error = step_error(failed["unreachable"])
    assert error is not None
    assert first_error(error).cls_name == "NoSuchServer"
    (whole,) = [event for event in result.all_events if event.event_type == DagsterEventType.RUN_FAILURE]
    assert not is_failure_of_run(whole)


def test_a_run_that_failed_as_a_whole_says_why() -> None:
    result = run(never_begun, warehouse=broken)
    assert not [event for event in result.all_events if event.is_step_failure]
    (whole,) = [event for event in result.all_events if event.event_type == DagsterEventType.RUN_FAILURE]
    assert is_failure_of_run(whole)
    assert run_failure_message(whole) == "the address has no password"
