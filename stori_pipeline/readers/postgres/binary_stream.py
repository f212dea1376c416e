"""Streams `COPY … TO STDOUT (FORMAT binary)` from the driver's own connections, without running Python for each row.

Belongs here: libpq, and splitting the stream into blocks of complete rows. Does not belong here: parsing a block (`copy_binary`), or the
threads (`stream`).
"""

# The driver calls Python for each row of a COPY, which takes a sixth of the time of a large reading. `copy_decoder.receive` asks the
# driver's libpq instead, on the driver's connection, which nothing else uses meanwhile.

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg2
from psycopg2 import errors, extensions

from stori_pipeline.readers.postgres.copy_binary import Rows
from stori_pipeline.readers.postgres.stream import Abandoned, Stream

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"

_COPY_OUT, _COMMAND_OK = 3, 1  # statuses of a result

_SQLSTATE = ord("C")


@cache
def libpq() -> Any:
    """The libpq that the driver has loaded, as ctypes has it; None if it cannot be found."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return None
    package = Path(psycopg2.__file__).parent
    bundled = [*package.parent.glob("psycopg2_binary.libs/libpq*.so*"), *package.glob(".dylibs/libpq*.dylib")]
    for name in [*map(str, bundled), "libpq.so.5", "libpq.5.dylib"]:
        try:
            found = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_NOW)  # only what is loaded already, never another one
            version = found.PQlibVersion()
        except (OSError, AttributeError):
            continue
        if version == extensions.libpq_version():
            for function in ("PQexec", "PQgetResult"):
                getattr(found, function).restype = ctypes.c_void_p
            for function in ("PQresultErrorField", "PQresultErrorMessage", "PQerrorMessage", "PQcmdTuples"):
                getattr(found, function).restype = ctypes.c_char_p
            return found
    return None


class BinaryStream(Stream[Any]):
    """The parsed blocks of COPYs in binary format; see `Stream`."""

    decoder: ModuleType
    columns: int

    def _copy(self, connection: extensions.connection, statement: bytes) -> int:
        return self._copied(libpq(), ctypes.c_void_p(connection.pgconn_ptr), statement)

    def _copied(self, libpq: Any, connection: ctypes.c_void_p, statement: bytes) -> int:
        result = ctypes.c_void_p(libpq.PQexec(connection, ctypes.c_char_p(statement)))
        try:
            if libpq.PQresultStatus(result) != _COPY_OUT:
                raise _error(libpq, connection, result)
        finally:
            libpq.PQclear(result)
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in (libpq.PQgetCopyData, libpq.PQfreemem)]
        rest, status, start, has_ended = b"", 1, -1, False
        while status > 0:
            data, status = self.decoder.receive(connection.value, *addresses, self.block_bytes)
            if self._abandoned.is_set():
                raise Abandoned
            if status == -2:
                break
            data = rest + data if rest else data
            if start < 0 and (start := _header(data)) < 0:
                rest = data
                continue
            end, has_ended = self.decoder.scan(data, start, self.columns)
            if end > start:
                self._submit(Rows(data, start, end))
            rest, start = data[end:], 0
        rows = _finished(libpq, connection)
        if not has_ended or rest != b"\xff\xff":
            raise EOFError("the server's COPY ended within a row")
        return rows


def _header(data: bytes) -> int:
    """Where the rows begin; -1 if the header is not complete.

    Raises:
        ValueError: it is not the header of a binary COPY.
    """
    if not data.startswith(_SIGNATURE[: len(data)]):
        raise ValueError("the server's answer is no COPY in binary format")
    length = len(_SIGNATURE) + 8
    if len(data) < length:
        return -1
    end = length + int.from_bytes(data[length - 4 : length], "big")
    return end if len(data) >= end else -1


def _finished(libpq: Any, connection: ctypes.c_void_p) -> int:
    """The number of rows that the server reports after the last one. Raises the driver's error if the COPY failed."""
    rows, failure = -1, None
    while address := libpq.PQgetResult(connection):
        result = ctypes.c_void_p(address)
        status = libpq.PQresultStatus(result)
        if status == _COMMAND_OK:
            rows = int(libpq.PQcmdTuples(result) or -1)
        elif failure is None:
            failure = _error(libpq, connection, result)
        libpq.PQclear(result)
        if status == _COPY_OUT:
            break  # the connection is lost, and libpq would give this for ever
    if failure is not None:
        raise failure
    return rows


def _error(libpq: Any, connection: ctypes.c_void_p, result: ctypes.c_void_p) -> psycopg2.Error:
    """The error that the driver would raise, with the same code."""
    code = (libpq.PQresultErrorField(result, _SQLSTATE) or b"").decode("ascii", "replace")
    message = (libpq.PQresultErrorMessage(result) or libpq.PQerrorMessage(connection) or b"").decode("utf-8", "replace")
    kind: type[psycopg2.Error] = psycopg2.OperationalError
    if code:
        try:
            kind = errors.lookup(code)
        except KeyError:
            kind = psycopg2.DatabaseError
    error = kind(message)
    restore: Any = error.__setstate__  # the attributes themselves are read-only
    restore({"pgerror": message or None, "pgcode": code or None})
    return error
