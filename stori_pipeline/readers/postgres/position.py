"""The position of a Postgres table: what it holds, the queries that give it, and when it is lost.

Belongs here: the JSON that manifests keep, and the queries for its values. Does not belong here: the rules of transaction ids (`xmin`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from psycopg2 import extensions

from stori_pipeline.model.changes import Cursor as ByCursor
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.postgres import xmin
from stori_pipeline.readers.postgres.layout import Layout, change
from stori_pipeline.readers.postgres.shape import Relation

_KIND = "postgres"

_MARGIN = timedelta(seconds=10)
"""A transaction appears in `pg_stat_activity` slightly after its `now()`, and the application's clock may differ from the server's."""


@dataclass(frozen=True)
class Origin:
    """Where transaction ids are valid: one table of one database, on one timeline of the cluster."""

    system: str
    """The cluster's identifier; empty if the server does not show it (some hosted ones)."""
    timeline: int
    """Rises when a standby takes over or a backup is restored; transaction ids may then be assigned again."""
    database: int
    table: int
    """The oid; it changes if the table is dropped and created again."""

    @property
    def history(self) -> tuple[str, int]:
        """What a server and its standbys have in common."""
        return self.system, self.timeline


@dataclass(frozen=True)
class Server:
    """How far its server had come: whether transaction ids may have been handed out twice since. Empty in positions of earlier versions.

    A volume that is restored in place from a snapshot keeps identifier and timeline. It was not shut down, so the server recovers from a
    crash, and then it forgets its statistics. A server that was shut down and started keeps them.
    """

    lsn: int = 0
    """Where its log ended, in bytes."""
    started: str = ""
    statistics: str = ""
    """Since when it has counted."""
    is_standby: bool = field(default=False, compare=False)
    """Whether it replays another server's log now. Not kept in positions."""

    def restored_by(self, now: Server) -> str:
        """Why the server's history may have been set back since; "" if it was not."""
        if not self.started:
            return ""
        if now.lsn < self.lsn:
            return "the server's log is shorter than it was, so the server was set back"
        if now.started != self.started and now.statistics != self.statistics:
            return (
                "the server recovered from a crash, was restored from a copy or is another one of its cluster,"
                " so transaction ids may have been handed out again"
            )
        return ""


@dataclass(frozen=True)
class Reached:
    """How far a table has been read: the transactions that the snapshot did not see, for `Cursor` the bound below which no row can appear,
    and the layout under which it was read (empty in positions of earlier versions)."""

    origin: Origin
    unseen: xmin.Unseen
    bound: datetime | None = None
    layout: Layout = field(default_factory=dict)
    server: Server = field(default_factory=lambda: Server())

    def to_json(self) -> Position:
        position: dict[str, Any] = {
            "kind": _KIND,
            **vars(self.origin),
            "next": self.unseen.next,
            "open": [list(r) for r in self.unseen.open],
            "layout": self.layout,
            "server": {name: value for name, value in vars(self.server).items() if name != "is_standby"},
        }
        return {**position, "bound": self.bound.isoformat()} if self.bound else position

    @classmethod
    def from_json(cls, table: Table, position: Position) -> Reached:
        """Raises PositionLost if `position` is not one of a Postgres table."""
        try:
            kind = position["kind"]
            origin = Origin(str(position["system"]), int(position["timeline"]), int(position["database"]), int(position["table"]))
            unseen = xmin.Unseen(int(position["next"]), tuple((int(low), int(high)) for low, high in position["open"]))
            bound = datetime.fromisoformat(position["bound"]) if "bound" in position else None
            layout = {str(name): list(facts) for name, facts in position.get("layout", {}).items()}
            server = Server(**position.get("server", {}))
        except (KeyError, TypeError, ValueError) as error:
            raise PositionLost(f"{table.full_name}: its position is not one of a Postgres table ({error!r})") from error
        if kind != _KIND:
            raise PositionLost(f"{table.full_name}: its position is one of a {kind} source, not of a Postgres table")
        return cls(origin, unseen, bound, layout, server)

    def refuse_if_lost(self, table: Table, now: Reached) -> None:
        """
        Raises:
            PositionLost: the rows written since this position cannot be distinguished from older ones, as of `now`.
            SourceUnavailable: the server is a standby that has not replayed what this position saw.
        """
        if now.server.is_standby and self.origin.history == now.origin.history and self.is_ahead_of(now):
            # A new generation would take the mirror back to what it held before.
            raise SourceUnavailable(
                f"{table.full_name}: the source is a standby that lags behind what was read of it or of its primary;"
                f" it is read again when it has caught up. If it never will, {table.snapshot_advice}"
            )
        reason = ""
        if self.origin != now.origin:
            other = [name for name, value in vars(self.origin).items() if value != getattr(now.origin, name)]
            reason = f"it belongs to another server, history, database or table ({', '.join(other)} changed)"
        elif now.unseen.next < self.unseen.next:
            reason = "it is later than the server itself, which was set back"
        elif (age := self.unseen.age(now.unseen.next)) > xmin.OLDEST:
            reason = f"it is {age:,} transactions old, too old to tell rows written since from older ones"
        else:
            reason = self.server.restored_by(now.server)
        if reason:
            raise PositionLost(f"{table.full_name}: its position is lost: {reason}")

    def is_ahead_of(self, now: Reached) -> bool:
        return now.unseen.next < self.unseen.next or now.server.lsn < self.server.lsn

    def refuse_if_changed(self, table: Table, now: Layout) -> None:
        """Raises PositionLost if values may have changed in rows that nobody wrote."""
        if reason := change(self.layout, now):
            raise PositionLost(f"{table.full_name}: {reason}")


