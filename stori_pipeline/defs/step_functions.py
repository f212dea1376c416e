"""What makes the definitions of many steps cheap to build: what is the same for all of them is computed once.

Belongs here: signatures, schemas of configuration, steps of checks, and the collector of garbage. Does not belong here: any check.
"""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, AssetCheckSpec, In, Nothing, OpDefinition, Out

from stori_pipeline.defs.keys import step_name
from stori_pipeline.runtime.retries import RETRY

if TYPE_CHECKING:
    from dagster import Config

Checking = Callable[[AssetCheckExecutionContext], Iterable[AssetCheckResult]]
"""The work of a step of checks: it takes the resources from its context."""

Function = TypeVar("Function", bound=Callable[..., object])
_MANY = 1_000


def signed(function: Function) -> Function:
    """The function, which now carries its signature.

    Dagster asks for the signature of a step's function some seventeen times while it makes a definition, and computing it takes longer than
    the rest. A project of a thousand tables has seven thousand steps.
    """
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # `inspect` looks for it
    return function


@functools.cache
def schema_of(config: type[Config]) -> Any:
    """The schema of a step's configuration. From an annotation, Dagster would compute it again for each step."""
    return config.to_config_schema()


def check_step(
    specs: Sequence[AssetCheckSpec],
    checking: Checking,
    *,
    resources: frozenset[str],
    name: str = "",
    pool: str | None = None,
    config: type[Config] | None = None,
) -> AssetChecksDefinition:
    """A step that runs some checks; several can be run one by one.

    What the decorators `asset_check` and `multi_asset_check` make, without reading the signature of a function a dozen times: a step is the
    same for every table, and this takes 0.25 ms where they take 0.6.

    Args:
        resources: the names of the resources that `checking` takes.
        name: the name of the step; by default that of its only check.
    """
    names = [f"{step_name(spec.asset_key)}_{spec.name}" for spec in specs]
    keys = {key: None for spec in specs for key in (spec.asset_key, *(dep.asset_key for dep in spec.additional_deps))}
    inputs = {step_name(key): key for key in keys}

    def compute(context, _inputs):  # type: ignore[no-untyped-def]  # an annotation would be looked up for each table
        yield from checking(context)

    step = OpDefinition(
        compute_fn=compute,
        name=name or names[0],
        ins={each: In(Nothing) for each in inputs},
        outs={each: Out(None, is_required=not name) for each in names},
        required_resource_keys=resources,
        retry_policy=RETRY,
        pool=pool,
        config_schema=schema_of(config) if config else None,
    )
    return AssetChecksDefinition(
        keys_by_input_name=inputs,
        keys_by_output_name={},
        node_def=step,
        check_specs_by_output_name=dict(zip(names, specs, strict=True)),
        can_subset=bool(name),
    )


@contextmanager
def many_objects(steps: int) -> Iterator[None]:
    """A block that makes the definitions of so many steps, during which nothing looks for garbage: a million objects are made, all of which
    stay, and each look would go through all of them. After many, no later look goes through them, either."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
        if steps > _MANY:
            gc.freeze()
