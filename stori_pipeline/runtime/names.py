"""Names that both the definitions and what watches their runs must know.

Belongs here: tags of runs, and checks that are a step of their own. Does not belong here: names of tables and assets (`model`).
"""

from __future__ import annotations

TABLES_TAG = "stori/tables"
"""The tag of a run that names its source tables."""

REQUESTED_ON_TAG = "stori/requested_on"
"""The tag of a run that says on which day it was requested. A run without it was requested when Dagster made its record."""

CONTRACT = "contract"
DRIFT = "definition_complete"
PROOF = "source_equals_mirror"
ARRIVALS = "arrivals"

OWN_STEPS = (CONTRACT, DRIFT, PROOF, ARRIVALS)
"""The checks that are a step of their own, which Dagster names after the asset and the check."""
