"""The proofs in `pipeline.proofs`: every comparison of a source with its mirror, and up to when a mirror was proved equal.

Belongs here: writing and reading that table. Does not belong here: comparing (`verify`), or showing a proof (`defs`, `api`, `cli`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from stori_pipeline.warehouse.session import Warehouse
from stori_pipeline.warehouse.transaction import with_retries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

How = Literal["whole", "ranges"]

ALL_KEYS = (-(1 << 63), 1 << 63)
"""The key range, from its first partition value to the one after its last, of a proof of all rows."""

CREATE_PROOFS = """\
CREATE TABLE IF NOT EXISTS pipeline.proofs (
  target VARCHAR(256) NOT NULL,
  how VARCHAR(16) NOT NULL,
  range_low DECIMAL(19,0) NOT NULL,
  range_high DECIMAL(19,0) NOT NULL,
  is_equal BOOLEAN NOT NULL,
  differing_rows BIGINT NOT NULL,
  rows_in_flight BIGINT NOT NULL,
  source_rows BIGINT NOT NULL,
  source_checksum DECIMAL(38,0) NOT NULL,
  mirror_rows BIGINT NOT NULL,
  mirror_checksum DECIMAL(38,0) NOT NULL,
  generation BIGINT,
  batch BIGINT,
  position VARCHAR(4096),
  verified_through TIMESTAMPTZ,
  run_id VARCHAR(256) NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ NOT NULL
) SORTKEY (target, finished_at)"""

_INSERT = f"INSERT INTO pipeline.proofs VALUES ({', '.join(['%s'] * 18)})"

PROOFS_EXIST = "SELECT COUNT(*) AS tables FROM information_schema.tables WHERE table_schema = 'pipeline' AND table_name = 'proofs'"
"""Whether the warehouse has the table: an older warehouse gets it with the first proof."""

SELECT_EQUAL = """\
SELECT target, range_low, range_high, verified_through FROM (
  SELECT target, range_low, range_high, verified_through, finished_at,
         ROW_NUMBER() OVER (PARTITION BY target ORDER BY finished_at DESC) AS newest
  FROM pipeline.proofs WHERE is_equal
) AS proofs WHERE newest <= 64 ORDER BY target, finished_at DESC"""
"""The newest proofs of each mirror that found it equal: its name, the range of keys, and up to when; the newest first."""

_SELECT_LAST_SHARE = "SELECT range_high FROM pipeline.proofs WHERE target = %s AND how = 'ranges' ORDER BY finished_at DESC LIMIT 1"


@dataclass(frozen=True)
class ProofRecord:
    """One row of `pipeline.proofs`.

    Attributes:
        target: full name of the table.
        how: `whole`, or `ranges`: a part of the keys.
        range_low, range_high: the partition values that were compared, the last excluded; `ALL_KEYS` if all were.
        source_rows, mirror_rows: rows in that range.
        batch: the (generation, batch) of the mirror; None if the lake does not have it.
        position: the source's position of that batch, in JSON; "" if it is too long, then the batch's manifest has it.
        verified_through: the moment of the source up to which the mirror is proved equal in that range; None if rows differ.
        run_id: the run that compared.
    """

    target: str
    how: How
    range_low: int
    range_high: int
    differing_rows: int
    rows_in_flight: int
    source_rows: int
    source_checksum: int
    mirror_rows: int
    mirror_checksum: int
    batch: tuple[int, int] | None
    position: str
    verified_through: datetime | None
    run_id: str
    started_at: datetime
    finished_at: datetime


def keep_proof(warehouse: Warehouse, proof: ProofRecord) -> None:
    """Adds a proof, and the table if the warehouse does not have it yet. Errors as for `with_retries`."""
    generation, batch = proof.batch or (None, None)
    values = (
        *(proof.target, proof.how, proof.range_low, proof.range_high, proof.differing_rows == 0, proof.differing_rows),
        *(proof.rows_in_flight, proof.source_rows, proof.source_checksum, proof.mirror_rows, proof.mirror_checksum),
        *(generation, batch, proof.position, proof.verified_through, proof.run_id, proof.started_at, proof.finished_at),
    )

    def attempt(connection: Connection, cursor: Cursor) -> None:
        if not _exists(cursor):
            cursor.execute("CREATE SCHEMA IF NOT EXISTS pipeline")
            cursor.execute(CREATE_PROOFS)
            connection.commit()
        cursor.execute(_INSERT, values)
        connection.commit()

    with_retries(warehouse, f"record of the proof of {proof.target}", attempt)


def last_share_end(warehouse: Warehouse, full_name: str) -> int | None:
    """Where the range of the mirror's newest proof of a part ended; None if there was none."""
    rows = _select(warehouse, _SELECT_LAST_SHARE, (full_name,), f"proofs of {full_name}")
    return int(rows[0][0]) if rows else None


def verified(warehouse: Warehouse) -> dict[str, datetime]:
    """Up to which moment of its source each mirror was proved equal, by full name; without those that never were as a whole."""
    return verified_by_name(_select(warehouse, SELECT_EQUAL, (), "proofs of all tables"))


def verified_of(warehouse: Warehouse, full_name: str) -> datetime | None:
    """Up to which moment of its source one mirror was proved equal; None if it never was as a whole."""
    of_one = SELECT_EQUAL.replace("WHERE is_equal", "WHERE is_equal AND target = %s")
    return verified_by_name(_select(warehouse, of_one, (full_name,), f"proofs of {full_name}")).get(full_name)


def verified_by_name(rows: Iterable[Sequence[Any]]) -> dict[str, datetime]:
    """The same from the rows of `SELECT_EQUAL`."""
    by_name: dict[str, list[tuple[int, int, datetime]]] = {}
    for target, low, high, through in rows:
        by_name.setdefault(target, []).append((int(low), int(high), through.astimezone(timezone.utc)))
    found = {name: verified_through(proofs) for name, proofs in by_name.items()}
    return {name: through for name, through in found.items() if through is not None}


def verified_through(proofs: Iterable[tuple[int, int, datetime]]) -> datetime | None:
    """Up to which moment all rows were proved equal: of each key, its newest proof counts, and of these the oldest. None if a key has no
    proof.

    Args:
        proofs: ranges of keys that were equal, and up to when; the newest proof first.
    """
    open_ranges = [ALL_KEYS]
    oldest: datetime | None = None
    for low, high, through in proofs:
        rest = [part for start, end in open_ranges for part in ((start, min(end, low)), (max(start, high), end)) if part[0] < part[1]]
        if rest != open_ranges:
            oldest = through if oldest is None else min(oldest, through)
        open_ranges = rest
        if not open_ranges:
            return oldest
    return None


def _select(warehouse: Warehouse, statement: str, parameters: tuple[Any, ...], what: str) -> list[tuple[Any, ...]]:
    with warehouse.session(what) as connection, connection.cursor() as cursor:
        if not _exists(cursor):
            return []
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


def _exists(cursor: Cursor) -> bool:
    cursor.execute(PROOFS_EXIST)
    row = cursor.fetchone()
    return bool(row and row[0])
