"""What fits a record and what goes to quarantine: every row read becomes a row that lands, or a rejected one with its reason.

Belongs here: building Arrow batches from rows, column by column, and sorting out the rows that do not fit. What becomes of
one value is `verdicts`' business; where rows come from is the readers'.

A whole column is tried at once, which is fast; only a column in which something does not fit is gone through value by value.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.misfit import CODES, VAST_BITS, Misfit, MisfitError

REJECTED: pa.Schema = pa.schema(
    [
        pa.field("code", pa.string(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)
"""A row in quarantine: a code of `CODES`; the first column that does not fit, empty where it is the row as a whole; the reasons
of all columns that do not; the row as it was read, in JSON."""

RAW_CHARACTERS = 32_000_000
"""Up to this many characters, `raw` holds the whole row: twice what a MongoDB document may weigh. Of a larger one it holds the
beginning of each value."""


@dataclass(frozen=True)
class Refused:
    """A row that its reader had to refuse before it had columns. `raw` is JSON text, as for `_raw`."""

    code: str
    reason: str
    raw: str
    column: str = ""


Row = Mapping[str, object]


def conform(table: Table, rows: Iterable[Row | Refused]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows that fit the record, in `table.read_schema`, and those that do not, in `REJECTED`; both in the order given.

    Args:
        rows: mappings of column names to Python natives (None, bool, int, float, Decimal, str, date, datetime, UUID, bytes, and dict
            or list for `super`), to texts as Postgres writes them, or to a `Misfit` where the reader knows that nothing fits. A naive
            datetime is in UTC. Other names are ignored, except two: `_deleted` True, when nothing but the key matters, and `_raw`, the
            row as the source has it where the mapping is only a part of it: JSON text, or a function that returns it. Anything that is
            not a mapping is rejected as `document`. Their bytes must stay well below 2 GB in all.
    """
    given: list[Row] = []
    rejected: list[tuple[int, Refused]] = []
    for place, row in enumerate(rows):
        if isinstance(row, Mapping):
            given.append(row)
        else:
            # `place` among the rows given, so that the two kinds of rejection come out in one order.
            rejected.append((place - len(rejected), row if isinstance(row, Refused) else _not_a_row(row)))
    deleted = [row.get("_deleted") is True for row in given]
    some_deleted = any(deleted)
    misfits: dict[int, list[tuple[str, Misfit]]] = {}
    arrays = []
    for column in table.columns:
        values = [row.get(column.name) for row in given]
        key = column.name in table.key
        if some_deleted and not key:
            values = [None if gone else value for value, gone in zip(values, deleted, strict=True)]
        array, wrong = _converted(column.type, values)
        if key or not column.nullable:
            wrong.update(_missing(array, wrong, deleted, key=key))
        arrays.append(array)
        for index, misfit in wrong.items():
            misfits.setdefault(index, []).append((column.name, misfit))
    batch = pa.RecordBatch.from_arrays(
        [*_fitting(arrays, misfits, len(given)), pa.array([g for i, g in enumerate(deleted) if i not in misfits], pa.bool_())],
        schema=table.read_schema,
    )
    rejected += [(index, _refused(found, given[index])) for index, found in misfits.items()]
    rejected.sort(key=lambda entry: entry[0])
    return batch, pa.RecordBatch.from_pylist([vars(entry) for _, entry in rejected], schema=REJECTED)


def _not_a_row(value: object) -> Refused:
    return Refused("document", f"a {type(value).__name__} was read where a row was meant", raw_text(value))


def _missing(array: pa.Array, wrong: Mapping[int, Misfit], deleted: Sequence[bool], *, key: bool) -> dict[int, Misfit]:
    """The nulls of a column that may have none. A deleted row needs only its key."""
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


def _refused(found: list[tuple[str, Misfit]], row: Row) -> Refused:
    column, first = found[0]
    return Refused(first.code, "; ".join(f"{name}: {misfit.reason}" for name, misfit in found), _raw(row), column)


# --- columns ---------------------------------------------------------------------------------------------------------


def _converted(kind: Type, values: list[Any]) -> tuple[pa.Array, dict[int, Misfit]]:
    """The column, and by row what does not fit (null in the column)."""
    whole = _at_once(kind, values)
    if whole is not None:
        return whole, {}
    convert = kind.convert
    wrong: dict[int, Misfit] = {}
    fits: list[Any] = []
    for index, value in enumerate(values):
        fit = _verdict(convert, value)
        if isinstance(fit, Misfit):
            wrong[index] = fit
            fit = None
        fits.append(fit)
    return pa.array(fits, kind.arrow), wrong


def _verdict(convert: Callable[[Any], Any], value: object) -> Any:
    """What the column holds for this value, or a Misfit."""
    if value is None or isinstance(value, Misfit):
        return value
    try:
        return convert(value)
    except MisfitError as error:
        return error.misfit


def _at_once(kind: Type, values: list[Any]) -> pa.Array | None:
    """The whole column where every value certainly fits, else None. Whatever this returns, `verdicts` would have returned too."""
    types = set(map(type, values)) - {type(None)}
    try:
        if not types:
            return pa.nulls(len(values), kind.arrow)
        if types == {str} and kind.text_form:
            return _from_texts(kind, pa.array(values, pa.string()))
        if types <= kind.natives:
            return _from_natives(kind, values, types)
    except (ValueError, TypeError, OverflowError):
        return None  # something in it does not fit: value by value then, which says what
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


# --- rows as they were read ------------------------------------------------------------------------------------------


def _raw(row: Row) -> str:
    raw = row.get("_raw")
    if raw is None:
        return raw_text({name: value for name, value in row.items() if not isinstance(value, Misfit)})
    return str(raw() if callable(raw) else raw)


def raw_text(value: object) -> str:
    """A row as it was read, in JSON, as faithfully as JSON can: numbers beyond JSON, instants and bytes (base64) as texts."""
    try:
        text = _raw_text(value)
    except RecursionError:
        text = json.dumps(f"a {type(value).__name__} nested too deeply to be written")
    return text


def _raw_text(value: object) -> str:
    text = json.dumps(_written(value), ensure_ascii=False, default=_unknown)
    if len(text) > RAW_CHARACTERS:
        text = json.dumps(_shortened(value), ensure_ascii=False, default=_unknown)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: escapes can say it
        text = json.dumps(json.loads(text))
    return text


def _shortened(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _shortened(inner) for name, inner in value.items()}
    text = value if isinstance(value, str) else json.dumps(_written(value), ensure_ascii=False, default=_unknown)
    return text if len(text) <= 1000 else f"{text[:1000]}… ({len(text)} characters)"


def _written(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _written(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        return hex(value)
    return value


def _unknown(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return str(value)
