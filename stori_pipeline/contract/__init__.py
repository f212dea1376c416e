"""The contract: which rows fit a table's definition, and why the others do not.

Belongs here: `rows` (turning rows into Arrow batches and rejected rows), and the codes of quarantine. Does not belong here: what happens
to rejected rows (`pipeline.gate`, `lake`).
"""

from stori_pipeline.contract.rows import RAW_CHARACTERS, REJECTED, Refused, conform, raw_text
from stori_pipeline.model.types.misfit import CODES, Misfit

__all__ = ["CODES", "RAW_CHARACTERS", "REJECTED", "Misfit", "Refused", "conform", "raw_text"]
