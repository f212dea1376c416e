"""Reports in the warehouse: a view or a table, replaced in one transaction and readable all the while.

Belongs here: the statements that make one, and their order. Does not belong here: which reports there are and what
they read (`model.report`).

What a report was made from is kept in its comment, so it goes when the report goes, whoever drops it. A table's new rows are computed
before its lock is taken: readers wait for the exchange of the rows, not for the query. Where another run made the report meanwhile, all is
done again, so that older rows never replace newer ones.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.model.report import SCHEMA, Report, dependents
from stori_pipeline.warehouse.dialect import quoted
from stori_pipeline.warehouse.session import Warehouse, WarehouseUnavailable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_TRIES = 5


class _Found(NamedTuple):
    """A report as the warehouse has it."""

    table: bool
    comment: str

    @property
    def kind(self) -> str:
        return "TABLE" if self.table else "VIEW"

    def says(self, report: Report) -> bool:
        """Whether it was made from this very definition."""
        return self.table == is_table(report) and self._words.get("definition") == report.fingerprint

    def was(self, report: Report) -> bool:
        """Whether its own statement was this one, whatever its inputs were."""
        return self.table == is_table(report) and self._words.get("statement") == report.statement_hash

    @property
    def _words(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+) ([0-9a-f]+)", self.comment))


class _Overtaken(WarehouseUnavailable):
    """Another run made the report in the meantime."""


# Catalog tables only: a query of them cannot be joined with one of other tables.
SELECT_REPORTS = """\
SELECT c.relname, c.relkind, d.description FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0
WHERE n.nspname = %s AND c.relkind IN ('r', 'v')"""

_NEW = quoted("new_rows")
"""The temporary table that rows are computed into; a session makes one report."""


def relation(report: Report) -> str:
    """`"reports"."sales_by_month"`."""
    return f"{quoted(SCHEMA)}.{quoted(report.name)}"


def is_table(report: Report) -> bool:
    return report.materialized == "table"


def create_view(report: Report, *, replace: bool = False) -> str:
    return f"CREATE {'OR REPLACE ' if replace else ''}VIEW {relation(report)} AS\n{report.statement}"


def make_report(report: Report, warehouse: Warehouse, *, run_id: str, reports: Sequence[Report] = ()) -> int | None:
    """Make or remake one report, in one transaction. Returns a table's number of rows, None for a view.

    A view whose definition has not changed is left alone. A report whose columns have changed is dropped, and the views of other
    reports on it are dropped with it.

    Args:
        reports: every report. Those that read this one and were dropped with it are made again in the same transaction, unless their own
            statement has changed too: then they are made in their own turn.

    Raises:
        WarehouseUnavailable: the warehouse is away, the report's readers did not finish, or conflicts persisted.
        WarehouseError: it refused the statement. What was there before is still there.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    for attempt in Retrying(
        retry=retry_if_exception(_is_conflict), stop=stop_after_attempt(_TRIES), wait=wait_random_exponential(0.2, max=5), reraise=True
    ):
        with attempt, warehouse.session(f"report {SCHEMA}.{report.name}") as connection, connection.cursor() as cursor:
            return _Making(warehouse, connection, cursor, report, dependents(report, reports), run_id).make()
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_conflict(error: BaseException) -> bool:
    caused = isinstance(error, WarehouseUnavailable) and getattr(error.__cause__, "pgcode", None) not in (None, "57014")
    return caused or isinstance(error, _Overtaken)


@dataclass
class _Making:
    """One attempt, in a session of its own."""

    warehouse: Warehouse
    connection: Connection
    cursor: Cursor
    report: Report
    dependents: Sequence[Report]
    run_id: str

    def make(self) -> int | None:
        there = self._there()
        if not there:
            self.cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
        # Each statement so far stands for itself, and what follows begins with a transaction of its own.
        self.connection.commit()
        if is_table(self.report):
            return self._table(there)
        self._view(there)
        return None

    def _view(self, there: dict[str, _Found]) -> None:
        import psycopg2

        found = there.get(self.report.name)
        if found and found.says(self.report):
            return
        with self._patience():
            if found and not found.table:
                try:
                    self.cursor.execute(create_view(self.report, replace=True))
                except psycopg2.errors.InvalidTableDefinition:
                    # Only a view with the same columns can be replaced as it stands.
                    self.connection.rollback()
                else:
                    self._seal(self.report)
                    self.connection.commit()
                    return
            self._drop(found)
            self.cursor.execute(create_view(self.report))
            self._seal(self.report)
            self._restore(there)
            self.connection.commit()

    def _table(self, there: dict[str, _Found]) -> int:
        found = there.get(self.report.name)
        self.cursor.execute(f"CREATE TEMP TABLE {_NEW} AS\n{self.report.statement}")
        self.cursor.execute(f"SELECT COUNT(*) FROM {_NEW}")
        (rows,) = self.cursor.fetchone() or (0,)
        self.connection.commit()
        with self._patience():
            if found and found.table:
                self.cursor.execute(f"LOCK {relation(self.report)}")
            there = self._there()
            if there.get(self.report.name) != found:
                raise _Overtaken(
                    f"report {SCHEMA}.{self.report.name}: other runs keep making it at the same time; try again when they are done"
                )
            if found and found.says(self.report):
                self.cursor.execute(f"DELETE FROM {relation(self.report)}")
                self.cursor.execute(f"INSERT INTO {relation(self.report)} SELECT * FROM {_NEW}")
            else:
                self._drop(found)
                self.cursor.execute(f"CREATE TABLE {relation(self.report)} AS SELECT * FROM {_NEW}")
                self._restore(there)
            self._seal(self.report)
            self.connection.commit()
        return int(rows)

    def _there(self) -> dict[str, _Found]:
        self.cursor.execute(SELECT_REPORTS, (SCHEMA,))
        return {name: _Found(kind == "r", comment or "") for name, kind, comment in self.cursor.fetchall()}

    def _drop(self, found: _Found | None) -> None:
        if found:
            self.cursor.execute(f"DROP {found.kind} {relation(self.report)} CASCADE")

    def _restore(self, there: dict[str, _Found]) -> None:
        """The views that went with the report, those whose statement surely runs: it did before."""
        for each in self.dependents:
            found = there.get(each.name)
            if found and not found.table and found.was(each):
                self.cursor.execute(create_view(each))
                self._seal(each)

    def _seal(self, report: Report) -> None:
        kind = "TABLE" if is_table(report) else "VIEW"
        said = f"definition {report.fingerprint}, statement {report.statement_hash}, made {uuid.uuid4().hex} by run {self.run_id}"
        self.cursor.execute(f"COMMENT ON {kind} {relation(report)} IS %s", (said,))

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """The exchange waits for the transactions that read the report, but not without end. Redshift has no lock_timeout."""
        import psycopg2

        patience = self.warehouse.lock_patience
        self.connection.autocommit = True  # apart from the transaction, of which LOCK must be the first statement
        self.cursor.execute(f"SET statement_timeout TO {int(patience * 1000)}")
        self.connection.autocommit = False
        try:
            yield
        except psycopg2.errors.QueryCanceled as error:
            raise WarehouseUnavailable(
                f"report {SCHEMA}.{self.report.name}: other transactions have held it for {patience:g} s, so it is as it was; "
                "STV_LOCKS and SVV_TRANSACTIONS show which. An idle session with an open transaction is the usual one: end it"
            ) from error
