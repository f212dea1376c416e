"""The definitions that Dagster loads. `workspace.yaml` and `dg` both name this module.

Belongs here: the same lines that any project has in its `definitions.py`. Does not belong here: any definition.
"""

from stori_pipeline.defs.package import load_definitions
from stori_pipeline.project import PROJECT

defs = load_definitions(PROJECT)
