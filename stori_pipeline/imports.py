"""Modules that are imported at their first use, so that a command that needs none of them does not wait for them.

Belongs here: the stand-in for such a module. Does not belong here: which modules are worth it (those that import them).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        module = import_module(self.__name__)
        if name.startswith("__"):
            return getattr(module, name)
        # From now on it is as fast as the module.
        self.__dict__.update({each: value for each, value in vars(module).items() if not each.startswith("__")})
        return getattr(module, name)


def later(name: str) -> ModuleType:
    """A stand-in for the module of that name, such as `pyarrow.compute`, which is imported when one of its attributes is first used.

    For type checkers import the module itself, under `TYPE_CHECKING`. Errors of the import are raised at that first use.
    """
    return _Later(name)
