"""The contract: what fits a table's definition, and the reason where a row does not.

Belongs here: `rows` (rows into batches of Arrow and rejected rows), and the codes of quarantine. Does not belong here: what
is done about rejected rows (`pipeline.gate`, `lake`).
"""

from stori_pipeline.contract.rows import RAW_CHARACTERS, REJECTED, Refused, conform, raw_text
from stori_pipeline.model.types.misfit import CODES, Misfit

__all__ = ["CODES", "RAW_CHARACTERS", "REJECTED", "Misfit", "Refused", "conform", "raw_text"]
