"""The Dagster definitions of a project's package.

Belongs here: merging the project's definitions with those that `dg scaffold defs` writes. Does not belong here: any definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import Definitions, load_from_defs_folder

from stori_pipeline.defs.build import build_defs
from stori_pipeline.runtime.home import warn_of_foreign_home

if TYPE_CHECKING:
    from stori_pipeline.discovery import ProjectPackage


def load_definitions(package: ProjectPackage) -> Definitions:
    """The definitions of the project, and those in the package's folder `defs`. `definitions.py` of a project calls it.

    Raises:
        DefinitionError: a definition or a file of the project is invalid. The message names it.
    """
    root = package.folder.parent
    warn_of_foreign_home(root)
    defs = build_defs(package.project)
    if (root / "pyproject.toml").exists() and (package.folder / "defs").is_dir():  # an installed package has no folder to scaffold into
        return Definitions.merge(defs, load_from_defs_folder(path_within_project=root))
    return defs
