"""The signatures of the functions that become steps, computed once each.

Belongs here: `signed`, and why. Does not belong here: any step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


def signed(function: Function) -> Function:
    """The function, which now carries its signature.

    Dagster asks for the signature of a step's function some seventeen times while it makes a definition, and computing it takes longer than
    the rest. A project of a thousand tables has seven thousand steps.
    """
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # `inspect` looks for it
    return function
