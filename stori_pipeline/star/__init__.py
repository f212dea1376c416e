"""The star tables of the shipped project: pure functions of polars frames, each named after its table.

Belongs here: one module for each subject, with a `SCHEMA` of its own. Does not belong here: reading or writing rows (`pipeline.derive`).
"""

from __future__ import annotations

from stori_pipeline.model.star import Star
from stori_pipeline.star import totesys

_MODULES = (totesys,)

STARS: dict[str, Star] = {star.name: star for module in _MODULES for star in module.SCHEMA.stars}
"""Every star table by name, each after its inputs."""
