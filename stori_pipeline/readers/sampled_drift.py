"""Drift of sources that declare no types: what a sample of their rows shows.

Belongs here: fields that no column reads, and values that their column does not take. Does not belong here: sampling (the packages of the
kinds), or which type a field gets (`suggested_columns`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type, parse
from stori_pipeline.model.types.misfit import Misfit, MisfitError
from stori_pipeline.model.types.suggestions import Handed, as_it_is, for_values
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.readers.scaffolding import SuggestedColumn
from stori_pipeline.readers.suggested_columns import Sampled

_OF_WIDTH = ("too_long", "range", "scale")
"""The codes of values that a wider type of the same kind takes."""


def unnamed(what: str, name: str, column: SuggestedColumn) -> Drift:
    """A field that no column reads.

    Args:
        what: what the sample is of: "documents", "files".
        name: the field, as the message shows it.
    """
    text = f"the {what} have {name}, which the definition does not name; to read it add {column.python}"
    return Drift(column.name, "added", text, column.python)


def wider(table: Table, sampled: Sampled, what: str, handed: Handed = as_it_is) -> Iterator[Drift]:
    """The columns with sampled values that are too long or too large for their type. Rows with such values are in quarantine.

    Args:
        handed: what the reader hands to the contract.
    """
    for column in table.columns:
        values = [value for value in sampled.values.get(column.source_path, ()) if not (value is None or isinstance(value, Misfit))]
        reasons = [reason for value in values if (reason := _too_wide(column.type, handed(column.type, value)))]
        if not reasons or not (python := _wider(column.type, values)):
            continue
        counted = f"{len(reasons):,} of {len(values):,} {what} in a sample"
        text = f"{table.full_name}: {counted} have a {column.source_path!r} that {column.type} does not take ({reasons[0]})"
        yield Drift(column.name, "wider", f"{text}; in the definition of {column.name!r} write {python}", python)


def _too_wide(kind: Type, value: Any) -> str:
    try:
        kind.convert(value)
    except MisfitError as error:
        return error.misfit.reason if error.misfit.code in _OF_WIDTH else ""
    return ""


def _wider(kind: Type, values: Sequence[Any]) -> str:
    """The next type of the same kind that takes the values, as Python; "" if there is none."""
    if kind.is_text:
        longest = max(len(str(value).encode()) for value in values)
        sizes = (each for each in (2**power for power in range(5, 16)) if each >= longest)
        return f"varchar({next(sizes, MAX_BYTES)})" if longest <= MAX_BYTES else ""
    wide = "bigint" if kind.is_integer else for_values(values).python
    fitting = wide.rstrip("_") and not any(_too_wide(parse(wide.rstrip("_")), value) for value in values)
    return wide if fitting and not parse(wide.rstrip("_")).is_text else ""
