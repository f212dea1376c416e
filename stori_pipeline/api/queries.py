"""The statements of the API.

Belongs here: what the API reads from the warehouse. Does not belong here: sessions (`store`), and addresses (`routes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from stori_pipeline.api.answers import Freshness, TableFreshness
from stori_pipeline.api.store import Store
from stori_pipeline.model.names import quoted
from stori_pipeline.warehouse.dialect import select_newest_loads
from stori_pipeline.warehouse.proofs import PROOFS_EXIST, SELECT_EQUAL, verified_by_name

Lags = Callable[[float], Mapping[str, float]]
"""The lag of each table in seconds, by full name, at an instant in seconds since 1970; see `runtime.lag`."""


Quarantined = Callable[[], Mapping[str, int]]
"""The number of rows of each table in quarantine, by full name; see `runtime.quarantined`."""


def freshness(store: Store, now: datetime, lags: Lags, quarantined: Quarantined) -> Freshness:
    """When each table was last loaded, how far it may be behind its source, how many of its rows are in quarantine, and up to when it was
    proved equal."""
    known, rejected, verified = lags(now.timestamp()), quarantined(), _verified(store)

    def of_table(row: dict[str, Any]) -> TableFreshness:
        lag = int(known[row["target"]]) if row["target"] in known else None
        return TableFreshness(
            table=row["target"],
            loaded_at=row["loaded_at"],
            lag_seconds=lag,
            rows_loaded=row["rows_loaded"],
            verified_through=verified.get(row["target"]),
            quarantined=rejected.get(row["target"]),
        )

    return Freshness(as_of=now, tables=[of_table(row) for row in store.rows(select_newest_loads(has_ids=False))])


def _verified(store: Store) -> dict[str, datetime]:
    """Up to when each table was proved equal; of none in a warehouse without the table of proofs."""
    if not store.rows(PROOFS_EXIST)[0]["tables"]:
        return {}
    return verified_by_name(tuple(row.values()) for row in store.rows(SELECT_EQUAL))


def row_counts(store: Store) -> dict[str, int]:
    """The number of rows of every table in the ledger, in one statement. Table names come from the ledger and are quoted."""
    counts = [
        "SELECT '{}' AS name, COUNT(*) AS rows FROM {}".format(name.replace("'", "''"), ".".join(map(quoted, name.split(".", 1))))
        for name in (row["target"] for row in store.rows(select_newest_loads(has_ids=False)))
    ]
    statement = " UNION ALL ".join(counts) or "SELECT '' AS name, 0 AS rows WHERE 1 = 0"
    return {row["name"]: row["rows"] for row in store.rows(statement)}
