"""The lake: every table's batches in S3, and the manifests that say which of them exist.

Belongs here: `batches` (landing, finding and reading them), `manifest` (what a batch is, and names), `parts` (Parquet), `live` (live rows),
`upkeep` (compacting and sweeping), `bucket` (S3 and its errors), `upload` (bytes on their way). Does not belong here: how a source is
read (`readers`), or how the warehouse loads (`warehouse`).
"""

from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.bucket import LakeError, LakeUnavailable, connect
from stori_pipeline.lake.manifest import LandingConflict, Manifest, Part
from stori_pipeline.lake.parts import Sizes

__all__ = ["Lake", "LakeError", "LakeUnavailable", "LandingConflict", "Manifest", "Part", "Sizes", "connect"]
