"""The statements of the API.

Belongs here: what the API reads from the warehouse. Does not belong here: sessions (`store`), and addresses (`routes`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stori_pipeline.api.answers import Freshness, TableFreshness
from stori_pipeline.api.store import Store
from stori_pipeline.model.names import quoted
from stori_pipeline.warehouse.dialect import SELECT_NEWEST_LOADS


def freshness(store: Store, now: datetime) -> Freshness:
    """When each table was last loaded, and how many seconds before `now`."""

    def of_table(row: dict[str, Any]) -> TableFreshness:
        lag = max(0, int((now - row["loaded_at"]).total_seconds()))
        return TableFreshness(table=row["target"], loaded_at=row["loaded_at"], lag_seconds=lag, rows_loaded=row["rows_loaded"])

    return Freshness(as_of=now, tables=[of_table(row) for row in store.rows(SELECT_NEWEST_LOADS)])


def row_counts(store: Store) -> dict[str, int]:
    """The number of rows of every table in the ledger, in one statement. Table names come from the ledger and are quoted."""
    counts = [
        "SELECT '{}' AS name, COUNT(*) AS rows FROM {}".format(name.replace("'", "''"), ".".join(map(quoted, name.split(".", 1))))
        for name in (row["target"] for row in store.rows(SELECT_NEWEST_LOADS))
    ]
    statement = " UNION ALL ".join(counts) or "SELECT '' AS name, 0 AS rows WHERE 1 = 0"
    return {row["name"]: row["rows"] for row in store.rows(statement)}
