"""Which type a suggested definition names for a column of a source.

Belongs here: choosing among the registered types by the values of a column. A type's own `convert` decides whether a value fits, so that a
suggested definition takes every value that it was made from. Does not belong here: looking at a source, or the text of a definition
(`readers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stori_pipeline.imports import later
from stori_pipeline.model.types.misfit import Misfit, MisfitError
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.model.types.type import Role, Type, parse, registered

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

WIDE_TEXT = f"varchar({MAX_BYTES})"
"""The type of a text whose length no one declared."""

_NUMBERS = {int, float, Decimal}
_JSON_NATIVES = _NUMBERS | {bool}

Handed = Callable[[Type, Any], Any]
"""What a reader hands to the contract for a value of the source and a column of that type."""


@dataclass(frozen=True)
class Suggestion:
    """A type as Python, such as `decimal(38, 10)`. `guess` says what the source does not guarantee; "" if nothing. `warning` says why some
    of the values fit no type; "" if all fit."""

    python: str
    guess: str = ""
    warning: str = ""

    @property
    def comment(self) -> str:
        """The comment for the column, without `#`; "" if there is nothing to say."""
        return "; ".join(filter(None, (self.guess and f"a guess: {self.guess}", self.warning)))


_EMPTY = Suggestion(WIDE_TEXT, "no row has a value")


def as_it_is(_: Type, value: Any) -> Any:
    """The reader hands the value on as the source has it."""
    return value


def for_values(values: Collection[Any], *, handed: Handed = as_it_is, role: Role | None = None, in_json: bool = True) -> Suggestion:
    """The type for a field with these values, as Python natives; None for a row without a value.

    Args:
        handed: what the reader hands to the contract.
        role: the role that the column has in its table.
        in_json: whether the values come from JSON or BSON. Those have numbers and booleans, so a text that looks like one is a text.
    """
    some = _distinct(value for value in values if not (value is None or isinstance(value, Misfit)))
    found = _first_fit(some, [*_candidates(some, in_json=in_json, role=role)], handed, role) if some else _EMPTY
    misfits = [value for value in values if isinstance(value, Misfit)]
    if misfits and not found.warning:
        return replace(found, warning=f"{len(misfits):,} of {len(values):,} values go to quarantine: {misfits[0].reason}")
    return found


def for_column(arrow: Iterable[pa.DataType], values: Collection[Any], *, handed: Handed = as_it_is, role: Role | None = None) -> Suggestion:
    """The type for a column of Parquet files, which may have a different Arrow type in each of them."""
    declared = {for_arrow(each) for each in arrow if not pa.types.is_null(each)} - {""}
    some = _distinct(value for value in values if value is not None)
    if len(declared) == 1:
        named = next(iter(declared))
        first = _first_fit(some, [(named, "")], handed, role)
        if not first.warning and first.python == named:
            return first
    return for_values(values, handed=handed, role=role)


def for_postgres(source_type: str) -> str:
    """The type for one of Postgres's types, as Python; "" if its values must be measured."""
    return next((python[source_type] for kind in _types() if source_type in (python := kind.suggested_for.postgres)), "")


def for_arrow(arrow: pa.DataType) -> str:
    """The type for a column of a Parquet file, as Python; "" if none is suggested."""
    if pa.types.is_dictionary(arrow):
        return for_arrow(arrow.value_type)
    return next((python for kind in _types() if (python := kind.suggested_for.arrow(arrow))), "")


def type_named(python: str) -> Type:
    """The type that Python such as `decimal(38, 10)` or `super_` makes."""
    return parse(python.rstrip("_"))


def module_of(python: str) -> str:
    """The module from which a definition imports a type; `python` is the type's name in it, without lengths."""
    return next((kind.module for kind in registered() if python.rstrip("_") == kind.base), "stori_pipeline.model")


# --- candidates ------------------------------------------------------------------------------------------------------


