"""Numbers: integers, decimals, and doubles, which are approximations.

Belongs here: those types. Does not belong here: numbers inside documents (`documents`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

from stori_pipeline.imports import later
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.types import double_text
from stori_pipeline.model.types.misfit import MisfitError, shown, wrong_type
from stori_pipeline.model.types.type import Role, SuggestedFor, Type, register

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")

MAX_DOUBLE = 1e28
"""The bound of doubles; their canonical text reaches to 2e31."""

_KEYS: frozenset[Role] = frozenset({"key", "sortkey", "distkey"})

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,5})?", re.ASCII)
_NOT_FINITE = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}


def _number(value: object, kind: Type | str) -> int | Decimal:
    """The exact number that an int, Decimal, float or text stands for; a float stands for its shortest decimal form."""
    if isinstance(value, bool):
        raise wrong_type(value, kind)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        exact = Decimal(repr(float(value)))
    elif isinstance(value, Decimal):
        exact = value
    elif isinstance(value, str):
        if value.lower() in _NOT_FINITE:
            raise MisfitError("not_finite", f"{value} has no place in a {kind}")
        if not _NUMBER.fullmatch(value):
            raise wrong_type(value, kind)
        exact = Decimal(value)
    else:
        raise wrong_type(value, kind)
    if not exact.is_finite():
        raise MisfitError("not_finite", f"{value} has no place in a {kind}")
    return exact


# --- integers --------------------------------------------------------------------------------------------------------


def _integer(name: str, bits: int, narrower: frozenset[str], docs: str, suggested_for: SuggestedFor) -> Type:
    """The integers of so many bits; `narrower` are other Arrow types of which they hold every value."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: object) -> int:
        number = _number(value, name)
        # Check the size first: converting 1E+6000 to an int would compute all its digits.
        if isinstance(number, Decimal) and number and number.adjusted() > 19:
            raise MisfitError("range", f"{shown(value)} is outside {low} to {high}")
        if number != (integer := int(number)):
            raise MisfitError("scale", f"{shown(value)} is not a whole number")
        if not low <= integer <= high:
            raise MisfitError("range", f"{shown(value)} is outside {low} to {high}")
        return integer

    return register(
        Type(
            name=name,
            arrow=lambda: getattr(pa, f"int{bits}")(),
            redshift=name.upper(),
            convert=convert,
            natives=frozenset({int}),  # to Python, `bool` is another type
            text_form=r"^-?[0-9]+$",
            copy_form="",
            canonical=str,
            canonical_sql=lambda x, _: f"CAST({x} AS VARCHAR(20))",
            roles=_KEYS,
            postgres={"smallint": "{x}", "integer": "{x}", "bigint": "{x}", "oid": "{x}::bigint"},
            of_arrow=lambda each: () if str(each) in {f"int{bits}", *narrower} else None,
            suggested_for=suggested_for,
            docs=docs,
        )
    )


bigint = _integer(
    "bigint",
    64,
    frozenset({"uint32"}),
    "a whole number of 64 bits",
    SuggestedFor(
        postgres={"bigint": "bigint", "oid": "bigint"},
        # A duration is read as its number of units. An unsigned integer of 64 bits may be too large.
        arrow=lambda arrow: "bigint" if (pa.types.is_integer(arrow) and arrow != pa.uint64()) or pa.types.is_duration(arrow) else "",
        natives={int: "bigint"},
        texts={r"\s*(0|-?[1-9]\d*)\s*": "bigint"},  # not 007: a number does not keep its zeros
    ),
)
integer = _integer("integer", 32, frozenset({"uint16"}), "a whole number of 32 bits", SuggestedFor(postgres={"integer": "integer"}))
smallint = _integer(
    "smallint", 16, frozenset({"int8", "uint8"}), "a whole number of 16 bits", SuggestedFor(postgres={"smallint": "smallint"})
)


# --- decimals --------------------------------------------------------------------------------------------------------


def decimal(precision: int, scale: int) -> Type:
    """An exact number with `precision` digits (1 to 38), `scale` of them (0 to 37) behind the point."""
    if not (1 <= precision <= 38 and 0 <= scale <= min(37, precision)):
        raise DefinitionError(
            f"decimal({precision},{scale}): Redshift takes a precision of 1-38 and a scale of 0-37, at most the precision"
        )
    redshift = f"DECIMAL({precision},{scale})"
    return Type(
        name=f"decimal({precision},{scale})",
        arrow=lambda: pa.decimal128(precision, scale),
        redshift=redshift,
        convert=_to_decimal(f"decimal({precision},{scale})", precision, scale),
        natives=frozenset({int, float, Decimal}),
        text_form=r"^-?[0-9]+([.][0-9]{1,38})?$",  # Arrow changes numbers with more places
        copy_form="",
        canonical=lambda value: format(value, "f"),
        canonical_sql=lambda x, _: f"CAST(CAST({x} AS {redshift}) AS VARCHAR(42))",
        roles=_KEYS,
        postgres={"numeric": "{x}", "smallint": "{x}", "integer": "{x}", "bigint": "{x}", "money": "{x}::numeric"},
        postgres_unfit=lambda x: f"abs({x}::numeric) >= 1e{precision - scale}::numeric OR {x}::numeric <> round({x}::numeric, {scale})",
        of_arrow=lambda arrow: (arrow.precision, arrow.scale) if pa.types.is_decimal(arrow) else None,
        suggested_for=SuggestedFor(
            postgres={"money": "decimal(19, 2)"},
            arrow=_for_arrow,
            natives={Decimal: "decimal(38, 10)"},
            texts={r"\s*-?(0|[1-9]\d*)(\.\d+)?\s*": "decimal(38, 10)"},
            sized=_with_room,
        ),
        catalog_name=f"numeric({precision},{scale})",
        docs="an exact number of so many digits, so many of them behind the point",
    )


