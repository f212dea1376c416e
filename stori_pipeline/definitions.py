"""The definitions that Dagster loads. `workspace.yaml` and `dg` both name this module.

Belongs here: merging the project's definitions with those that `dg scaffold defs` writes into the folder `defs`. Does not belong here:
any definition.
"""

from pathlib import Path

from dagster import Definitions, load_from_defs_folder

from stori_pipeline.defs.build import build_defs
from stori_pipeline.project import load_project
from stori_pipeline.runtime.home import warn_of_foreign_home

defs = build_defs(load_project())

_ROOT = Path(__file__).parents[1]
warn_of_foreign_home(_ROOT)
if (_ROOT / "pyproject.toml").exists():  # in a clone; `dg scaffold` does not write into an installed package
    defs = Definitions.merge(defs, load_from_defs_folder(path_within_project=_ROOT))