def look(cursor: extensions.cursor, table: Table, relation: Relation, since: Reached | None) -> Reached:
    """The position of a snapshot that is taken **after** this call, in autocommit mode. `xmin` gives the reason for this order."""
    cursor.execute(
        "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
        " (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),"
        " has_function_privilege('pg_control_system()', 'EXECUTE') AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
        " AND has_function_privilege('pg_control_recovery()', 'EXECUTE')"
        ", CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn,"
        " pg_postmaster_start_time()::text, (SELECT COALESCE(stats_reset::text, '') FROM pg_stat_bgwriter), pg_is_in_recovery()"
        " FROM pg_current_snapshot() s"
    )
    low, high, database, may_identify, lsn, started, statistics, is_standby = _one(cursor)
    system, timeline = "", 0
    if may_identify:
        # After a standby took over, only min_recovery_end_timeline has the new timeline until the first checkpoint.
        cursor.execute(
            "SELECT system_identifier::text, greatest(timeline_id, min_recovery_end_timeline)"
            " FROM pg_control_system(), pg_control_checkpoint(), pg_control_recovery()"
        )
        system, timeline = _one(cursor)
    before = since.unseen if since else xmin.Unseen(low)
    candidates = before.to_ask(low, high)
    unfinished = candidates
    if candidates and xmin.count(candidates) <= xmin.MOST_ASKED:
        cursor.execute(xmin.asking_sql(candidates))
        unfinished = cursor.fetchall()
    bound = _bound(cursor, table.changes, since) if isinstance(table.changes, ByCursor) else None
    origin, server = Origin(system, timeline, database, relation.oid), Server(int(lsn or 0), started, statistics, is_standby)
    return Reached(origin, xmin.Unseen(high, xmin.joined(unfinished)), bound, server=server)


def _bound(cursor: extensions.cursor, changes: ByCursor, since: Reached | None) -> datetime | None:
    """The instant before which no uncommitted transaction began. Rows at or after it are scanned again and selected by their xmin."""
    cursor.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE'), clock_timestamp()")
    sees_all, now = _one(cursor)
    if not sees_all:
        return _utc(now) - changes.lag
    cursor.execute(
        "SELECT (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()),"
        " EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())"
    )
    oldest, prepared = _one(cursor)
    if prepared:  # the server does not show when a prepared transaction began
        return since.bound if since else None
    return min(_utc(now), _utc(oldest or now)) - _MARGIN


def age_reference(cursor: extensions.cursor, unseen: xmin.Unseen) -> int:
    """The transaction id from which `age()` counts in this transaction."""
    cursor.execute("SELECT age('3'::xid), pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    age_of_3, high = _one(cursor)
    if high < unseen.next:
        raise SourceError("the server's transaction ids went backwards within one reading")
    return xmin.reference_of(age_of_3, high)


def _one(cursor: extensions.cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise SourceError("a query of the server's transaction state returned no row; expected one")
    return row


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(timezone.utc)
