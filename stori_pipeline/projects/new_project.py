"""A new project's folder.

Belongs here: its name, and its files from the templates. Does not belong here: a source's module (`new_source`).
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from string import Template

from stori_pipeline.model.errors import DefinitionError

_TEMPLATES = Path(__file__).parent / "templates"
_DOTTED = {"env.example": ".env.example", "gitignore": ".gitignore"}
"""Template's name to file's name: tools would take a template with a leading dot for their own file."""

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def create_project(folder: Path) -> list[Path]:
    """Write a new project into a folder, which is made. Returns the files, relative to it.

    Raises:
        DefinitionError: the folder's name cannot be that of a package, or the folder holds files.
    """
    package = _package_of(folder.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DefinitionError(f"{folder} exists and is not empty; choose another name, or remove it")
    values = {"package": package, "distribution": folder.name.replace("_", "-"), "platform": version("stori-pipeline")}
    written = []
    for path, text in _files():
        parts = [package if part == "package" else _DOTTED.get(part, part) for part in path.parts]
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(text).substitute(values), encoding="utf-8")
        written.append(target.relative_to(folder))
    (folder / "dagster.yaml").write_text(instance_settings(), encoding="utf-8")
    return sorted([*written, Path("dagster.yaml")])


def instance_settings() -> str:
    """The text of `dagster.yaml`, which is the same in every project. An installed package holds a copy of the repository's."""
    installed = _TEMPLATES.parent / "dagster.yaml"
    return (installed if installed.exists() else Path(__file__).parents[2] / "dagster.yaml").read_text(encoding="utf-8")


def _files() -> Iterator[tuple[Path, str]]:
    """The templates: path without its ending, and text."""
    for file in sorted(_TEMPLATES.rglob("*.tmpl")):
        yield file.relative_to(_TEMPLATES).with_suffix(""), file.read_text(encoding="utf-8")


def _package_of(name: str) -> str:
    """The name of the package of a project.

    Raises:
        DefinitionError: Python could not import a package of that name, or would import another one.
    """
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise DefinitionError(
            f"{name!r} cannot be a project's name; use lower-case letters, digits and single dashes, such as shop or my-shop"
        )
    if package in sys.stdlib_module_names or package in ("tests", "stori_pipeline") or _is_installed(package):
        raise DefinitionError(f"{name!r} is the name of another Python package, which the project would hide; choose another name")
    return package


def _is_installed(package: str) -> bool:
    """Whether Python imports a package of that name from elsewhere than a folder beside the new one."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None
