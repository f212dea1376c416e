"""Reports in the warehouse: views or tables, replaced in one transaction and always readable.

Belongs here: the statements that create one, and their order. Does not belong here: what a report is and what it reads (`model.report`).
"""

# The hash of a report's definition is in its comment, so it disappears with the report, whoever drops it. A table's new rows are computed
# before the table is locked, so readers do not wait for the query. If another run replaced the report in the meantime, the attempt is
# repeated, so that older rows never replace newer ones.

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.model.names import quoted
from stori_pipeline.model.report import SCHEMA, Report, dependents
from stori_pipeline.warehouse.session import Warehouse, WarehouseUnavailable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_TRIES = 5


class _Existing(NamedTuple):
    """A report as it is in the warehouse."""

    table: bool
    comment: str

    @property
    def kind(self) -> str:
        return "TABLE" if self.table else "VIEW"

    def has_definition(self, report: Report) -> bool:
        """Whether it was created from the report's present definition."""
        return self.table == is_table(report) and self._hashes.get("definition") == report.fingerprint

    def has_statement(self, report: Report) -> bool:
        """Whether it was created from the report's present statement; its inputs may have changed."""
        return self.table == is_table(report) and self._hashes.get("statement") == report.statement_hash

    @property
    def _hashes(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+) ([0-9a-f]+)", self.comment))


class _Overtaken(WarehouseUnavailable):
    """Another run replaced the report in the meantime."""


# Catalog tables only: a query of them cannot be joined with one of other tables.
SELECT_REPORTS = """\
SELECT c.relname, c.relkind, d.description FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0
WHERE n.nspname = %s AND c.relkind IN ('r', 'v')"""

_NEW = quoted("new_rows")
"""The temporary table for the new rows; each session creates one report."""


def relation(report: Report) -> str:
    """`"reports"."sales_by_month"`."""
    return f"{quoted(SCHEMA)}.{quoted(report.name)}"


def is_table(report: Report) -> bool:
    return report.materialized == "table"


def create_view(report: Report, *, replace: bool = False) -> str:
    return f"CREATE {'OR REPLACE ' if replace else ''}VIEW {relation(report)} AS\n{report.statement}"


