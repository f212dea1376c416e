"""The closed vocabulary of column types.

Belongs here: one object a type. Does not belong here: a table, or anything that touches a server.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from stori_pipeline.model.errors import DefinitionError


@dataclass(frozen=True)
class Type:
    """One column type: the name a definition uses, the Arrow type that lands, and the Redshift type of the mirror's column.

    `stage` is the Redshift type of the column that COPY fills. Where it differs from `redshift`, `load` is the expression
    through which a value passes on the way to its target; `{}` stands for the column.
    """

    name: str
    arrow: pa.DataType
    redshift: str
    stage: str = ""
    load: str = "{}"
    max_bytes: int | None = None
    """For text and SUPER: the longest value, in bytes of UTF-8, that fits."""

    def __post_init__(self) -> None:
        if not self.stage:
            object.__setattr__(self, "stage", self.redshift)

    def __str__(self) -> str:
        return self.name

    @property
    def base(self) -> str:
        """The name without its lengths: `varchar` of `varchar(64)`."""
        return self.name.partition("(")[0]


bigint = Type("bigint", pa.int64(), "BIGINT")
integer = Type("integer", pa.int32(), "INTEGER")
smallint = Type("smallint", pa.int16(), "SMALLINT")
boolean = Type("boolean", pa.bool_(), "BOOLEAN")
date = Type("date", pa.date32(), "DATE")
# Instants are microseconds in UTC: Redshift cannot read a naive Parquet timestamp, and reads nanoseconds as nonsense.
timestamptz = Type("timestamptz", pa.timestamp("us", tz="UTC"), "TIMESTAMPTZ")
double = Type("double", pa.float64(), "DOUBLE PRECISION")
# JSON text, landed as bytes: COPY would load a Parquet string into SUPER as one long string scalar, and JSON_PARSE takes
# documents over 65,535 bytes only from VARBYTE.
super_ = Type("super", pa.binary(), "SUPER", stage="VARBYTE(16777216)", load="JSON_PARSE({})", max_bytes=16_000_000)
# A time of day as text, `07:55:00.000000`: COPY does not load Parquet's own times.
time = Type("time", pa.string(), "TIME", stage="VARCHAR(15)", load="CAST({} AS TIME)", max_bytes=15)


def decimal(precision: int, scale: int) -> Type:
    """An exact number with `precision` digits (1 to 38), `scale` of them (0 to 37) behind the point."""
    if not (1 <= precision <= 38 and 0 <= scale <= min(37, precision)):
        raise DefinitionError(
            f"decimal({precision},{scale}): Redshift takes a precision of 1-38 and a scale of 0-37, at most the precision"
        )
    name = f"decimal({precision},{scale})"
    return Type(name, pa.decimal128(precision, scale), f"DECIMAL({precision},{scale})")


def varchar(length: int) -> Type:
    """Text of at most `length` **bytes** of UTF-8 (1 to 65,535), as Redshift counts them."""
    if not 1 <= length <= 65_535:
        raise DefinitionError(f"varchar({length}): Redshift takes 1 to 65535 bytes; for longer documents use super_")
    return Type(f"varchar({length})", pa.string(), f"VARCHAR({length})", max_bytes=length)


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
