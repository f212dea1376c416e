"""Which type a suggested definition names for a column of a source.

Belongs here: searching every registered type. Does not belong here: measuring values for a length, or the text of a definition (`readers`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal

import pyarrow as pa

from stori_pipeline.model.types.type import registered

_NUMBERS = {int, float, Decimal}


def for_postgres(source_type: str) -> str:
    """The type for one of Postgres's types, as Python; "" if its values must be measured."""
    return next((python[source_type] for kind in registered() if source_type in (python := kind.suggested_for.postgres)), "")


def for_arrow(arrow: pa.DataType) -> str:
    """The type for a column of a Parquet file, as Python; "" if none is suggested."""
    return next((python for kind in registered() if (python := kind.suggested_for.arrow(arrow))), "")


def for_natives(natives: Collection[type]) -> str:
    """The type for a field whose values have these Python types, as Python; "" if none is suggested."""
    if len(natives) > 1 and set(natives) <= _NUMBERS:
        natives = [Decimal]
    if len(natives) != 1:
        return ""
    (native,) = natives
    return next((python[native] for kind in registered() if native in (python := kind.suggested_for.natives)), "")


def for_texts(texts: Sequence[str]) -> str:
    """The type for a field with these texts, as Python; "" if only text fits them, or if there are none."""
    forms = [each for kind in registered() for each in kind.suggested_for.texts.items()] if texts else []
    return next((python for form, python in forms if all(re.fullmatch(form, text, re.DOTALL) for text in texts)), "")


def module_of(python: str) -> str:
    """The module from which a definition imports a type; `python` is the type's name in it, without lengths."""
    return next((kind.module for kind in registered() if python.rstrip("_") == kind.base), "stori_pipeline.model")
