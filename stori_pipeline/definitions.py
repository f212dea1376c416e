"""The front door: what Dagster loads. `workspace.yaml` and `dg` both point here.

Belongs here: the project's own definitions, and what stands in `defs/` beside them: what `dg scaffold defs` writes is found. Does not
belong here: any definition.
"""

from pathlib import Path

from dagster import Definitions, load_from_defs_folder

from stori_pipeline.defs.build import build_defs
from stori_pipeline.project import load_project

defs = Definitions.merge(build_defs(load_project()), load_from_defs_folder(path_within_project=Path(__file__).parent))
