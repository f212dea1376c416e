"""The lake: every table's batches in S3, and the manifests that say which batches exist.

Belongs here: `batches` (landing and reading), `manifest` (manifests and keys), `parts` (Parquet), `live` (live rows), `upkeep` (compacting
and sweeping), `frames`, `bucket` (S3 and its errors), `upload`. Does not belong here: reading a source (`readers`), or loading
(`warehouse`).
"""

from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.bucket import LakeError, LakeUnavailable, connect
from stori_pipeline.lake.manifest import LakeSetBack, LandingConflict, Manifest, Part
from stori_pipeline.lake.parts import Sizes

__all__ = ["Lake", "LakeError", "LakeSetBack", "LakeUnavailable", "LandingConflict", "Manifest", "Part", "Sizes", "connect"]
