"""A session's connection to the backend, the PostgreSQL behind the proxy.

Belongs here: passing its answers on, and statements of the proxy's own. Does not belong here: the client's messages (`session`).
The proxy's own statements have a name of their own and no Sync, so they run in the client's transaction, implicit or not. After an
error the backend ignores everything up to the next Sync; `failed` says so.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from redshift_local.errors import RedshiftError, in_redshift_words
from redshift_local.proxy import wire
from redshift_local.proxy.wire import BackendGone, Stream

SERVER_VERSION = "8.0.2"
"""What a cluster reports, whatever it runs."""

_SEES_THE_REAL_VERSION = "psql"
"""psql chooses its catalog queries by the reported version, and those for 8.0 need columns that PostgreSQL has dropped since
(`\\d t`: "column c.relhasoids does not exist"). So psql alone sees the version of the catalog that it queries."""

_OWN_NAME = "_redshift_local"
_DATA_ROW = ord("D")
_ANSWERED = b"CIsE"  # CommandComplete, EmptyQueryResponse, PortalSuspended, ErrorResponse
_STEPS = b"12n3"  # ParseComplete, BindComplete, NoData, CloseComplete: of steps that the client did not ask for
_NO_TRANSACTION = "25P01"


class Backend:
    """One connection.

    `status` is the transaction's at the last ReadyForQuery: b"I" none, b"T" open, b"E" failed.
    `announced_end` says that the client has the backend's last words.
    """

    def __init__(self, address: tuple[str, int], client: Stream, application: str = "", timeout: float = 10.0) -> None:
        """Connect, within `timeout` seconds. `application` is what the client calls itself.

        Raises:
            BackendGone: nothing answers at the address.
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
        self.announced_end = False
        self.pid = 0
        self._application = application

    def send(self, data: bytes) -> None:
        self.stream.write(data)
        self.stream.flush()

    def relay(self, until: bytes, hidden: bytes = b"") -> bytes:
        """Pass the backend's answer on to the client, up to a message of one of the kinds `until`; which one came.

        Kinds in `hidden` are not passed on. Rows are neither taken apart nor collected.
        """
        while True:
            self.stream.bulk(_DATA_ROW, self.client)
            kind, body = self.stream.message()
            body = self._translated(kind, body)
            if kind == b"G":
                self.send(wire.frame(b"f", wire.text("not supported by the local Redshift: COPY FROM STDIN")))
            elif kind not in hidden:
                self.client.write(wire.frame(kind, body))
            if kind == b"N":
                self.client.flush()  # the client may want it before the statement ends
            if kind in until:
                return kind

    def deliver(self, kind: bytes, body: bytes) -> None:
        """Pass one message of the start-up on."""
        self.client.write(wire.frame(kind, self._translated(kind, body)))

    def wait_for_client(self) -> None:
        """Wait until the client has sent something. Meanwhile pass on what the backend sends unasked, such as its end."""
        self.client.flush()
        while not self.client.has_input:
            if self.stream in wire.readable(self.client, self.stream, wait=True):
                self.deliver(*self.stream.message())
                self.client.flush()

    def _translated(self, kind: bytes, body: bytes) -> bytes:
        """The body of a message from the backend as the client gets it. Notes the transaction's status from it."""
        if kind == b"E":
            self.failed = True
            fields = in_redshift_words(wire.fields(body), self.pid)
            self.announced_end = fields.get("S") in ("FATAL", "PANIC")
            return wire.error_response(fields)[5:]
        if kind == b"Z":
            self.status, self.failed = body, False
        elif kind == b"T":
            return wire.with_super(body)
        elif kind == b"t":
            return wire.swapped_types(body, wire.JSONB, wire.SUPER)
        elif kind == b"S" and body.startswith(b"server_version\x00") and self._application != _SEES_THE_REAL_VERSION:
            return wire.text("server_version") + wire.text(SERVER_VERSION)
        return body

    def run(self, sql: str) -> bool:
        """Run a statement and pass its result on, as the simple protocol shows it; False if it failed."""
        self.send(wire.run_message(_OWN_NAME, sql) + wire.forget(_OWN_NAME) + wire.FLUSH)
        if self.relay(_ANSWERED, _STEPS) == b"E":
            return False
        self._forgotten()
        return True

    def _forgotten(self) -> None:
        for _ in range(2):
            self.relay(b"3", b"3")

    def rows(self, sql: str) -> list[list[str | None]]:
        """The result of a statement that the client does not see.

        Raises:
            RedshiftError: the statement failed.
        """
        self.send(wire.run_message(_OWN_NAME, sql) + wire.forget(_OWN_NAME) + wire.FLUSH)
        found = []
        while True:
            kind, body = self.stream.message()
            if kind == b"D":
                found.append(wire.cells(body))
            elif kind == b"C":
                break
            else:
                self._unseen(kind, body)
        self._forgotten()
        return found

    def quietly(self, sql: str) -> None:
        """Run a statement that the client does not see and that has no result, such as COMMIT."""
        self.rows(sql)

    def _unseen(self, kind: bytes, body: bytes) -> None:
        """A message in answer to a statement of the proxy's own: an error is raised, what concerns the client is passed on."""
        if kind == b"E":
            translated = self._translated(kind, body)
            fields = wire.fields(translated)
            if self.announced_end:
                self.client.write(wire.frame(kind, translated))
                self.client.flush()
                raise BackendGone(fields.get("M", ""))
            raise RedshiftError(fields.get("C", ""), fields.get("M", ""), fields.get("D", ""), fields.get("H", ""))
        if kind == b"A" or kind == b"S" or (kind == b"N" and wire.fields(body).get("C") != _NO_TRANSACTION):
            self.client.write(wire.frame(kind, self._translated(kind, body)))

    def fail_transaction(self) -> None:
        """Make the backend's transaction fail for an error that only the proxy has found."""
        if self.failed:
            return
        self.send(wire.parse_message(_OWN_NAME, "refused by the local Redshift"))
        while self.stream.message()[0] != b"E":
            pass
        self.failed = True

    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> None:
        """Run a COPY FROM STDIN with these chunks of its data. An error from the iterator cancels it and is raised again."""
        self.send(wire.run_message(_OWN_NAME, sql))
        while (answer := self.stream.message())[0] != b"G":
            self._unseen(*answer)
        try:
            for chunk in chunks:
                self.stream.write(wire.copy_data_header(len(chunk)))
                self.stream.write(chunk)
                self.stream.flush()
                while self.stream.has_input:  # before the end only notices and errors arrive
                    self._unseen(*self.stream.message())
        except BackendGone:
            raise
        except Exception:
            if not self.failed:
                self._cancel_copy()
            raise
        self.send(wire.COPY_DONE + wire.forget(_OWN_NAME) + wire.FLUSH)
        while (answer := self.stream.message())[0] != b"C":
            self._unseen(*answer)
        self._forgotten()

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
    """Pass a CancelRequest on; `request` is its body without the code: process id and secret key."""
    body = struct.pack("!I", wire.CANCEL_REQUEST) + request
    with socket.create_connection(address, 10.0) as sock:
        sock.sendall(struct.pack("!I", len(body) + 4) + body)
        sock.recv(1)  # the server closes once it has signalled
