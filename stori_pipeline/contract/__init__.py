"""The contract: which rows fit a table's definition, and why the others do not.

Belongs here: `rows` (turning rows into Arrow batches and rejected rows), `raw` (the form in which a rejected row is kept), and the codes of
quarantine. Does not belong here: what happens to rejected rows (`pipeline.gate`, `pipeline.quarantine`, `lake`).
"""

from stori_pipeline.contract.raw import RAW_CHARACTERS, SHORTENED, parsed_raw, raw_text, row_of_raw
from stori_pipeline.contract.rows import Refused, conform, rejected_schema
from stori_pipeline.model.types.misfit import CODES, Misfit

__all__ = [
    "CODES",
    "RAW_CHARACTERS",
    "SHORTENED",
    "Misfit",
    "Refused",
    "conform",
    "parsed_raw",
    "raw_text",
    "rejected_schema",
    "row_of_raw",
]