def _to_decimal(name: str, precision: int, scale: int) -> Callable[[Any], Decimal]:
    step = Decimal(1).scaleb(-scale)
    exactly = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])

    def convert(value: object) -> Decimal:
        number = _number(value, name)
        if isinstance(number, int) and number.bit_length() > 128:
            raise MisfitError("range", f"{shown(value)} has more than {precision - scale} digits before the point")
        exact = Decimal(number)
        if exact and exact.adjusted() >= precision - scale:
            raise MisfitError("range", f"{shown(value)} has more than {precision - scale} digits before the point")
        try:
            return exact.quantize(step, context=exactly)
        except Inexact:
            raise MisfitError("scale", f"{shown(value)} has more than {scale} places behind the point") from None

    return convert


_TEXT_FRACTION = re.compile(r"\.(\d*)")


def _for_arrow(arrow: pa.DataType) -> str:
    if arrow == pa.uint64():
        return "decimal(20, 0)"
    return f"decimal({min(arrow.precision, 38)}, {max(arrow.scale, 0)})" if pa.types.is_decimal(arrow) else ""


def _with_room(values: Sequence[Any]) -> str:
    """The decimal with room for the digits of these numbers, or of texts that are numbers; "" if there is none. Beyond `decimal(38, 10)`,
    what they leave of 38 digits is shared between both sides of the point."""
    if not all(map(_keeps_its_zeros(values), values)):
        return ""
    before, behind = 0, 0
    for value in values:
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        exponent = exact.as_tuple().exponent
        if not isinstance(exponent, int):  # NaN or an infinity
            return ""
        if exact:
            digits = "".join(map(str, exact.as_tuple().digits))
            zeros = len(digits) - len(digits.rstrip("0"))
            before, behind = max(before, exact.adjusted() + 1), max(behind, -(exponent + zeros))
    if before <= 28 and behind <= 10:
        return "decimal(38, 10)"
    spare = 38 - before - behind
    return f"decimal(38, {min(37, behind + spare // 2)})" if spare >= 0 else ""


def _keeps_its_zeros(values: Sequence[Any]) -> Callable[[Any], bool]:
    """Whether a text can be written again from its number. `1.10` beside `1.9` may be a version and not a number; with as many places in
    each text, or with no zero at the end of any but `1.0`, the texts are numbers."""
    fractions = {match[1] for value in values if isinstance(value, str) and (match := _TEXT_FRACTION.search(value))}
    is_even = len({len(fraction) for fraction in fractions}) <= 1
    return lambda value: is_even or not isinstance(value, str) or not re.search(r"\.\d+0\s*$", value)


register(decimal(18, 2), decimal)


# --- doubles ---------------------------------------------------------------------------------------------------------


def _to_double(value: object) -> float:
    if isinstance(value, str) and value.lower() not in _NOT_FINITE and not _NUMBER.fullmatch(value):
        raise wrong_type(value, "double")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise wrong_type(value, "double")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int beyond any double; a signalling NaN
        number = math.nan if isinstance(value, Decimal) else math.inf
    if math.isnan(number) or (math.isinf(number) and (isinstance(value, float) or str(value).lower() in _NOT_FINITE)):
        raise MisfitError("not_finite", f"{value} has no place in a double")
    if abs(number) >= MAX_DOUBLE:
        raise MisfitError("range", f"{shown(value)} is beyond {MAX_DOUBLE:g}, where doubles can no longer be compared with the source")
    return number


def _finite(array: pa.Array) -> bool:
    # NaN compares false with everything, so it fails this test, like the infinities.
    return bool(pc.all(pc.less(pc.abs(array), MAX_DOUBLE), min_count=0).as_py())


double = register(
    Type(
        name="double",
        arrow=lambda: pa.float64(),
        redshift="DOUBLE PRECISION",
        convert=_to_double,
        natives=frozenset({float}),
        text_form=r"^[-+0-9.eE]+$",
        fits=_finite,
        copy_form="",
        canonical=double_text.canonical,
        canonical_sql=lambda x, _: double_text.canonical_sql(x),
        seen=lambda text: repr(double_text.value(text)),
        postgres={"double precision": "{x}", "real": "{x}::float8", "integer": "{x}::float8", "smallint": "{x}::float8"},
        postgres_unfit=lambda x: f"abs({x}) >= {MAX_DOUBLE:.0f}",  # which is true of NaN, too
        of_arrow=lambda arrow: () if arrow in (pa.float64(), pa.float32()) else None,
        suggested_for=SuggestedFor(
            postgres={"real": "double", "double precision": "double"},
            arrow=lambda arrow: "double" if pa.types.is_floating(arrow) else "",
            natives={float: "double"},
        ),
        catalog_name="double precision",
        docs="an approximate number, finite and below 1e28",
    )
)
