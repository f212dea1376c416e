"""Widths of types: which of two types takes every value of the other.

Belongs here: comparing lengths, digits and ranges. Does not belong here: whether a value fits (`Type.convert`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stori_pipeline.imports import later
from stori_pipeline.model.types.type import Type

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
"""The digits of the largest integer, by its bits."""


def holds(ours: Type, theirs: Type) -> bool:
    """Whether a column of type `ours` takes every value that one of type `theirs` may have, as far as their widths tell. Types of different
    kinds, such as a date and a text, have no widths to compare, so this says True."""
    if ours.is_text and theirs.is_text and ours.max_bytes is not None and theirs.max_bytes is not None:
        return ours.max_bytes >= theirs.max_bytes
    mine, other = _room(ours.arrow), _room(theirs.arrow)
    if mine is None or other is None:
        return True
    if pa.types.is_integer(ours.arrow) and pa.types.is_integer(theirs.arrow):
        return bool(ours.arrow.bit_width >= theirs.arrow.bit_width)
    # The largest integer has another digit than the integer holds in full: 32 bits hold each number of nine digits, not of ten.
    whole = mine[0] - 1 if pa.types.is_integer(ours.arrow) else mine[0]
    return whole >= other[0] and mine[1] >= other[1]


def _room(arrow: pa.DataType) -> tuple[int, int] | None:
    """The digits before and behind the point; None if it is no exact number."""
    if pa.types.is_decimal(arrow):
        return arrow.precision - arrow.scale, arrow.scale
    return (_DIGITS[arrow.bit_width], 0) if pa.types.is_integer(arrow) else None
