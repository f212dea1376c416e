"""Checks rows against a definition: every row either lands or is rejected with a reason.

Belongs here: building Arrow batches from rows, column by column, and rejecting the rows that do not fit. A column is first converted as a
whole, which is fast; only if that fails is it converted value by value. Does not belong here: converting a value (`model.types`), reading
rows (`readers`), or the form in which a rejected row is kept (`raw`).
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stori_pipeline.contract.raw import raw_of, raw_text
from stori_pipeline.imports import later
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.misfit import CODES, Misfit, MisfitError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")


@functools.cache
def rejected_schema() -> pa.Schema:
    """The columns of a row in quarantine: a code of `CODES`; the first column that does not fit, "" if the row as a whole does not; the
    reasons of all columns that do not fit; the row as it was read, in JSON; and its place among the rows that fit: the number of those
    before it. In the lake, rows of its batch with a lower `_seq` came before it; null in files of earlier versions."""
    return pa.schema(
        [
            pa.field("code", pa.string(), nullable=False),
            pa.field("column", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("raw", pa.string(), nullable=False),
            pa.field("seq", pa.int64()),
        ]
    )


@dataclass(frozen=True)
class Refused:
    """A row that its reader refused, or one in quarantine. `raw` is JSON text, like `_raw` in `conform`."""

    code: str
    reason: str
    raw: str
    column: str = ""


Row = Mapping[str, object]


def conform(table: Table, rows: Iterable[Row | Refused]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows that fit the definition, in `table.read_schema`, and the others, in `rejected_schema`; both in the order of `rows`.

    Args:
        rows: mappings of column names to Python natives (None, bool, int, float, Decimal, str, date, datetime, UUID, bytes, and dict
            or list for `super`), to texts as Postgres writes them, or to a `Misfit` if the reader found that the value does not fit. A
            naive datetime is in UTC. Other names are ignored, except two: if `_deleted` is True, only the key is used; `_raw` is the row as
            the source has it, if the mapping is only a part of it: JSON text, or a function that returns it. Anything that is not a mapping
            is rejected as `document`. All rows together must stay well below 2 GB.
    """
    mappings: list[Row] = []
    rejected: list[tuple[int, Refused]] = []
    for place, row in enumerate(rows):
        if isinstance(row, Mapping):
            mappings.append(row)
        else:
            # The index of the next mapping, so that both kinds of rejected rows can be sorted into one order.
            rejected.append((place - len(rejected), row if isinstance(row, Refused) else _not_a_row(row)))
    deleted = [row.get("_deleted") is True for row in mappings]
    some_deleted = any(deleted)
    misfits: dict[int, list[tuple[str, Misfit]]] = {}
    arrays = []
    for column in table.columns:
        values = [None if column.dropped else row.get(column.name) for row in mappings]
        key = column.name in table.key
        if some_deleted and not key:
            values = [None if is_deleted else value for value, is_deleted in zip(values, deleted, strict=True)]
        array, wrong = _converted(column.type, values)
        if key or not column.nullable:
            wrong.update(_missing(array, wrong, deleted, key=key))
        arrays.append(array)
        for index, misfit in wrong.items():
            misfits.setdefault(index, []).append((column.name, misfit))
    batch = pa.RecordBatch.from_arrays(
        [*_fitting(arrays, misfits, len(mappings)), pa.array([each for i, each in enumerate(deleted) if i not in misfits], pa.bool_())],
        schema=table.read_schema,
    )
    rejected += [(index, _refused(reasons, mappings[index])) for index, reasons in misfits.items()]
    rejected.sort(key=lambda entry: entry[0])
    unfit = sorted(misfits)
    places = [index - bisect_left(unfit, index) for index, _ in rejected]
    return batch, pa.RecordBatch.from_pylist(
        [_storable(entry) | {"seq": place} for (_, entry), place in zip(rejected, places, strict=True)], schema=rejected_schema()
    )


def _storable(entry: Refused) -> dict[str, Any]:
    """A rejected row for Arrow. A reason may quote what is no valid Unicode."""
    return {name: text.encode(errors="backslashreplace").decode() for name, text in vars(entry).items()}


def _not_a_row(value: object) -> Refused:
    return Refused("document", f"a {type(value).__name__} was read; expected a row", raw_text(value))


def _missing(array: pa.Array, wrong: Mapping[int, Misfit], deleted: Sequence[bool], *, key: bool) -> dict[int, Misfit]:
    """The rows that have null in a column that may not be null. A deleted row needs only its key."""
    if array.null_count == 0:
        return {}
    misfit = Misfit("key_missing", CODES["key_missing"]) if key else Misfit("missing", CODES["missing"])
    nulls = pc.indices_nonzero(array.is_null()).to_pylist()
    return {index: misfit for index in nulls if index not in wrong and (key or not deleted[index])}


def _fitting(arrays: list[pa.Array], misfits: Mapping[int, object], count: int) -> list[pa.Array]:
    if not misfits:
        return arrays
    keep = pa.array([index not in misfits for index in range(count)], pa.bool_())
    return [array.filter(keep) for array in arrays]


def _refused(reasons: list[tuple[str, Misfit]], row: Row) -> Refused:
    column, first = reasons[0]
    return Refused(first.code, "; ".join(f"{name}: {misfit.reason}" for name, misfit in reasons), raw_of(row), column)


# --- columns ---------------------------------------------------------------------------------------------------------


def _converted(kind: Type, values: list[Any]) -> tuple[pa.Array, dict[int, Misfit]]:
    """The column, and the misfits by row, which are null in the column."""
    array = _at_once(kind, values)
    if array is not None:
        return array, {}
    convert = kind.convert
    wrong: dict[int, Misfit] = {}
    fits: list[Any] = []
    for index, value in enumerate(values):
        fit = _converted_value(convert, value)
        if isinstance(fit, Misfit):
            wrong[index] = fit
            fit = None
        fits.append(fit)
    return pa.array(fits, kind.arrow), wrong


def _converted_value(convert: Callable[[Any], Any], value: object) -> Any:
    """The value as the column holds it, or a Misfit."""
    if value is None or isinstance(value, Misfit):
        return value
    try:
        return convert(value)
    except MisfitError as error:
        return error.misfit
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a value does to a library, it is one row)
        return Misfit("type", f"the value cannot be converted: {type(error).__name__}: {str(error)[:200]}")


def _at_once(kind: Type, values: list[Any]) -> pa.Array | None:
    """The column, converted by Arrow, if every value certainly fits, else None. The result is the same as value by value."""
    types = set(map(type, values)) - {type(None)}
    try:
        if not types:
            return pa.nulls(len(values), kind.arrow)
        if types == {str} and kind.text_form:
            return _from_texts(kind, pa.array(values, pa.string()))
        if types <= kind.natives:
            return _from_natives(kind, values, types)
    except (ValueError, TypeError, ArithmeticError, LookupError, NotImplementedError, pa.ArrowException):
        return None  # a value does not fit; converting value by value finds which
    return None


def _from_natives(kind: Type, values: list[Any], types: set[type]) -> pa.Array | None:
    if float in types and not pa.types.is_floating(kind.arrow):
        values = [Decimal(repr(value)) if type(value) is float else value for value in values]
    array = pa.array(values, kind.arrow)
    return array if kind.fits(array) else None


def _from_texts(kind: Type, texts: pa.Array) -> pa.Array | None:
    if not pc.all(pc.match_substring_regex(texts, kind.text_form), min_count=0).as_py():
        return None
    array = kind.from_texts(texts) if kind.from_texts else pc.cast(texts, kind.arrow)
    return array if kind.fits(array) else None
