"""Executes one statement, in the simple or the extended protocol.

Belongs here: what the proxy itself does for a statement, and a session's state between statements. Does not belong here: messages and their
order (`session`), parsing (`sql`), and loading (`load`).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

from redshift_local.errors import CONFLICT, INTERNAL_ERROR, RedshiftError, conflict_detail
from redshift_local.load import copy
from redshift_local.load.s3 import Store
from redshift_local.proxy import wire
from redshift_local.proxy.backend import Backend
from redshift_local.proxy.faults import Faults
from redshift_local.proxy.wire import Stream
from redshift_local.sql.copy_options import Copy
from redshift_local.sql.plan import CommitAfter, Forward, LocalAnswer, OutsideTransaction, Statement, TransactionControl

_COPY_FUNCTIONS = "pg_last_copy_"
_COPY_IDS = itertools.count(1)


@dataclass(frozen=True)
class LastCopy:
    """The results of pg_last_copy_id() and pg_last_copy_count(). The count is 0 after a failed COPY; both are 0 before the first."""

    query: int = 0
    rows: int = 0


class Executor:
    """Executes a session's statements, one after another.

    `in_block` is true if the statements so far have opened a transaction block.
    """

    def __init__(self, client: Stream, backend: Backend, store: Store, faults: Faults) -> None:
        self.in_block = False
        self._client = client
        self._backend = backend
        self._store = store
        self._faults = faults
        self._last_copy = LastCopy()
        self._loading = threading.Event()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Stop a running COPY. Called from another thread. The backend's own work is cancelled by its own request."""
        if self._loading.is_set():
            self._cancelled.set()

    def runs_on_backend(self, statement: Statement) -> bool:
        """Whether the backend can execute the statement without the proxy, so that it can be sent in one text with others."""
        if isinstance(statement, TransactionControl):
            return not (statement.kind == "commit" and self._faults.pending)
        return isinstance(statement, Forward) and _COPY_FUNCTIONS not in statement.sql

    def perform(self, statement: Statement, forward: Callable[[], bool], *, alone: bool) -> bool:
        """Execute a statement; returns False if it failed and the client was sent the error.

        Args:
            forward: runs the statement on the backend and relays the result; returns False after an error.
            alone: whether it is the only statement of its message.

        Raises:
            RedshiftError: it failed, and the client was not sent the error.
        """
        if isinstance(statement, Copy):
            self._copy(statement)
            return True
        if isinstance(statement, LocalAnswer):
            self._answer(statement)
            return True
        if isinstance(statement, OutsideTransaction) and (self.in_block or not alone):
            raise RedshiftError("25001", f"{statement.name} cannot run inside a transaction block")
        if isinstance(statement, TransactionControl) and statement.kind == "commit" and self.in_block and self._faults.take():
            self._fail_commit()
        if isinstance(statement, Forward) and _COPY_FUNCTIONS in statement.sql:
            self._set_last_copy()
        if not forward():
            return False
        if isinstance(statement, TransactionControl):
            self.in_block = statement.kind == "begin"
        elif isinstance(statement, CommitAfter):
            self._backend.run_hidden("COMMIT")
            self.in_block = False
        return True

    def _fail_commit(self) -> None:
        self._backend.run_hidden("ROLLBACK")
        self.in_block = False
        detail = conflict_detail(self._backend.pid, "Requested by redshift_local.fail_commits_with_1023.")
        raise RedshiftError(INTERNAL_ERROR, CONFLICT, detail)

    def _answer(self, statement: LocalAnswer) -> None:
        self._refuse_if_failed()
        for row in statement.rows:
            self._client.write(wire.data_row(row))
        self._client.write(wire.command_complete(statement.tag))

    def _refuse_if_failed(self) -> None:
        if self._backend.status == b"E":
            raise RedshiftError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def _copy(self, statement: Copy) -> None:
        self._refuse_if_failed()
        query = next(_COPY_IDS)
        self._last_copy = LastCopy(query)
        self._cancelled.clear()
        self._loading.set()

        def watch() -> None:
            if self._cancelled.is_set():
                raise RedshiftError("57014", f"Query ({query}) cancelled on user's request")
            if self._client.is_closed:
                raise wire.Gone("the client disconnected during COPY")

        try:
            rows = copy.run(statement, self._backend, self._store, watch)
        finally:
            self._loading.clear()
        self._last_copy = LastCopy(query, rows)
        message = f"Load into table '{statement.table[1]}' completed, {rows} record(s) loaded successfully."
        self._client.write(wire.notice_response({"S": "INFO", "V": "INFO", "C": "00000", "M": message}))
        self._client.write(wire.command_complete("COPY"))

    def _set_last_copy(self) -> None:
        """Set the results of the backend's pg_last_copy_id() and pg_last_copy_count() for this session.

        The functions read settings, which a rollback resets. So the settings are set before each statement that calls the functions.
        """
        self._refuse_if_failed()
        values = {"redshift_local.last_copy_id": self._last_copy.query, "redshift_local.last_copy_count": self._last_copy.rows}
        calls = ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in values.items())
        self._backend.run_hidden(f"SELECT {calls}")
