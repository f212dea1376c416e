"""The values of a Parquet file's columns as the contract takes them.

Belongs here: what Parquet holds and Python's natives do not: units, bytes, short floats. Does not belong here: which columns of the file a
table reads (`formats`).
"""

# Instants are in microseconds; one that is finer comes as a text with all its digits, so that only a column of texts takes it. A float of
# 32 bits stands for its shortest decimal, 19.99 and not 19.989999771118164. A duration is its number of units. Bytes are a text in UTF-8;
# if a path has `$base64.` before the name, they are their base64.

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from stori_pipeline.contract import Misfit
from stori_pipeline.imports import later
from stori_pipeline.model.table import Column
from stori_pipeline.readers.json_rows import steps

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")
    pq = later("pyarrow.parquet")

BASE64 = "$base64."
_ROWS = 5_000


def plain_path(column: Column) -> str:
    """A column's path without `$base64.`."""
    return column.source_path.removeprefix(BASE64)


class ParquetValues:
    """An open file. INT96, in which old writers have instants, is read in microseconds; in nanoseconds it would wrap around in 2262."""

    def __init__(self, file: IO[bytes]) -> None:
        # Not memory-mapped: a broken file must raise an error, not crash the process.
        handle = pa.PythonFile(file, mode="r")
        self._micros = pq.ParquetFile(handle, coerce_int96_timestamp_unit="us")
        self.schema: pa.Schema = self._micros.schema_arrow
        leaves = [self._micros.schema.column(place) for place in range(len(self._micros.schema))]
        self._int96 = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"} & set(self.schema.names)
        # Read a second time, to see what microseconds would cut off.
        self._nanos = pq.ParquetFile(handle) if self._int96 else self._micros

    @property
    def names(self) -> list[str]:
        names: list[str] = self.schema.names
        return names

    @property
    def rows(self) -> int:
        return int(self._micros.metadata.num_rows)

    def holder(self, column: Column) -> int | None:
        """The index of the struct in which the path of a column leads to a field; None if there is none."""
        path = steps(plain_path(column))
        for place, each in enumerate(self.schema):
            if len(path) > 1 and each.name == path[0] and _field(each.type, path[1:]) is not None:
                return place
        return None

    def batches(self, columns: Sequence[tuple[int, Column]]) -> Iterator[list[dict[str, Any]]]:
        """The rows in batches, with the value of each column of the table by its name; `columns` has its index in the file, too."""
        names = sorted({self.names[place] for place, _ in columns})
        # Arrow finds columns by names, in which a dot leads into a struct; where a name is not of one column, it reads all.
        is_clear = len(set(self.names)) == len(self.names) and not any("." in name for name in self.names)
        finer = [name for name in names if name in self._int96]
        nanos = self._nanos.iter_batches(_ROWS, columns=finer) if finer else itertools.repeat(None)
        found = self._micros.iter_batches(_ROWS, columns=names if is_clear else None)
        for batch, exact in zip(found, nanos, strict=False):
            values: dict[str, list[Any]] = {}
            for place, column in columns:
                array = batch.column(self.names[place] if is_clear else place)
                if self.names[place] in finer:
                    values[column.name] = _exact(array, exact.column(self.names[place]))
                else:
                    values[column.name] = natives(_member(array, column, self.names[place]), column)
            yield [{name: each[index] for name, each in values.items()} for index in range(batch.num_rows)]

    def close(self) -> None:
        self._nanos.close()
        self._micros.close()


def _field(kind: pa.DataType, path: Sequence[str]) -> pa.DataType | None:
    """The type of the field at a path in a struct; None if it leads nowhere."""
    for name in path:
        if not pa.types.is_struct(kind) or kind.get_field_index(name) < 0:
            return None
        kind = kind.field(name).type
    return kind


