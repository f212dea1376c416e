"""Keys in quarantine: which rows of a mirror may be older than their source, because the newer version was rejected.

Belongs here: the keys of open rows in quarantine, and which of them the mirror has in an older version. Does not belong here: deciding
about those rows (`pipeline.quarantine`), or comparing (`compare`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stori_pipeline.contract import Refused, conform
from stori_pipeline.lake import Lake
from stori_pipeline.lake.quarantine import open_rows, rejected_batches
from stori_pipeline.model.names import quoted
from stori_pipeline.model.reading import Position
from stori_pipeline.model.row_checksum import key_text, keys_of
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader
from stori_pipeline.readers.quarantined import Again, refused_rows, rows_again
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import relation

WITHOUT_KEY = frozenset({"file", "day", "delete_unresolved", "key_missing"})
"""The codes of rejected rows that stand for no key: a whole file or day, an event, a row without a key."""

_ROWS_AT_ONCE = 20_000
_KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class RejectedVersion:
    """A version of a row that is in quarantine: its key, as Python has the values, its batch, its number there, and why it was rejected."""

    key: tuple[Any, ...]
    batch: int
    number: int
    code: str
    column: str
    reason: str


def keys_in_quarantine(table: Table, reader: Reader, lake: Lake, *, batches: int | None = None) -> dict[tuple[str, ...], RejectedVersion]:
    """The keys of the open rows in quarantine, as texts (`row_checksum.key_text`), each with the newest version of them.

    Left out are rows that have no key (`WITHOUT_KEY`), or one that cannot be read. Reads the lake only, and nothing if no row is open.

    Args:
        batches: look at so many of the newest batches with rejected rows; each takes a file.

    Raises:
        LakeUnavailable: S3 cannot be reached.
        LakeError: a batch's quarantine file is gone.
    """
    newest = lake.newest(table)
    found: dict[tuple[str, ...], RejectedVersion] = {}
    if newest is None:
        return found
    for batch in rejected_batches(lake, table, newest, most=batches):
        for part in open_rows(lake, table, batch).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            rows = [row for row in part.iter_rows(named=True) if row["code"] not in WITHOUT_KEY]
            for row, keys in zip(rows, rejected_keys(table, reader, refused_rows(rows), newest.until), strict=True):
                why = (batch.manifest.batch, row["number"], row["code"], row["column"], row["reason"])
                found |= {text: RejectedVersion(key, *why) for text, key in keys.items()}
    return found


def rejected_keys(
    table: Table, reader: Reader, rejected: Sequence[Refused], since: Position
) -> list[dict[tuple[str, ...], tuple[Any, ...]]]:
    """The keys of each rejected row, as texts, with their values; none where it has no key or cannot be read again."""
    return [_keys(table, rows) for rows in rows_again(table, reader, rejected, since)]


def _keys(table: Table, rows: Again) -> dict[tuple[str, ...], tuple[Any, ...]]:
    fitting, _ = conform(keys_of(table), [row for row in rows if isinstance(row, Mapping)])
    return {key_text(table, row): tuple(row[name] for name in table.key) for row in fitting.to_pylist()}


def older_in_mirror(
    table: Table, warehouse: Warehouse, keys: Mapping[tuple[str, ...], RejectedVersion]
) -> dict[tuple[str, ...], RejectedVersion]:
    """Of keys in quarantine those that the mirror has in a version of the same batch or of an earlier one: their row there looks current,
    and is not. Asks the warehouse for these keys.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
    """
    names = ", ".join(quoted(name) for name in table.key)
    stale = {}
    one = " AND ".join(f"{quoted(name)} = %s" for name in table.key)
    for some in _in_groups(keys.values()):
        statement = f"SELECT {names}, _batch FROM {relation(table)} WHERE " + " OR ".join(f"({one})" for _ in some)
        values = tuple(value for version in some for value in version.key)
        found = warehouse.query(statement, values, what=f"keys in quarantine of {table.full_name}")
        for *parts, batch in found:
            key = key_text(table, dict(zip(table.key, parts, strict=True)))
            if key in keys and batch <= keys[key].batch:
                stale[key] = keys[key]
    return stale


def _in_groups(versions: Iterable[RejectedVersion]) -> Iterator[list[RejectedVersion]]:
    remaining = iter(versions)
    while some := list(islice(remaining, _KEYS_AT_ONCE)):
        yield some
