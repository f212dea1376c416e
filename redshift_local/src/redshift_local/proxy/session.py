"""One client's session: its start-up, the simple and the extended query protocol, and what a statement does at its turn.

Belongs here: the order of messages, and the state of a session between them. Does not belong here: bytes (`wire`), the backend's
connection (`backend`), what a text means (`statements`), or loading (`copy`).

The backend does nearly all: each message of the client is passed on, with rewritten text where it holds any, and its answer is
passed back before the next one is looked at. So the order of answers is right by itself, and a statement that needs more than
the backend gives it is carried out at its own turn, in the transaction that it belongs to. A simple query is passed on whole
where it can be, and else as its statements one by one without a Sync between, which is what keeps them one transaction.
"""

from __future__ import annotations

import itertools
import logging
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from redshift_local.errors import CONFLICT, INTERNAL_ERROR, RedshiftError, conflict_detail
from redshift_local.load import copy
from redshift_local.load.s3 import Store
from redshift_local.proxy import wire
from redshift_local.proxy.backend import Backend
from redshift_local.proxy.faults import Faults
from redshift_local.proxy.wire import BackendGone, Stream
from redshift_local.sql.statements import (
    CommitAfter,
    Copy,
    Forward,
    Local,
    OutsideTransaction,
    Statement,
    TransactionControl,
    parse,
)

log = logging.getLogger(__name__)

_DRIVERS_OWN = frozenset({"driver_version", "os_version", "plugin_name", "client_protocol_version", "idp_type", "application_name_prefix"})
"""Start-up parameters that Redshift's own drivers send to a cluster, and that PostgreSQL would refuse as unknown settings."""

_COPY_FACTS = "pg_last_copy_"
_UNIQUE = itertools.count(1)


class Surroundings(Protocol):
    """What all sessions of a server share."""

    address: tuple[str, int]
    store: Store
    faults: Faults

    def opened(self, key: bytes, session: Session) -> None:
        """A session can now be cancelled by this key: process id and secret, as the backend gave them out."""

    def cancel(self, key: bytes) -> None:
        """Cancel what the session of that key is doing."""


@dataclass(frozen=True)
class LastCopy:
    """What pg_last_copy_id() and pg_last_copy_count() answer; 0 where nothing was loaded, or the load failed."""

    query: int = 0
    rows: int = 0


