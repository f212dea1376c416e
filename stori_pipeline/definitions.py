"""The front door: what Dagster loads. `workspace.yaml` and `dg` both point here; everything behind it is `defs`."""

from stori_pipeline.defs.build import build_defs

defs = build_defs()
