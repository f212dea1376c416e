"""What several tests of loads need: a load's figures, and commits that fail.

Belongs here: what more than one module of these tests uses. Does not belong here: landing rows and loading them (`stores`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.stores import StoredTable


def facts(loaded: Loaded) -> tuple[int, int, int, int]:
    return loaded.batch, loaded.rows_copied, loaded.rows_inserted, loaded.rows_deleted


@contextmanager
def failing_commits(items: StoredTable, count: int) -> Iterator[None]:
    """The next so many COMMITs in the warehouse end in a conflict."""
    items.stores.execute(f"SET redshift_local.fail_commits_with_1023 TO {count}")
    try:
        yield
    finally:
        items.stores.execute("SET redshift_local.fail_commits_with_1023 TO 0")