def _types() -> list[Type]:
    """The registered types in the order in which they are tried: a project's own before the platform's."""
    return sorted(registered(), key=lambda kind: kind.module == "stori_pipeline.model")


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The values, each of the hashable ones once. To Python, 1, 1.0 and True are equal, but they are values of different types."""
    some = list(values)
    hashable = [value for value in some if isinstance(value, Hashable) and not isinstance(value, tuple)]
    others = [value for value in some if not isinstance(value, Hashable) or isinstance(value, tuple)]
    return [*{(type(value), value): value for value in hashable}.values(), *others]


def _candidates(values: Sequence[Any], *, in_json: bool, role: Role | None) -> Iterator[tuple[str, str]]:
    """Types in the order in which they are tried, each with what would be a guess in it."""
    kinds = set(map(type, values))
    if kinds == {str}:
        for kind in _types():
            # A key of texts is asked of the source as the texts that they are.
            is_possible = not in_json or not (role == "key" or _JSON_NATIVES & kind.suggested_for.natives.keys())
            for form, python in kind.suggested_for.texts.items() if is_possible else ():
                if _match(form, values) and (sized := _sized(kind, python, values)):
                    yield sized, f"each of {len(values):,} texts reads as {_article(kind.base)}"
        yield WIDE_TEXT, ""
    elif kinds <= _NUMBERS:
        yield from _for_numbers(kinds, values)
    elif len(kinds) == 1:
        (native,) = kinds
        yield from ((python, "") for kind in _types() if (python := kind.suggested_for.natives.get(native, "")))
    yield "super_", "" if len(kinds) == 1 else f"values of {len(kinds)} types"
    yield WIDE_TEXT, "as text, because no other type takes every value"


def _for_numbers(kinds: set[type], values: Sequence[Any]) -> Iterator[tuple[str, str]]:
    # A program that has doubles only, such as one in JavaScript, writes some of them as integers.
    order = [int, Decimal] if kinds == {int} else [float, Decimal] if kinds <= {int, float} else [Decimal]
    guesses = {int: f"each of {len(values):,} numbers is whole", float: "", Decimal: f"room for the digits of {len(values):,} numbers"}
    for native in order:
        for kind in _types():
            for each, python in kind.suggested_for.natives.items():
                if each is native and (sized := _sized(kind, python, values)):
                    yield sized, guesses[native]
    yield WIDE_TEXT, "as text, because no type of numbers takes every digit"


def _sized(kind: Type, python: str, values: Sequence[Any]) -> str:
    return kind.suggested_for.sized(values) if kind.suggested_for.sized else python


def _match(form: str, texts: Sequence[str]) -> bool:
    return all(re.fullmatch(form, text, re.DOTALL) for text in texts)


def _article(base: str) -> str:
    return f"an {base}" if base[0] in "aeiou" else f"a {base}"


# --- what fits -------------------------------------------------------------------------------------------------------


def _first_fit(values: Sequence[Any], candidates: Sequence[tuple[str, str]], handed: Handed, role: Role | None) -> Suggestion:
    """The first candidate that takes every value unchanged. If there is none, the one that takes most, with a warning."""
    tried: list[tuple[int, Suggestion]] = []
    for python, guess in candidates:
        kind = type_named(python)
        if role is not None and role not in kind.roles:
            continue
        refused = [reason for value in values if (reason := _refusal(kind, value, handed))]
        if not refused:
            return Suggestion(python, guess)
        warning = f"{len(refused):,} of {len(values):,} different values go to quarantine: {refused[0]}"
        tried.append((len(refused), Suggestion(python, guess, warning.replace("\n", " "))))
    return min(tried, key=lambda each: each[0])[1] if tried else Suggestion(WIDE_TEXT)


def _refusal(kind: Type, value: Any, handed: Handed) -> str:
    """Why the type does not take a value unchanged; "" if it does."""
    try:
        given = handed(kind, value)
        if isinstance(given, Misfit):
            return given.reason
        return "" if given is None or _is_same(given, kind.convert(given)) else f"{given!r} would change"
    except MisfitError as error:
        return error.misfit.reason


def _is_same(value: Any, converted: Any) -> bool:
    if type(value) not in _NUMBERS or type(converted) not in _NUMBERS:
        return True  # a text, or a value of a type that converts in one way only
    return bool(type(value)(converted) == value)