def make_report(report: Report, warehouse: Warehouse, *, run_id: str, reports: Sequence[Report] = ()) -> int | None:
    """Creates or replaces one report, in one transaction. Returns the number of rows of a table, None for a view.

    A view whose definition has not changed stays as it is. A report whose columns have changed is dropped, and with it the views of
    other reports on it.

    Args:
        reports: every report. Views that read this one and were dropped with it are created again in the same transaction, unless their
            own statement has changed, too; those are created by their own call.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached, the report's readers did not finish, or conflicts persisted.
        WarehouseError: the warehouse refused the statement. The report is unchanged.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    for attempt in Retrying(
        retry=retry_if_exception(_is_conflict), stop=stop_after_attempt(_TRIES), wait=wait_random_exponential(0.2, max=5), reraise=True
    ):
        with attempt, warehouse.session(f"report {SCHEMA}.{report.name}") as connection, connection.cursor() as cursor:
            return _Attempt(warehouse, connection, cursor, report, dependents(report, reports), run_id).run()
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_conflict(error: BaseException) -> bool:
    refused = isinstance(error, WarehouseUnavailable) and getattr(error.__cause__, "pgcode", None) not in (None, "57014")
    return refused or isinstance(error, _Overtaken)


@dataclass
class _Attempt:
    """One attempt to create or replace a report, in a session of its own."""

    warehouse: Warehouse
    connection: Connection
    cursor: Cursor
    report: Report
    dependents: Sequence[Report]
    run_id: str

    def run(self) -> int | None:
        reports = self._existing()
        if not reports:
            self.cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
        self.connection.commit()  # LOCK must be the first statement of its transaction
        if is_table(self.report):
            return self._table(reports)
        self._view(reports)
        return None

    def _view(self, reports: dict[str, _Existing]) -> None:
        import psycopg2

        existing = reports.get(self.report.name)
        if existing and existing.has_definition(self.report):
            return
        with self._bounded_wait():
            if existing and not existing.table:
                try:
                    self.cursor.execute(create_view(self.report, replace=True))
                except psycopg2.errors.InvalidTableDefinition:
                    # Redshift replaces a view only by one with the same columns.
                    self.connection.rollback()
                else:
                    self._write_comment(self.report)
                    self.connection.commit()
                    return
            self._drop(existing)
            self.cursor.execute(create_view(self.report))
            self._write_comment(self.report)
            self._restore(reports)
            self.connection.commit()

    def _table(self, reports: dict[str, _Existing]) -> int:
        existing = reports.get(self.report.name)
        self.cursor.execute(f"CREATE TEMP TABLE {_NEW} AS\n{self.report.statement}")
        self.cursor.execute(f"SELECT COUNT(*) FROM {_NEW}")
        (rows,) = self.cursor.fetchone() or (0,)
        self.connection.commit()
        with self._bounded_wait():
            if existing and existing.table:
                self.cursor.execute(f"LOCK {relation(self.report)}")
            reports = self._existing()
            if reports.get(self.report.name) != existing:
                raise _Overtaken(
                    f"report {SCHEMA}.{self.report.name}: other runs keep replacing it at the same time; try again when they are done"
                )
            if existing and existing.has_definition(self.report):
                self.cursor.execute(f"DELETE FROM {relation(self.report)}")
                self.cursor.execute(f"INSERT INTO {relation(self.report)} SELECT * FROM {_NEW}")
            else:
                self._drop(existing)
                self.cursor.execute(f"CREATE TABLE {relation(self.report)} AS SELECT * FROM {_NEW}")
                self._restore(reports)
            self._write_comment(self.report)
            self.connection.commit()
        return int(rows)

    def _existing(self) -> dict[str, _Existing]:
        self.cursor.execute(SELECT_REPORTS, (SCHEMA,))
        return {name: _Existing(kind == "r", comment or "") for name, kind, comment in self.cursor.fetchall()}

    def _drop(self, existing: _Existing | None) -> None:
        if existing:
            self.cursor.execute(f"DROP {existing.kind} {relation(self.report)} CASCADE")

    def _restore(self, reports: dict[str, _Existing]) -> None:
        """Creates the views again that were dropped with the report, unless their statement has changed."""
        for each in self.dependents:
            existing = reports.get(each.name)
            if existing and not existing.table and existing.has_statement(each):
                self.cursor.execute(create_view(each))
                self._write_comment(each)

    def _write_comment(self, report: Report) -> None:
        """Writes the comment with the hash of the report's definition and the run that created it."""
        kind = "TABLE" if is_table(report) else "VIEW"
        comment = f"definition {report.fingerprint}, statement {report.statement_hash}, made {uuid.uuid4().hex} by run {self.run_id}"
        self.cursor.execute(f"COMMENT ON {kind} {relation(report)} IS %s", (comment,))

    @contextmanager
    def _bounded_wait(self) -> Iterator[None]:
        """Limits the wait for transactions that read the report: a timeout per statement, because Redshift has no lock_timeout."""
        import psycopg2

        patience = self.warehouse.lock_patience
        self.connection.autocommit = True  # LOCK must be the first statement of the transaction that follows
        self.cursor.execute(f"SET statement_timeout TO {int(patience * 1000)}")
        self.connection.autocommit = False
        try:
            yield
        except psycopg2.errors.QueryCanceled as error:
            raise WarehouseUnavailable(
                f"report {SCHEMA}.{self.report.name}: other transactions have held it for {patience:g} s, so it was not replaced; "
                "STV_LOCKS and SVV_TRANSACTIONS show which. It is usually an idle session with an open transaction: end it"
            ) from error
