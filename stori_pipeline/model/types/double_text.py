"""The canonical text of a double: exact to the last bit, and the same in Python, Postgres and Redshift.

Belongs here: that text and its SQL. Does not belong here: which doubles a column takes (`numbers`).
"""

# Redshift shows no double with all its digits: its text has fifteen, and so has its cast to a decimal. But products with powers of two, and
# differences of neighbouring doubles, are exact in every engine. So such a product brings a double into [1, 2^52), and its whole part and
# its fraction, both below 2^52, are written as integers. A comparison chooses the power, because engines round logarithms differently.

from __future__ import annotations

import math

_BITS = 52
_ONE = 1 << _BITS
_BANDS = range(1, -22, -1)
"""The exponents, in steps of 52 bits, of all doubles below 2^104, from the largest to the smallest that there is, 2^-1074."""

_LIFT = 546
"""Below 2^-1022 a double has fewer bits, and 2^1040 is none. There the comparison and the product take a step of so many bits first."""


def canonical(value: float) -> str:
    """`band:whole:fraction`: the value is (whole + fraction / 2^52) * 2^(52 * band). Zero is `0`, with either sign."""
    if not value:
        return "0"
    band = (math.frexp(value)[1] - 1) // _BITS
    scaled = math.ldexp(value, -_BITS * band)
    whole = int(scaled)
    return f"{band}:{whole}:{int((scaled - whole) * _ONE)}"


def value(text: str) -> float:
    """The double with that canonical text."""
    if text == "0":
        return 0.0
    band, whole, fraction = map(int, text.split(":"))
    return math.ldexp(whole + fraction / _ONE, _BITS * band)


def canonical_sql(x: str) -> str:
    """The same for an expression of a double below 2^104; NULL if it is NULL."""
    bands = [f" WHEN {_reaches(x, band)} THEN {_written(x, band)}" for band in _BANDS[:-1]]
    return f"CASE WHEN {x} = 0 THEN '0'{''.join(bands)} WHEN {x} <> 0 THEN {_written(x, _BANDS[-1])} END"


def _power(exponent: int) -> str:
    if 0 <= exponent <= _BITS:
        return str(1 << exponent)
    return f"CAST('{math.ldexp(1.0, exponent)!r}' AS DOUBLE PRECISION)"


def _lifted(x: str, band: int) -> tuple[str, int]:
    """The expression, in small bands times 2^546, and the exponent of the band after that."""
    low = _BITS * band
    return (x, low) if low >= -1000 else (f"{x} * {_power(_LIFT)}", low + _LIFT)


def _reaches(x: str, band: int) -> str:
    lifted, low = _lifted(x, band)
    return f"ABS({lifted}) >= {_power(low)}"


def _written(x: str, band: int) -> str:
    lifted, low = _lifted(x, band)
    scaled = lifted if low == 0 else f"{lifted} * {_power(-low)}"
    whole, fraction = f"TRUNC({scaled})", f"({scaled} - TRUNC({scaled})) * {_ONE}"
    return f"'{band}:' || {_integer(whole)} || ':' || {_integer(fraction)}"


def _integer(x: str) -> str:
    return f"CAST(CAST({x} AS BIGINT) AS VARCHAR(20))"
