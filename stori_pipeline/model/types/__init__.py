"""The column types: one object a type, and everything about it.

Belongs here: one module for each family, `type` (what such an object has) and `misfit` (why a value does not fit). Does not belong here: a
table, or anything that touches a server. A project may add a type of its own: make a `Type` and `register` it.
"""

from __future__ import annotations

import pyarrow as pa

from stori_pipeline.model.types.documents import super_
from stori_pipeline.model.types.misfit import CODES, Misfit, MisfitError
from stori_pipeline.model.types.moments import date, time, timestamptz
from stori_pipeline.model.types.numbers import bigint, decimal, double, integer, smallint
from stori_pipeline.model.types.texts import boolean, varchar
from stori_pipeline.model.types.type import Type, parse, register, registered

__all__ = [
    "CODES",
    "Misfit",
    "MisfitError",
    "Type",
    "bigint",
    "boolean",
    "date",
    "decimal",
    "double",
    "integer",
    "parse",
    "register",
    "registered",
    "smallint",
    "super_",
    "time",
    "timestamptz",
    "type_of",
    "varchar",
]


def type_of(arrow: pa.DataType) -> Type | None:
    """The column type that holds every value of an Arrow type; None where there is none."""
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
        return varchar(65_535)
    if pa.types.is_decimal(arrow):
        return decimal(arrow.precision, arrow.scale)
    if pa.types.is_timestamp(arrow):
        return timestamptz if arrow.tz is not None else None
    if pa.types.is_dictionary(arrow):
        return type_of(arrow.value_type)
    wider = {pa.int8(): smallint, pa.uint8(): smallint, pa.uint16(): integer, pa.uint32(): bigint, pa.float32(): double}
    exact = {each.arrow: each for each in (bigint, integer, smallint, boolean, date, double)}
    return exact.get(arrow) or wider.get(arrow)
