"""What makes the definitions of many steps cheap to build: what is the same for all of them is computed once.

Belongs here: signatures, schemas of configuration, and the collector of garbage. Does not belong here: any step.
"""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dagster import Config

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
