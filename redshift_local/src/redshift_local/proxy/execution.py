"""Carrying out one statement, whichever protocol brought it.

Belongs here: what a statement needs besides the backend's answer, and what a session remembers between statements. Does not belong
here: messages and their order (`session`), what a text means (`sql`), or loading (`load`).
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
    """What pg_last_copy_id() and pg_last_copy_count() answer; 0 if nothing was loaded, or the load failed."""

    query: int = 0
    rows: int = 0


class Executor:
    """Carries out a session's statements, one after another.

    `in_block` says whether a transaction block is open, as far as the statements so far say.
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
        """Called from another thread: stop a load. What the backend does is cancelled there."""
        if self._loading.is_set():
            self._cancelled.set()

    def is_the_backends(self, statement: Statement) -> bool:
        """Whether the backend alone can carry it out, so that it may be sent in one text with others."""
        if isinstance(statement, TransactionControl):
            return not (statement.kind == "commit" and self._faults.pending)
        return isinstance(statement, Forward) and _COPY_FUNCTIONS not in statement.sql

    def perform(self, statement: Statement, forward: Callable[[], bool], *, alone: bool) -> bool:
        """Carry one statement out; False if it failed and the client knows.

        Args:
            forward: has the backend run it and passes the answer on; False for an error.
            alone: it is the only statement of its message.

        Raises:
            RedshiftError: it failed, and the client does not know yet.
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
            self._backend.quietly("COMMIT")
            self.in_block = False
        return True

    def _fail_commit(self) -> None:
        self._backend.quietly("ROLLBACK")
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
                raise wire.Gone("the client left during COPY")

        try:
            rows = copy.run(statement, self._backend, self._store, watch)
        finally:
            self._loading.clear()
        self._last_copy = LastCopy(query, rows)
        message = f"Load into table '{statement.table[1]}' completed, {rows} record(s) loaded successfully."
        self._client.write(wire.notice_response({"S": "INFO", "V": "INFO", "C": "00000", "M": message}))
        self._client.write(wire.command_complete("COPY"))

    def _set_last_copy(self) -> None:
        """Have the backend's pg_last_copy_id() and pg_last_copy_count() answer for this session.

        They read settings, which a rollback takes back. So they are set anew before each statement that reads them.
        """
        self._refuse_if_failed()
        values = {"redshift_local.last_copy_id": self._last_copy.query, "redshift_local.last_copy_count": self._last_copy.rows}
        calls = ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in values.items())
        self._backend.quietly(f"SELECT {calls}")
