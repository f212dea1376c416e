"""The messages of the PostgreSQL wire protocol (version 3): reading them from a socket, parsing them, and building new ones.

Belongs here: bytes and sockets. Does not belong here: what a message means for a session (`session`), and listening (`server`).
A message is one byte for its type, four bytes for its length (which includes them and not the type), and a body. Rows are not parsed:
`Stream.relay_all` copies consecutive ones, of any length, to another stream.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress

from redshift_local.errors import RedshiftError

_HEADER = struct.Struct("!cI")
_SMALL = 16 * 1024  # up to this size, copying is cheaper than a separate system call
_LONGEST_STARTUP = 10_000
_LONGEST = 1 << 30

SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102

TEXT = 25
JSONB = 3802
SUPER = 4000
"""The type that Redshift reports for a SUPER column. Clients have no decoder for it, so they return the value as text."""

SYNC = b"S\x00\x00\x00\x04"
FLUSH = b"H\x00\x00\x00\x04"
TERMINATE = b"X\x00\x00\x00\x04"
COPY_DONE = b"c\x00\x00\x00\x04"


class Gone(ConnectionError):
    """The peer has closed the connection, or the network failed."""


class BackendGone(Gone):
    """The backend has closed its connection. The client is still connected, and is sent an error."""


class ProtocolViolation(RuntimeError):
    """The peer sent bytes that are not a valid message. The connection cannot be used any more."""


class Stream:
    """One connection, with a buffer for reading and one for writing.

    Reading blocks. Small writes are buffered until `flush`, a large write, or a read from the same stream.
    """

    def __init__(self, sock: socket.socket, chunk: int, error_type: type[Gone] = Gone) -> None:
        """`chunk` is the size of the read buffer in bytes; `error_type` is raised when the peer closes the connection."""
        self.sock = sock
        self._error_type = error_type
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = bytearray(chunk)
        self._view = memoryview(self._in)
        self._start = 0
        self._end = 0
        self._out: list[bytes] = []
        self._out_size = 0

    def _receive(self) -> None:
        """Read at least one more byte into the buffer."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == len(self._in):
            kept = bytes(self._view[self._start : self._end])
            self._view[: len(kept)] = kept
            self._start, self._end = 0, len(kept)
        try:
            count = self.sock.recv_into(self._view[self._end :])
        except OSError as error:
            raise self._error_type(str(error)) from error
        if not count:
            raise self._error_type("the connection was closed")
        self._end += count

    def _exactly(self, count: int) -> bytes:
        if count <= len(self._in):
            while self._end - self._start < count:
                self._receive()
            taken = bytes(self._view[self._start : self._start + count])
            self._start += count
            return taken
        parts = []
        while count:
            if self._start == self._end:
                self._receive()
            step = min(count, self._end - self._start)
            parts.append(bytes(self._view[self._start : self._start + step]))
            self._start += step
            count -= step
        return b"".join(parts)

    def startup(self) -> bytes:
        """Read a message without a type: StartupMessage, SSLRequest, GSSENCRequest or CancelRequest; returns its body."""
        (length,) = struct.unpack("!I", self._exactly(4))
        if not 8 <= length <= _LONGEST_STARTUP:
            raise ProtocolViolation(f"a start-up message cannot be {length} bytes long")
        return self._exactly(length - 4)

    def message(self) -> tuple[bytes, bytes]:
        """Read the next message; returns its type and its body."""
        self.flush()
        kind, length = _HEADER.unpack(self._exactly(5))
        if not 4 <= length <= _LONGEST:
            raise ProtocolViolation(f"a message of type {kind!r} cannot be {length} bytes long")
        return kind, self._exactly(length - 4)

    def relay_all(self, kind: int, to: Stream) -> None:
        """Copy the next messages to another stream, without parsing them, as long as they have this type."""
        while True:
            while self._end - self._start < 5:
                self._receive()
            at, end, received = self._start, self._end, self._in
            while at + 5 <= end and received[at] == kind:
                at += 1 + int.from_bytes(received[at + 1 : at + 5], "big")
            if at == self._start:
                return
            available = min(at, end)
            to.write(self._view[self._start : available])
            self._start = available
            missing = at - available
            while missing:
                self._receive()
                step = min(missing, self._end - self._start)
                to.write(self._view[self._start : self._start + step])
                self._start += step
                missing -= step

    @property
    def has_input(self) -> bool:
        """Whether received bytes have not been read yet."""
        return self._start < self._end or bool(readable(self))

    @property
    def is_closed(self) -> bool:
        """Whether the peer has closed the connection. False as long as received bytes have not been read."""
        if self._start < self._end or not readable(self):
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def write(self, data: bytes | memoryview) -> None:
        if len(data) > _SMALL:
            self.flush()
            self._send(data)
            return
        self._out.append(bytes(data))
        self._out_size += len(data)
        if self._out_size > _SMALL:
            self.flush()

    def flush(self) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self._send(data)

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise self._error_type(str(error)) from error

    def send_at_once(self, data: bytes) -> None:
        """Send as many bytes as possible without waiting. Used for a last message, which may be lost. Any thread may call it."""
        with suppress(OSError):
            self.sock.send(data, socket.MSG_DONTWAIT)

    def interrupt(self) -> None:
        """Shut the connection down. A thread that waits for this stream gets `Gone`, and closes it. Any thread may call it."""
        with suppress(OSError):  # the peer may have closed it before
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.interrupt()
        self.sock.close()