class Session:
    """A connected client, from its first byte to its last. `run` is the body of its thread."""

    def __init__(self, client: Stream, around: Surroundings) -> None:
        self._client = client
        self._around = around
        self._backend: Backend | None = None
        self._prepared: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._skipping = False
        self._in_block = False
        self._last_copy = LastCopy()
        self._loading = threading.Event()
        self._cancelled = threading.Event()
        self._handlers: Mapping[bytes, Callable[[bytes], None]] = {
            b"Q": self._query,
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
            b"S": self._sync,
            b"H": lambda _: None,  # every answer is passed on at once, so there is nothing left to flush
        }

    def run(self) -> None:
        """Serve the client until one side leaves."""
        try:
            if self._started():
                self._serve()
        except BackendGone as error:
            if self._backend is None or not self._backend.said_farewell:
                self._farewell("57P01", "the database behind the local Redshift has gone away", str(error))
        except wire.Gone:
            pass  # the client left; there is nobody to tell
        except wire.ProtocolViolation as error:
            self._farewell("08P01", f"protocol violation: {error}")
        except Exception:
            log.exception("a session ended by an error of the local Redshift itself")
            self._farewell("XX000", "internal error of the local Redshift; its log says more")
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        self._client.close()
        if self._backend is not None:
            self._backend.close()

    def cancel(self) -> None:
        """Called from another thread: stop a load. What the backend does is its own matter."""
        if self._loading.is_set():
            self._cancelled.set()

    def end(self) -> None:
        """Called from another thread: the server is about to stop."""
        error = RedshiftError("57P01", "terminating connection due to administrator command")
        self._client.send_at_once(wire.error_response(wire.error_fields(error, "FATAL")))
        self._client.interrupt()
        if self._backend is not None:
            self._backend.stream.interrupt()

    def _farewell(self, code: str, message: str, detail: str = "") -> None:
        try:
            self._client.write(wire.error_response(wire.error_fields(RedshiftError(code, message, detail), "FATAL")))
            self._client.flush()
        except wire.Gone:
            pass  # it left too

    # Start-up

    def _started(self) -> bool:
        """Connect to the backend as the client's user, whose password the backend checks; False where no session came of it."""
        while True:
            body = self._client.startup()
            (version,) = struct.unpack_from("!I", body)
            if version == wire.CANCEL_REQUEST:
                self._around.cancel(body[4:])
                return False
            if version not in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                break
            self._client.write(b"N")
            self._client.flush()
        parameters = {name: value for name, value in wire.startup_parameters(body).items() if name not in _DRIVERS_OWN}
        if parameters.pop("replication", "false").lower() not in ("false", "off", "no", "0"):
            self._farewell("0A000", "not supported by the local Redshift: replication connections")
            return False
        try:
            self._backend = Backend(self._around.address, self._client, parameters.get("application_name", ""))
        except BackendGone as error:
            self._farewell("08006", "the database behind the local Redshift cannot be reached; is the local stack up?", str(error))
            return False
        self._backend.send(wire.startup_message(version, parameters))
        return self._authenticated(self._backend)

    def _authenticated(self, backend: Backend) -> bool:
        while True:
            kind, body = backend.stream.message()
            backend.deliver(kind, body)
            if kind == b"K":
                (backend.pid,) = struct.unpack_from("!I", body)
                self._around.opened(body, self)
            elif kind == b"R" and struct.unpack_from("!I", body)[0] not in (0, 12):  # neither AuthenticationOk nor SASLFinal
                kind, body = self._client.message()
                backend.send(wire.frame(kind, body))
            elif kind == b"E":
                self._client.flush()
                return False
            elif kind == b"Z":
                return True

    # Messages

    def _serve(self) -> None:
        while True:
            self._server.attend()
            kind, body = self._client.message()
            if kind == b"X":
                return
            if self._skipping and kind != b"S":
                continue
            handler = self._handlers.get(kind)
            if handler is None:
                if kind not in b"dcf":  # the rest of a COPY FROM STDIN that was refused
                    raise wire.ProtocolViolation(f"no message of kind {kind!r} is known")
                continue
            try:
                handler(body)
            except RedshiftError as error:
                self._skipping = True
                self._refuse(error)

    @property
    def _server(self) -> Backend:
        if self._backend is None:
            raise BackendGone("there is no session yet")
        return self._backend

    def _refuse(self, error: RedshiftError) -> None:
        """The client sees this error, and its transaction fails as if the backend had found it."""
        self._server.spoil()
        self._client.write(wire.error_response(wire.error_fields(error)))

    def _ended(self) -> None:
        """A Sync or a simple query has been answered."""
        self._in_block = self._server.status == b"T"
        self._skipping = False
        if self._server.status == b"I":
            self._portals.clear()

    def _sync(self, _: bytes) -> None:
        self._server.send(wire.SYNC)
        self._server.relay(b"Z")
        self._ended()

    # The simple protocol

    def _query(self, body: bytes) -> None:
        try:
            statements = self._read(wire.first_text(body)[0])
            if all(self._passes_whole(statement) for statement in statements):
                self._server.send(
                    wire.query(";\n".join(statement.sql for statement in statements if not isinstance(statement, (Copy, Local))))
                )
                self._server.relay(b"Z")
                self._ended()
                return
            for statement in statements:
                if isinstance(statement, Local) and statement.columns:
                    self._client.write(wire.row_description(statement.columns))  # which the extended protocol asks for apart
                if not self._perform(statement, partial(self._server.run, _sql(statement)), alone=len(statements) == 1):
                    break
        except RedshiftError as error:
            self._refuse(error)
        self._sync(b"")

    def _read(self, sql: str) -> list[Statement]:
        if self._around.faults.asked(sql):
            return [Local("SET")]
        return parse(sql)

    def _passes_whole(self, statement: Statement) -> bool:
        """Whether the backend alone can do it, so that it may stand in a text with others."""
        if isinstance(statement, TransactionControl):
            return not (statement.kind == "commit" and self._around.faults.pending)
        return isinstance(statement, Forward) and _COPY_FACTS not in statement.sql

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
        shown = isinstance(statement, Local) and statement.columns
        if self._pass_on(wire.frame(b"D", body), b"TnE", hidden=b"n" if shown else b"") and shown:
            self._client.write(wire.row_description(shown))

    def _close(self, body: bytes) -> None:
        name, _ = wire.first_text(body, 1)
        (self._prepared if body[:1] == b"S" else self._portals).pop(name, None)
        self._pass_on(wire.frame(b"C", body), b"3E")

    def _execute(self, body: bytes) -> None:
        portal, _ = wire.first_text(body)
        statement = self._portals.get(portal)
        whole = wire.frame(b"E", body)
        if statement is None:
            self._pass_on(whole, b"CIsE")
        else:
            self._perform(statement, lambda: self._pass_on(whole, b"CIsE"), alone=True)

    def _pass_on(self, message: bytes, until: bytes, hidden: bytes = b"") -> bool:
        """One message of the extended protocol and its answer; False when that was an error, after which all is skipped."""
        self._server.send(message + wire.FLUSH)
        self._skipping = self._server.relay(until, hidden) == b"E"
        return not self._skipping

    # Statements

    def _perform(self, statement: Statement, forward: Callable[[], bool], *, alone: bool) -> bool:
        """Carry one statement out; False when it failed and the client knows.

        Args:
            forward: has the backend run it and passes its answer on; False for an error.
            alone: it is the only one of its message.
        """
        if isinstance(statement, Copy):
            self._copy(statement)
            return True
        if isinstance(statement, Local):
            self._answer(statement)
            return True
        if isinstance(statement, OutsideTransaction) and (self._in_block or not alone):
            raise RedshiftError("25001", f"{statement.what} cannot run inside a transaction block")
        if isinstance(statement, TransactionControl) and statement.kind == "commit" and self._in_block and self._around.faults.take():
            self._server.quietly("ROLLBACK")
            self._in_block = False
            raise RedshiftError(
                INTERNAL_ERROR, CONFLICT, conflict_detail(self._server.pid, "Asked for by redshift_local.fail_commits_with_1023.")
            )
        if isinstance(statement, Forward) and _COPY_FACTS in statement.sql:
            self._tell_last_copy()
        if not forward():
            return False
        if isinstance(statement, TransactionControl):
            self._in_block = statement.kind == "begin"
        elif isinstance(statement, CommitAfter):
            self._server.quietly("COMMIT")
            self._in_block = False
        return True

    def _answer(self, statement: Local) -> None:
        self._refuse_if_failed()
        for row in statement.rows:
            self._client.write(wire.data_row(row))
        self._client.write(wire.command_complete(statement.tag))

    def _refuse_if_failed(self) -> None:
        if self._server.status == b"E":
            raise RedshiftError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def _copy(self, statement: Copy) -> None:
        self._refuse_if_failed()
        query = next(_UNIQUE)
        self._last_copy = LastCopy(query)
        self._cancelled.clear()
        self._loading.set()

        def watch() -> None:
            if self._cancelled.is_set():
                raise RedshiftError("57014", f"Query ({query}) cancelled on user's request")
            if self._client.is_closed:
                raise wire.Gone("the client left during COPY")

        try:
            rows = copy.run(statement, self._server, self._around.store, watch)
        finally:
            self._loading.clear()
        self._last_copy = LastCopy(query, rows)
        told = f"Load into table '{statement.table[1]}' completed, {rows} record(s) loaded successfully."
        self._client.write(wire.notice_response({"S": "INFO", "V": "INFO", "C": "00000", "M": told}))
        self._client.write(wire.command_complete("COPY"))

    def _tell_last_copy(self) -> None:
        """Have the backend's pg_last_copy_id() and pg_last_copy_count() answer for this session.

        They read settings, which a rollback would take back; hence they are set anew each time somebody asks.
        """
        self._refuse_if_failed()
        facts = {"redshift_local.last_copy_id": self._last_copy.query, "redshift_local.last_copy_count": self._last_copy.rows}
        self._server.quietly("SELECT " + ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in facts.items()))


def _sql(statement: Statement) -> str:
    """What the backend is to prepare for it: nothing for what it does not run, so that names and portals work alike for all."""
    return "" if isinstance(statement, (Copy, Local)) else statement.sql
