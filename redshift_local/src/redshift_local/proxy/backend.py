"""A session's connection to the backend, which is the PostgreSQL behind the proxy.

Belongs here: relaying its replies, and running the proxy's own statements. Does not belong here: the client's messages (`session`).
The proxy's own statements are named and sent without a Sync, so they run in the client's transaction, implicit or explicit. After an error
the backend ignores all messages until the next Sync; then `failed` is true.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from redshift_local.errors import RedshiftError, as_redshift_error
from redshift_local.proxy import wire
from redshift_local.proxy.wire import BackendGone, Stream

SERVER_VERSION = "8.0.2"
"""The version that every cluster reports."""

_GETS_REAL_VERSION = "psql"
"""psql selects its catalog queries by the reported version. Those for 8.0 use columns that PostgreSQL has removed since (`\\d t`: "column
c.relhasoids does not exist"). So psql, and no other client, gets PostgreSQL's own version."""

_OWN_NAME = "_redshift_local"
_DATA_ROW = ord("D")
_COMPLETED = b"CIsE"  # CommandComplete, EmptyQueryResponse, PortalSuspended, ErrorResponse
_STEPS = b"12n3"  # ParseComplete, BindComplete, NoData, CloseComplete: replies to messages that the client did not send
_NO_TRANSACTION = "25P01"


class Backend:
    """One connection.

    `status` is the transaction's status at the last ReadyForQuery: b"I" none, b"T" open, b"E" failed. `sent_fatal` is true if the client
    was sent a fatal error of the backend.
    """

    def __init__(self, address: tuple[str, int], client: Stream, application: str = "", timeout: float = 10.0) -> None:
        """Connect within `timeout` seconds. `application` is the client's application name.

        Raises:
            BackendGone: no server answers at the address.
        """
        try:
            sock = socket.create_connection(address, timeout)
        except OSError as error:
            raise BackendGone(f"{address[0]}:{address[1]}: {error}") from error
        sock.settimeout(None)
        self.stream = Stream(sock, 256 * 1024, BackendGone)
        self.client = client
        self.status = b"I"
        self.failed = False
        self.sent_fatal = False
        self.pid = 0
        self._application = application

    def send(self, data: bytes) -> None:
        self.stream.write(data)
        self.stream.flush()

    def relay(self, until: bytes, hidden: bytes = b"") -> bytes:
        """Relay the backend's messages to the client, up to a message of one of the types `until`; returns its type.

        Messages of the types `hidden` are not relayed. Rows are neither parsed nor collected.
        """
        while True:
            self.stream.relay_all(_DATA_ROW, self.client)
            kind, body = self.stream.message()
            body = self._translated(kind, body)
            if kind == b"G":
                self.send(wire.frame(b"f", wire.text("not supported by the local Redshift: COPY FROM STDIN")))
            elif kind not in hidden:
                self.client.write(wire.frame(kind, body))
            if kind == b"N":
                self.client.flush()  # so that the client gets a notice before the statement ends
            if kind in until:
                return kind

    def deliver(self, kind: bytes, body: bytes) -> None:
        """Relay one message to the client."""
        self.client.write(wire.frame(kind, self._translated(kind, body)))

    def wait_for_client(self) -> None:
        """Wait until the client has sent a message. Meanwhile relay the backend's asynchronous messages, such as that of its shutdown."""
        self.client.flush()
        while not self.client.has_input:
            if self.stream in wire.readable(self.client, self.stream, wait=True):
                self.deliver(*self.stream.message())
                self.client.flush()

    def _translated(self, kind: bytes, body: bytes) -> bytes:
        """The body of a backend's message, as the client should get it. Also updates the transaction's status."""
        if kind == b"E":
            self.failed = True
            fields = as_redshift_error(wire.fields(body), self.pid)
            self.sent_fatal = fields.get("S") in ("FATAL", "PANIC")
            return wire.error_response(fields)[5:]
        if kind == b"Z":
            self.status, self.failed = body, False
        elif kind == b"T":
            return wire.with_super(body)
        elif kind == b"t":
            return wire.swapped_types(body, wire.JSONB, wire.SUPER)
        elif kind == b"S" and body.startswith(b"server_version\x00") and self._application != _GETS_REAL_VERSION:
            return wire.text("server_version") + wire.text(SERVER_VERSION)
        return body

    def run(self, sql: str) -> bool:
        """Run a statement and relay its result, as in the simple protocol; returns False if it failed."""
        self.send(wire.run_message(_OWN_NAME, sql) + wire.close_message(_OWN_NAME) + wire.FLUSH)
        if self.relay(_COMPLETED, _STEPS) == b"E":
            return False
        self._await_close()
        return True

    def _await_close(self) -> None:
        for _ in range(2):
            self.relay(b"3", b"3")

    def rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement whose result the client does not get; returns its rows.

        Raises:
            RedshiftError: the statement failed.
        """
        self.send(wire.run_message(_OWN_NAME, sql) + wire.close_message(_OWN_NAME) + wire.FLUSH)
        rows = []
        while True:
            kind, body = self.stream.message()
            if kind == b"D":
                rows.append(wire.cells(body))
            elif kind == b"C":
                break
            else:
                self._handle_hidden(kind, body)
        self._await_close()
        return rows

    def run_hidden(self, sql: str) -> None:
        """Run a statement without rows, such as COMMIT, whose result the client does not get."""
        self.rows(sql)

    def _handle_hidden(self, kind: bytes, body: bytes) -> None:
        """Handle a reply to one of the proxy's own statements: raise an error, and relay notices and parameters to the client."""
        if kind == b"E":
            translated = self._translated(kind, body)
            fields = wire.fields(translated)
            if self.sent_fatal:
                self.client.write(wire.frame(kind, translated))
                self.client.flush()
                raise BackendGone(fields.get("M", ""))
            raise RedshiftError(fields.get("C", ""), fields.get("M", ""), fields.get("D", ""), fields.get("H", ""))
        if kind == b"A" or kind == b"S" or (kind == b"N" and wire.fields(body).get("C") != _NO_TRANSACTION):
            self.client.write(wire.frame(kind, self._translated(kind, body)))

    def fail_transaction(self) -> None:
        """Make the backend's transaction fail after an error that the proxy raised."""
        if self.failed:
            return
        self.send(wire.parse_message(_OWN_NAME, "refused by the local Redshift"))
        while self.stream.message()[0] != b"E":
            pass
        self.failed = True

    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> None:
        """Run a COPY FROM STDIN with these chunks of data. An error of the iterator cancels the COPY and is raised again."""
        self.send(wire.run_message(_OWN_NAME, sql))
        while (answer := self.stream.message())[0] != b"G":
            self._handle_hidden(*answer)
        try:
            for chunk in chunks:
                self.stream.write(wire.copy_data_header(len(chunk)))
                self.stream.write(chunk)
                self.stream.flush()
                while self.stream.has_input:  # only notices and errors arrive before the end
                    self._handle_hidden(*self.stream.message())
        except BackendGone:
            raise
        except Exception:
            if not self.failed:
                self._cancel_copy()
            raise
        self.send(wire.COPY_DONE + wire.close_message(_OWN_NAME) + wire.FLUSH)
        while (answer := self.stream.message())[0] != b"C":
            self._handle_hidden(*answer)
        self._await_close()

    def _cancel_copy(self) -> None:
        self.send(wire.frame(b"f", wire.text("the client's COPY failed")))
        while self.stream.message()[0] != b"E":
            pass
        self.failed = True

    def close(self) -> None:
        with suppress(BackendGone):
            self.send(wire.TERMINATE)
        self.stream.close()


def cancel(address: tuple[str, int], request: bytes) -> None:
    """Forward a CancelRequest. `request` is its body without the code: process id and secret key."""
    body = struct.pack("!I", wire.CANCEL_REQUEST) + request
    with socket.create_connection(address, 10.0) as sock:
        sock.sendall(struct.pack("!I", len(body) + 4) + body)
        sock.recv(1)  # the server closes the connection after it has signalled the process