def readable(*streams: Stream, wait: bool = False) -> list[Stream]:
    """The streams that have received bytes or were closed. With `wait`, waits until there is one."""
    waiting = select.poll()  # select() is limited to the first 1,024 descriptors of a process
    for stream in streams:
        waiting.register(stream.sock, select.POLLIN)
    ready = {descriptor for descriptor, _ in waiting.poll(None if wait else 0)}
    return [stream for stream in streams if stream.sock.fileno() in ready]


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return _HEADER.pack(kind, len(body) + 4) + body


def copy_data_header(length: int) -> bytes:
    """The header of a CopyData message of `length` bytes. The bytes are sent separately, so that they are not copied."""
    return _HEADER.pack(b"d", length + 4)


def text(value: str) -> bytes:
    """A string of the protocol: UTF-8 and a zero byte."""
    return value.encode() + b"\x00"


def first_text(body: bytes, start: int = 0) -> tuple[str, int]:
    """The string that begins at `start`, and the position of the next field."""
    end = body.index(b"\x00", start)
    try:
        return body[start:end].decode(), end + 1
    except UnicodeDecodeError:
        raise RedshiftError("22021", 'invalid byte sequence for encoding "UTF8"') from None


def startup_message(version: int, parameters: Mapping[str, str]) -> bytes:
    body = struct.pack("!I", version) + b"".join(text(name) + text(value) for name, value in parameters.items()) + b"\x00"
    return struct.pack("!I", len(body) + 4) + body


def startup_parameters(body: bytes) -> dict[str, str]:
    """The parameters of a StartupMessage. `body` begins with the version."""
    parts = [part.decode("utf-8", "replace") for part in body[4:].split(b"\x00")]
    return {name: value for name, value in zip(parts[::2], parts[1::2], strict=False) if name}


def query(sql: str) -> bytes:
    return frame(b"Q", text(sql))


def parse_message(name: str, sql: str, types: bytes = b"\x00\x00") -> bytes:
    """A Parse message. `types` is its last field: a number of types, and their oids."""
    return frame(b"P", text(name) + text(sql) + types)


def run_message(name: str, sql: str) -> bytes:
    """Messages that parse, bind, describe and execute a statement without parameters. Results are text.

    Statement and portal are called `name`, so that the client's unnamed ones stay. An earlier statement of that name is closed first.
    """
    bind = frame(b"B", text(name) + text(name) + b"\x00\x00\x00\x00\x00\x00")
    execute = frame(b"E", text(name) + b"\x00\x00\x00\x00")
    # After an error the backend skips all messages up to the Sync, so a statement that failed was not closed.
    return close_message(name) + parse_message(name, sql) + bind + frame(b"D", b"P" + text(name)) + execute


def close_message(name: str) -> bytes:
    """Messages that close the portal and the statement of that name."""
    return frame(b"C", b"P" + text(name)) + frame(b"C", b"S" + text(name))


def with_super(row_description: bytes) -> bytes:
    """The body of a RowDescription, with SUPER as the type of jsonb columns."""
    if struct.pack("!I", JSONB) not in row_description:
        return row_description
    described = bytearray(row_description)
    (count,) = struct.unpack_from("!H", described)
    at = 2
    for _ in range(count):
        at = described.index(0, at) + 1 + 6  # the name; table oid and attribute number
        if struct.unpack_from("!I", described, at)[0] == JSONB:
            struct.pack_into("!I", described, at, SUPER)
        at += 12  # type oid, length, modifier and format
    return bytes(described)


def swapped_types(types: bytes, old: int, new: int) -> bytes:
    """A number of types and their oids, with `old` replaced by `new`. Parse ends with them, and ParameterDescription consists of them."""
    (count,) = struct.unpack_from("!H", types)
    oids = struct.unpack_from(f"!{count}I", types, 2)
    return struct.pack(f"!H{count}I", count, *(new if oid == old else oid for oid in oids))


def row_description(names: Iterable[str]) -> bytes:
    """A RowDescription of text columns."""
    columns = [text(name) + struct.pack("!IHIhih", 0, 0, TEXT, -1, -1, 0) for name in names]
    return frame(b"T", struct.pack("!H", len(columns)) + b"".join(columns))


def data_row(values: Iterable[str | None]) -> bytes:
    cells = list(values)
    body = b"".join(b"\xff\xff\xff\xff" if value is None else struct.pack("!I", len(value.encode())) + value.encode() for value in cells)
    return frame(b"D", struct.pack("!H", len(cells)) + body)


def cells(data_row_body: bytes) -> list[str | None]:
    """The values of a DataRow in text format."""
    (count,) = struct.unpack_from("!H", data_row_body)
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", data_row_body, at)
        at += 4
        values.append(None if length < 0 else data_row_body[at : at + length].decode())
        at += max(length, 0)
    return values


def command_complete(tag: str) -> bytes:
    return frame(b"C", text(tag))


def ready_for_query(status: bytes) -> bytes:
    return frame(b"Z", status)


def fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse, by letter."""
    parts = body.split(b"\x00")
    return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in parts if part}


def error_response(values: Mapping[str, str]) -> bytes:
    return frame(b"E", _fields_body(values))


def notice_response(values: Mapping[str, str]) -> bytes:
    return frame(b"N", _fields_body(values))


def _fields_body(values: Mapping[str, str]) -> bytes:
    return b"".join(letter.encode() + text(value.replace("\x00", "")) for letter, value in values.items()) + b"\x00"


def error_fields(error: RedshiftError, severity: str = "ERROR") -> dict[str, str]:
    values = {"S": severity, "V": severity, "C": error.code, "M": error.message, "D": error.detail, "H": error.hint}
    return {letter: value for letter, value in values.items() if value}
