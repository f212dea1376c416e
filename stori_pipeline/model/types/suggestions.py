"""Which type a suggested definition names for a column of a source.

Belongs here: searching every registered type, and the length of a text column. Does not belong here: looking at a source, or the text of
a definition (`readers`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

import pyarrow as pa

from stori_pipeline.model.types.misfit import MisfitError
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.model.types.type import Type, registered

_LEAST = 16
"""The length of the shortest varchar that is suggested."""

_NUMBERS = {int, float, Decimal}
_JSON_NATIVES = _NUMBERS | {bool}


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
    return next((python for form, python in forms if _match(form, texts)), "")


def for_json_texts(texts: Sequence[str]) -> str:
    """Like `for_texts`, for texts in JSON. JSON has numbers and booleans, so a text that looks like one is a text."""
    kinds = [kind for kind in registered() if not _JSON_NATIVES & kind.suggested_for.natives.keys()] if texts else []
    forms = [(kind, *each) for kind in kinds for each in kind.suggested_for.texts.items()]
    return next((python for kind, form, python in forms if _match(form, texts) and all(_takes(kind, text) for text in texts)), "")


def _match(form: str, texts: Sequence[str]) -> bool:
    return all(re.fullmatch(form, text, re.DOTALL) for text in texts)


def _takes(kind: Type, text: str) -> bool:
    try:
        kind.convert(text)
    except MisfitError:
        return False
    return True


def longest_of(texts: Iterable[str]) -> int:
    """The length of the longest text, in bytes of UTF-8; 0 where there are none."""
    return max((len(text.encode(errors="replace")) for text in texts), default=0)


def for_longest(length: int) -> str:
    """The Python of the type for a field whose longest text has so many bytes: a varchar with room for twice as many, if there is one;
    `super_` where no varchar holds them."""
    if length > MAX_BYTES:
        return "super_"
    return f"varchar({min(max(_LEAST, 1 << (2 * length - 1).bit_length()), MAX_BYTES)})"


def module_of(python: str) -> str:
    """The module from which a definition imports a type; `python` is the type's name in it, without lengths."""
    return next((kind.module for kind in registered() if python.rstrip("_") == kind.base), "stori_pipeline.model")
