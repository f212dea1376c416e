"""Why a row differs: it is missing or extra, its newer version is in quarantine, or which columns differ, with the values of both sides.

Belongs here: asking both sides for the rows that a comparison found, and the words for the reason. Does not belong here: finding the rows
(`compare`), or putting them right (`pipeline.repair`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stori_pipeline.model.comparable import ListsKeys, ReadsKeys
from stori_pipeline.model.row_checksum import canonical, key_text, seen
from stori_pipeline.model.table import Table
from stori_pipeline.verify.compare import Difference, Key, Verdict
from stori_pipeline.verify.quarantine import RejectedVersion
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.session import MirrorRow

Why = Literal["missing", "extra", "changed", "repeated", "in quarantine"]

_LONGEST = 120
"""The longest value, in characters, that is shown whole; of a longer one the part around the first difference is shown."""
_BEFORE = 30


@dataclass(frozen=True)
class ColumnDifference:
    """A column in which source and mirror differ: both values as texts, None for NULL. Long ones are cut where they begin to differ."""

    column: str
    source: str | None
    warehouse: str | None


@dataclass(frozen=True)
class Explained:
    """A row that differs.

    Attributes:
        why: `missing`: only the source has it. `extra`: only the mirror has it. `changed`: both have it, and `columns` differ. `repeated`:
            one of them has several rows with the key. `in quarantine`: its newest version was rejected, so the mirror lacks the row or
            shows an older version.
        columns: the columns that differ; empty if a side has no row that could be shown.
        note: more about the reason, and what to do, as a sentence; may be empty.
    """

    key: Key
    why: Why
    columns: tuple[ColumnDifference, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """The reason in a line."""
        values = ", ".join(f"{each.column}: source {_quoted(each.source)}, warehouse {_quoted(each.warehouse)}" for each in self.columns)
        return "; ".join(each for each in (_WORDS[self.why], values, self.note) if each)


_WORDS: dict[Why, str] = {
    "missing": "not in the warehouse",
    "extra": "not in the source",
    "changed": "different",
    "repeated": "more than one row has this key",
    "in quarantine": "its newest version is in quarantine",
}


_UNFIT = (
    "the source's row does not fit the definition, and no rejected version of it is open: if one was edited and replayed, or discarded,"
    " mend the source; otherwise sync the table"
)


_OF_VERDICT: dict[Verdict, Why] = {"not in the warehouse": "missing", "not in the source": "extra", "different": "changed"}


def _quoted(text: str | None) -> str:
    return "NULL" if text is None else repr(text)


@dataclass(frozen=True)
class _SourceRow:
    canonical: tuple[str, ...]
    seen: tuple[str | None, ...]


def explain(
    table: Table,
    source: ReadsKeys,
    warehouse: Warehouse,
    found: Sequence[Difference],
    quarantine: Mapping[Key, RejectedVersion],
) -> tuple[list[Explained], set[Key]]:
    """Why each of these rows differs, and the keys of those that are equal by now, because they were in flight.

    Asks the mirror first, then the source, for these rows only.

    Args:
        found: rows that differ; not many.
        quarantine: the rejected versions of the table (`quarantine.keys_in_quarantine`).
    """
    if not found:
        return [], set()
    keys = [each.key for each in found]
    ours: dict[Key, list[MirrorRow]] = defaultdict(list)
    for row in warehouse.texts(table, keys):
        ours[row.key].append(row)
    theirs = _source_rows(table, source, keys)
    unread = [key for key in keys if key not in theirs]
    unfit = source.existing(table, unread) if unread and isinstance(source, ListsKeys) else set[Key]()
    explained, settled = [], set[Key]()
    for key in keys:
        rejected = quarantine.get(key)
        if key in unfit and rejected is None:
            each: Explained | None = Explained(key, "changed" if key in ours else "missing", note=_UNFIT)
        else:
            each = _explained(table, key, theirs.get(key, []), ours.get(key, []), rejected)
        if each is None:
            settled.add(key)
        else:
            explained.append(each)
    return explained, settled


def unexplained(found: Sequence[Difference]) -> list[Explained]:
    """The rows of a source that cannot be asked for them by key: which side has them, and no values."""
    return [Explained(each.key, _OF_VERDICT[each.verdict]) for each in found]


def _source_rows(table: Table, source: ReadsKeys, keys: Sequence[Key]) -> dict[Key, list[_SourceRow]]:
    rows: dict[Key, list[_SourceRow]] = defaultdict(list)
    for chunk in source.read_keys(table, keys):
        for row in chunk.rows.to_pylist():
            texts = tuple(canonical(column, row[column.name]) for column in table.columns)
            rows[key_text(table, row)].append(_SourceRow(texts, tuple(seen(column, row[column.name]) for column in table.columns)))
    return rows


def _explained(
    table: Table, key: Key, theirs: list[_SourceRow], ours: list[MirrorRow], rejected: RejectedVersion | None
) -> Explained | None:
    """None if both sides have the same by now."""
    if rejected is not None:
        stale = "the mirror shows an older version" if ours else "the mirror does not have the row"
        where = f"batch {rejected.batch}, {rejected.code}" + (f" in column {rejected.column}" if rejected.column else "")
        columns = _columns(table, theirs[0], ours[0]) if len(theirs) == len(ours) == 1 else ()
        return Explained(key, "in quarantine", columns, f"{stale} ({where}: {rejected.reason})")
    if len(theirs) > 1 or len(ours) > 1:
        return Explained(key, "repeated", note=f"rows of the source: {len(theirs)}, of the mirror: {len(ours)}")
    if not ours:
        return Explained(key, "missing") if theirs else None
    if not theirs:
        advice = "" if table.changes.sees_deletes else f"`stori detect-deletes {table.full_name}` removes what the source deleted"
        return Explained(key, "extra", note=advice)
    columns = _columns(table, theirs[0], ours[0])
    return Explained(key, "changed", columns) if columns else None


def _columns(table: Table, theirs: _SourceRow, ours: MirrorRow) -> tuple[ColumnDifference, ...]:
    columns = []
    for number, column in enumerate(table.columns):
        if theirs.canonical[number] != ours.canonical[number]:
            mirrored = ours.seen[number]
            # A column that is neither text nor document is seen by its canonical text, for which NULL has a sign.
            plain = not (column.type.is_text or column.type.is_document)
            mirrored = None if mirrored is None or (plain and mirrored == "~") else column.type.seen(mirrored) if plain else mirrored
            columns.append(ColumnDifference(column.name, *_excerpts(theirs.seen[number], mirrored)))
    return tuple(columns)


def _excerpts(one: str | None, other: str | None) -> tuple[str | None, str | None]:
    """Both texts or, if they are long, what each has around their first difference."""
    if one is None or other is None or max(len(one), len(other)) <= _LONGEST:
        return _cut(one, 0), _cut(other, 0)
    same = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - _BEFORE)
    return _cut(one, start), _cut(other, start)


def _cut(text: str | None, start: int) -> str | None:
    if text is None or (start == 0 and len(text) <= _LONGEST):
        return text
    end = start + _LONGEST
    return ("…" if start else "") + text[start:end] + (f"… ({len(text)} characters)" if end < len(text) else "")
