"""Which project a command stands in.

Belongs here: looking for `[tool.stori]` in `pyproject.toml`, from the working directory upward. Does not belong here: what the project
defines (`package`).
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from stori_pipeline.discovery.errors import NoProject, ProjectError
from stori_pipeline.discovery.package import ProjectPackage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTING = "STORI_PROJECT"
"""The environment variable that names the project's module, where there is no `pyproject.toml`, as in an image. It wins over the file."""


def project_root() -> Path | None:
    """The folder of the project that the working directory is in: the nearest one upward whose `pyproject.toml` has `[tool.stori]`.

    None if there is none.

    Raises:
        ProjectError: such a file cannot be read. The message names it.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _table_of(folder) is not None), None)


def current() -> ProjectPackage:
    """The project that the working directory is in.

    Raises:
        NoProject: it is in none.
        ProjectError: the project's module cannot be imported, or declares no project.
    """
    root = project_root()
    module = os.environ.get(SETTING) or ((_table_of(root) or {}).get("project", "") if root else "")
    if not module:
        where = f"{root / 'pyproject.toml'} has [tool.stori] without `project`" if root else f"{Path.cwd()} is in no project of stori"
        raise NoProject(f"{where}; change into a project's folder, or make one with `stori init NAME`")
    return _declared(module, str(root or ""))


def _table_of(folder: Path) -> dict[str, Any] | None:
    file = folder / "pyproject.toml"
    try:
        status = file.stat()
    except OSError:
        return None
    return _read(file, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read(file: Path, changed: int, size: int) -> dict[str, Any] | None:  # noqa: ARG001  (both are part of the cache's key)
    try:
        with file.open("rb") as content:
            table = tomllib.load(content).get("tool", {}).get("stori")
    except (OSError, ValueError) as error:
        raise ProjectError(f"{file} cannot be read: {error}") from error
    if table is not None and not isinstance(table, dict):
        raise ProjectError(f'{file}: [tool.stori] must be a table, such as: [tool.stori] project = "shop.project"')
    return table


@functools.lru_cache(maxsize=8)
def _declared(module: str, root: str) -> ProjectPackage:
    if root and root not in sys.path:
        sys.path.insert(0, root)  # a project need not be installed; its package lies in its folder
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            where = f"in {root}" if root else "on the path of this Python"
            raise ProjectError(f"the project's module {module!r} is not {where}; correct `project` in [tool.stori]") from error
        raise ProjectError(f"the project's module {module!r} cannot be imported: {error}") from error
    declared = getattr(found, "PROJECT", None)
    if not isinstance(declared, ProjectPackage):
        raise ProjectError(f'{found.__file__} has no PROJECT; write `PROJECT = ProjectPackage("{module.partition(".")[0]}")` in it')
    return declared
