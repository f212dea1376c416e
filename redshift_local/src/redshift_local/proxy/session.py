"""One client's session: the order of messages in the simple and the extended query protocol.

Belongs here: the reply to each message, prepared statements and portals. Does not belong here: bytes (`wire`), the start (`startup`), the
backend's connection (`backend`), and executing a statement (`execution`).
Most messages are forwarded to the backend, with rewritten SQL if they contain any. The reply is relayed before the next message is read, so
replies have the right order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from redshift_local.errors import RedshiftError
from redshift_local.load.s3 import Store
from redshift_local.proxy import startup, wire
from redshift_local.proxy.backend import Backend
from redshift_local.proxy.execution import Executor
from redshift_local.proxy.faults import Faults
from redshift_local.proxy.wire import BackendGone, Stream
from redshift_local.sql.copy_options import Copy
from redshift_local.sql.plan import Forward, LocalAnswer, Statement
from redshift_local.sql.statements import parse

log = logging.getLogger(__name__)


class ServerState(Protocol):
    """What all sessions of a server share."""

    address: tuple[str, int]
    store: Store
    faults: Faults

    def register(self, key: bytes, session: Session) -> None:
        """Store the key that cancels a session: process id and secret, as the backend sent them."""

    def cancel(self, key: bytes) -> None:
        """Cancel what the session with that key is doing."""


class Session:
    """The session of a connected client, from the first message to the last. `run` is the body of its thread."""

    def __init__(self, client: Stream, server_state: ServerState) -> None:
        self._client = client
        self._server_state = server_state
        self._backend: Backend | None = None
        self._executor: Executor | None = None
        self._prepared: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._skipping = False
        self._handlers: Mapping[bytes, Callable[[bytes], None]] = {
            b"Q": self._query,
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
            b"S": self._sync,
            b"H": lambda _: None,  # Flush: nothing to do, because every reply is sent at once
        }

    def run(self) -> None:
        """Serve the client until one side closes the connection."""
        try:
            if self._start():
                self._serve()
        except BackendGone as error:
            if self._backend is None or not self._backend.sent_fatal:
                self._send_fatal("57P01", "the database behind the local Redshift closed the connection", str(error))
        except wire.Gone:
            pass  # the client disconnected
        except wire.ProtocolViolation as error:
            self._send_fatal("08P01", f"protocol violation: {error}")
        except Exception:
            log.exception("an internal error ended a session")
            self._send_fatal("XX000", "internal error of the local Redshift; see its log")
        finally:
            self._client.close()
            if self._backend is not None:
                self._backend.close()

    def cancel(self) -> None:
        """Stop a running COPY. Called from another thread. The backend's own work is cancelled by its own request."""
        if self._executor is not None:
            self._executor.cancel()

    def end(self) -> None:
        """End the session, because the server stops. Called from another thread."""
        error = RedshiftError("57P01", "terminating connection due to administrator command")
        self._client.send_at_once(wire.error_response(wire.error_fields(error, "FATAL")))
        self._client.interrupt()
        if self._backend is not None:
            self._backend.stream.interrupt()

    def _send_fatal(self, code: str, message: str, detail: str = "") -> None:
        """Send the client the error that ends its session."""
        try:
            self._client.write(wire.error_response(wire.error_fields(RedshiftError(code, message, detail), "FATAL")))
            self._client.flush()
        except wire.Gone:
            pass  # the client disconnected too

    def _start(self) -> bool:
        """Connect to the backend as the client's user; returns False if that failed, and the client was sent the error."""
        request = startup.receive(self._client, self._server_state.cancel)
        if request is None:
            return False
        if request.wants_replication:
            self._send_fatal("0A000", "not supported by the local Redshift: replication connections")
            return False
        try:
            self._backend = Backend(self._server_state.address, self._client, request.application)
        except BackendGone as error:
            self._send_fatal("08006", "the database behind the local Redshift cannot be reached; is it running?", str(error))
            return False
        self._executor = Executor(self._client, self._backend, self._server_state.store, self._server_state.faults)
        return startup.authenticate(self._backend, self._client, request, lambda key: self._server_state.register(key, self))

    @property
    def _server(self) -> Backend:
        if self._backend is None:
            raise BackendGone("the session has not started")
        return self._backend

    @property
    def _statements(self) -> Executor:
        if self._executor is None:
            raise BackendGone("the session has not started")
        return self._executor

    # Messages

    def _serve(self) -> None:
        while True:
            self._server.wait_for_client()
            kind, body = self._client.message()
            if kind == b"X":
                return
            if self._skipping and kind != b"S":
                continue
            handler = self._handlers.get(kind)
            if handler is None:
                if kind not in b"dcf":  # the data of a COPY FROM STDIN that was refused
                    raise wire.ProtocolViolation(f"unknown message type {kind!r}")
                continue
            try:
                handler(body)
            except RedshiftError as error:
                self._skipping = True
                self._refuse(error)

    def _refuse(self, error: RedshiftError) -> None:
        """Send the client the error, and make its transaction fail as if the backend had raised it."""
        self._server.fail_transaction()
        self._client.write(wire.error_response(wire.error_fields(error)))

    def _sync(self, _: bytes) -> None:
        self._server.send(wire.SYNC)
        self._server.relay(b"Z")
        self._note_end()

    def _note_end(self) -> None:
        """Update the state after the reply to a Sync or to a simple query."""
        self._statements.in_block = self._server.status == b"T"
        self._skipping = False
        if self._server.status == b"I":
            self._portals.clear()

    # The simple protocol

    def _query(self, body: bytes) -> None:
        """Forward the text if the backend can execute all of it; otherwise execute its statements one by one.

        They are sent without a Sync in between, so that they are one transaction.
        """
        try:
            statements = self._read(wire.first_text(body)[0])
            if all(map(self._statements.runs_on_backend, statements)):
                self._server.send(wire.query(";\n".join(map(_sql, statements))))
                self._server.relay(b"Z")
                self._note_end()
                return
            for statement in statements:
                if isinstance(statement, LocalAnswer) and statement.columns:
                    self._client.write(wire.row_description(statement.columns))  # in the extended protocol, Describe returns it
                if not self._statements.perform(statement, partial(self._server.run, _sql(statement)), alone=len(statements) == 1):
                    break
        except RedshiftError as error:
            self._refuse(error)
        self._sync(b"")

    def _read(self, sql: str) -> list[Statement]:
        if self._server_state.faults.requested_by(sql):
            return [LocalAnswer("SET")]
        return parse(sql)

    # The extended protocol

    def _parse(self, body: bytes) -> None:
        name, at = wire.first_text(body)
        sql, at = wire.first_text(body, at)
        statements = self._read(sql)
        if len(statements) > 1:
            raise RedshiftError("42601", "cannot insert multiple commands into a prepared statement")
        statement = statements[0] if statements else Forward(sql="", original=sql)
        types = wire.swapped_types(body[at:], wire.SUPER, wire.JSONB)
        if self._pass_on(wire.parse_message(name, _sql(statement), types), b"1E"):
            self._prepared[name] = statement

    def _bind(self, body: bytes) -> None:
        portal, at = wire.first_text(body)
        name, _ = wire.first_text(body, at)
        self._portals.pop(portal, None)
        if self._pass_on(wire.frame(b"B", body), b"2E") and name in self._prepared:
            self._portals[portal] = self._prepared[name]

    def _describe(self, body: bytes) -> None:
        name, _ = wire.first_text(body, 1)
        statement = (self._prepared if body[:1] == b"S" else self._portals).get(name)
        columns = isinstance(statement, LocalAnswer) and statement.columns
        if self._pass_on(wire.frame(b"D", body), b"TnE", hidden=b"n" if columns else b"") and columns:
            self._client.write(wire.row_description(columns))

    def _close(self, body: bytes) -> None:
        name, _ = wire.first_text(body, 1)
        (self._prepared if body[:1] == b"S" else self._portals).pop(name, None)
        self._pass_on(wire.frame(b"C", body), b"3E")

    def _execute(self, body: bytes) -> None:
        portal, _ = wire.first_text(body)
        statement = self._portals.get(portal)
        forward = partial(self._pass_on, wire.frame(b"E", body), b"CIsE")
        if statement is None:
            forward()
        else:
            self._statements.perform(statement, forward, alone=True)

    def _pass_on(self, message: bytes, until: bytes, hidden: bytes = b"") -> bool:
        """Forward a message of the extended protocol and relay the reply; returns False after an error, which skips messages up to Sync."""
        self._server.send(message + wire.FLUSH)
        self._skipping = self._server.relay(until, hidden) == b"E"
        return not self._skipping


def _sql(statement: Statement) -> str:
    """The SQL that the backend prepares. It is empty for a statement of the proxy, so that the backend knows every name and portal."""
    return "" if isinstance(statement, (Copy, LocalAnswer)) else statement.sql
