"""Puts into the wheel what a clone has beside the package: the shipped project's SQL and data, and Dagster's settings.

Belongs here: what differs between a wheel and a clone. An editable installation reads the clone itself, so it gets no copy.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_BESIDE_THE_PACKAGE = {
    "sql": "stori_pipeline/sql",
    "data/README.md": "stori_pipeline/data/README.md",
    "dagster.yaml": "stori_pipeline/projects/dagster.yaml",  # `stori init` writes it
}


class WheelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling, once per wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"].update(_BESIDE_THE_PACKAGE)
