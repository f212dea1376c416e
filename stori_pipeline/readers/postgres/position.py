"""The position of a Postgres table: what it holds, how the server is asked for it, and when it no longer counts.

Belongs here: the JSON that manifests keep, and the questions whose answers make it. The rules of transaction ids are `xmin`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from psycopg2 import extensions

from stori_pipeline.model.changes import Cursor as ByCursor
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError
from stori_pipeline.readers.postgres import xmin
from stori_pipeline.readers.postgres.shape import Relation

_KIND = "postgres"

_MARGIN = timedelta(seconds=10)
"""A transaction is listed a moment after the time that its `now()` gives, and its clock may be the application's."""


@dataclass(frozen=True)
class Origin:
    """Where transaction ids mean what they mean: this table of this database, on this line of the cluster's history."""

    system: str
    """The cluster's own identifier; empty where its server does not tell (some hosted ones)."""
    timeline: int
    """Rises when a standby takes over or a backup is restored: ids from before may then be given out again."""
    database: int
    table: int
    """The oid, another one after the table was dropped and created again."""


@dataclass(frozen=True)
class Reached:
    """How far a table has been read: what the snapshot could not see, and for `Cursor` the instant below which nothing can appear."""

    origin: Origin
    unseen: xmin.Unseen
    bound: datetime | None = None

    def to_json(self) -> Position:
        position: dict[str, Any] = {
            "kind": _KIND,
            **vars(self.origin),
            "next": self.unseen.next,
            "open": [list(r) for r in self.unseen.open],
        }
        return {**position, "bound": self.bound.isoformat()} if self.bound else position

    @classmethod
    def from_json(cls, table: Table, position: Position) -> Reached:
        """Raises PositionLost where it is not such a position."""
        try:
            kind = position["kind"]
            origin = Origin(str(position["system"]), int(position["timeline"]), int(position["database"]), int(position["table"]))
            unseen = xmin.Unseen(int(position["next"]), tuple((int(low), int(high)) for low, high in position["open"]))
            bound = datetime.fromisoformat(position["bound"]) if "bound" in position else None
        except (KeyError, TypeError, ValueError) as error:
            raise PositionLost(f"{table.full_name}: its position is not one of a Postgres table ({error!r})") from error
        if kind != _KIND:
            raise PositionLost(f"{table.full_name}: its position is one of a {kind} source, not of a Postgres table")
        return cls(origin, unseen, bound)

    def refuse_if_lost(self, table: Table, now: Reached) -> None:
        """Raises PositionLost unless every row that came after this position can be told from the others, as of `now`."""
        why = ""
        if self.origin != now.origin:
            changed = [name for name, value in vars(self.origin).items() if value != getattr(now.origin, name)]
            why = f"it belongs to another server, history, database or table ({', '.join(changed)} changed)"
        elif now.unseen.next < self.unseen.next:
            why = "it is later than the server itself, which was set back or is a standby that lags"
        elif (age := self.unseen.age(now.unseen.next)) > xmin.OLDEST:
            why = f"it is {age:,} transactions old, too old to tell rows written since from older ones"
        if why:
            raise PositionLost(f"{table.full_name}: its position is lost: {why}")


def look(cursor: extensions.cursor, table: Table, relation: Relation, since: Reached | None) -> Reached:
    """The position of a snapshot that is taken **after** this, in autocommit mode: see `xmin` for why that order."""
    cursor.execute(
        "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
        " (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),"
        " has_function_privilege('pg_control_system()', 'EXECUTE') AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
        " AND has_function_privilege('pg_control_recovery()', 'EXECUTE')"
        " FROM pg_current_snapshot() s"
    )
    low, high, database, tells = _one(cursor)
    system, timeline = "", 0
    if tells:
        # The second tells of a standby that took over, until its first checkpoint does.
        cursor.execute(
            "SELECT system_identifier::text, greatest(timeline_id, min_recovery_end_timeline)"
            " FROM pg_control_system(), pg_control_checkpoint(), pg_control_recovery()"
        )
        system, timeline = _one(cursor)
    before = since.unseen if since else xmin.Unseen(low)
    asked = before.to_ask(low, high)
    unfinished = asked
    if asked and xmin.count(asked) <= xmin.MOST_ASKED:
        cursor.execute(xmin.asking_sql(asked))
        unfinished = cursor.fetchall()
    bound = _bound(cursor, table.changes, since) if isinstance(table.changes, ByCursor) else None
    return Reached(Origin(system, timeline, database, relation.oid), xmin.Unseen(high, xmin.joined(unfinished)), bound)


def _bound(cursor: extensions.cursor, changes: ByCursor, since: Reached | None) -> datetime | None:
    """No transaction that is yet to commit began before this. Rows at or after it are looked at again, and told apart by their xmin."""
    cursor.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE'), clock_timestamp()")
    sees_all, now = _one(cursor)
    if not sees_all:
        return _utc(now) - changes.lag
    cursor.execute(
        "SELECT (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()),"
        " EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())"
    )
    oldest, prepared = _one(cursor)
    if prepared:  # the server does not say when these began
        return since.bound if since else None
    return min(_utc(now), _utc(oldest or now)) - _MARGIN


def age_reference(cursor: extensions.cursor, unseen: xmin.Unseen) -> int:
    """What `age()` counts from in this transaction."""
    cursor.execute("SELECT age('3'::xid), pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    age_of_3, high = _one(cursor)
    if high < unseen.next:
        raise SourceError("the server's transaction ids went backwards within one reading")
    return xmin.reference_of(age_of_3, high)


def _one(cursor: extensions.cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise SourceError("the server gave no row where there is always one")
    return row


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(timezone.utc)