def _member(array: pa.Array, column: Column, name: str) -> pa.Array:
    """The field of a struct to which the path of a column leads; the array itself if that is what the path names."""
    path = steps(plain_path(column))
    if len(path) > 1 and path[0] == name and _field(array.type, path[1:]) is not None:
        for each in path[1:]:
            array = pc.struct_field(array, [each])
    return array


@contextmanager
def opened(file: IO[bytes]) -> Iterator[ParquetValues]:
    source = ParquetValues(file)
    try:
        yield source
    finally:
        source.close()


def natives(array: pa.Array, column: Column) -> list[Any]:
    """The values of an array for a column of a table, as Python natives."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if is_bytes(kind):
        return _of_bytes(array, column)
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        array = _shortest(array)
    elif pa.types.is_duration(kind):
        array = array.cast(pa.int64())
    elif pa.types.is_timestamp(kind) and kind.tz is not None and kind.tz != "UTC":
        # Arrow holds the instant in UTC, and the zone says how to show it. Nobody here may know the zone.
        return natives(array.cast(pa.timestamp(kind.unit, "UTC")), column)
    elif pa.types.is_temporal(kind) and getattr(kind, "unit", "") == "ns":
        array = _in_micros(array, as_text=column.type.is_text)
    return _listed(array)  # a text in a super column is JSON, for which Parquet has no type of its own


def _listed(array: pa.Array) -> list[Any]:
    """The values; a Misfit for one that Python cannot hold. A map is an object, or pairs if a key repeats."""
    try:
        values: list[Any] = array.to_pylist(maps_as_pydicts="strict")
    except Exception:  # noqa: BLE001  (whatever a value does to the library, it is one value)
        return [_single(value) for value in array]
    return values


def _single(value: pa.Scalar) -> Any:
    try:
        return value.as_py(maps_as_pydicts="strict")
    except KeyError:
        return _pairs(value)
    except Exception as error:  # noqa: BLE001
        return _unreadable(value, error)


def _pairs(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except Exception as error:  # noqa: BLE001
        return _unreadable(value, error)


def _unreadable(value: pa.Scalar, error: Exception) -> Misfit:
    if isinstance(error, (OverflowError, ValueError)) and pa.types.is_temporal(value.type):
        return Misfit("range", f"a {value.type} outside the years 1 to 9999")
    return Misfit("type", f"a {value.type} that cannot be read: {type(error).__name__}: {str(error)[:100]}")


def is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _of_bytes(array: pa.Array, column: Column) -> list[Any]:
    found: Mapping[bool, Any] = {True: _base64, False: bytes if column.type.is_document else _text}
    convert = found[column.source_path.startswith(BASE64)]
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _text(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return Misfit("unicode", f"bytes that are not UTF-8: {error.reason} at byte {error.start}; path={BASE64!r} reads them as base64")


def _shortest(array: pa.Array) -> pa.Array:
    # Arrow writes the shortest text from which the same float of 32 bits is read.
    return pc.cast(pc.cast(pc.cast(array, pa.float32()), pa.string()), pa.float64())


def _in_micros(array: pa.Array, *, as_text: bool) -> pa.Array:
    if as_text:
        return array.cast(pa.string())
    micros = pa.time64("us") if pa.types.is_time(array.type) else pa.timestamp("us", array.type.tz)
    try:
        return array.cast(micros)
    except pa.ArrowInvalid:
        return array.cast(pa.string())  # with all digits, so that the contract rejects it


def _exact(micros: pa.Array, nanos: pa.Array) -> list[Any]:
    """Instants in microseconds, but the text of each that is finer. Nanoseconds that have wrapped around are far from the microseconds."""
    finer = [
        ns is not None and ns % 1_000 != 0 and 0 < ns - us * 1_000 < 1_000
        for us, ns in zip(micros.cast(pa.int64()).to_pylist(), nanos.cast(pa.int64()).to_pylist(), strict=True)
    ]
    texts = nanos.cast(pa.string()).to_pylist() if any(finer) else []
    return [texts[index] if finer[index] else value for index, value in enumerate(_listed(micros))]
