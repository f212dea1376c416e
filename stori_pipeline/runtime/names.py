"""Names that both the definitions (`defs`) and this package use.

Belongs here: jobs and tags of runs, and checks with a step of their own. Does not belong here: names of tables and assets (`model`).
"""

from __future__ import annotations

TABLES_TAG = "stori/tables"
"""The tag of a run that names its source tables."""

CONTINUOUS = "continuous_sync"
"""The job that brings what changes, and its sensor."""

FOLLOW_UP = "follow_up"
"""The job of checks, reports and charts behind the continuous sync."""

CONTRACT = "contract"
DRIFT = "definition_complete"
PROOF = "source_equals_mirror"
ARRIVALS = "arrivals"

OWN_STEPS = (CONTRACT, DRIFT, PROOF, ARRIVALS)
"""The checks with a step of their own, which Dagster names after the asset and the check."""
