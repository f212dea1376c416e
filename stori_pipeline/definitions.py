"""The front door: what Dagster loads. `workspace.yaml` and `dg` both point here.

Belongs here: the project's definitions, and what stands in the folder `defs` beside them: what `dg scaffold defs` writes is found. Does
not belong here: any definition.
"""

from pathlib import Path

from dagster import Definitions, load_from_defs_folder

from stori_pipeline.defs.build import build_defs
from stori_pipeline.project import load_project

defs = build_defs(load_project())

_ROOT = Path(__file__).parents[1]
if (_ROOT / "pyproject.toml").exists():  # not where the package is installed: nothing is scaffolded there
    defs = Definitions.merge(defs, load_from_defs_folder(path_within_project=_ROOT))
