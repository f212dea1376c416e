"""What decides the values of a table's columns apart from its rows: a change of it changes values that nobody wrote.

Belongs here: reading these facts from the catalogue, and comparing them with those under which a position was read. Does not belong here:
whether a column fits its definition (`shape`), or the position itself (`position`).
"""

# For each column: its number (a column that was dropped and added again has another one, and so have two that were renamed crosswise), its
# type, the labels of enums in it, the attributes of composite types in it, and the expression of a generated column that is not stored.
# A stored one needs nothing: a new expression writes every row.

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from psycopg2 import extensions

from stori_pipeline.model.table import Table

Layout = Mapping[str, list[str]]
"""The facts about each source column of a definition, as sorted texts."""

_LABEL = "label "
_MOST_FACTS = 100
"""If a column has more, a position keeps a digest of them. Then an enum's new label counts as a change."""

_FACTS = f"""
WITH RECURSIVE own AS (SELECT * FROM pg_attribute WHERE attrelid = %(table)s AND attnum > 0 AND NOT attisdropped),
used(attname, type) AS (
  SELECT attname, atttypid FROM own
  UNION
  SELECT used.attname, part.type FROM used JOIN pg_type t ON t.oid = used.type CROSS JOIN LATERAL (
    SELECT t.typelem AS type WHERE t.typelem <> 0
    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT rngsubtype FROM pg_range WHERE t.oid IN (rngtypid, rngmultitypid)
    UNION ALL SELECT atttypid FROM pg_attribute WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) part)
SELECT attname, 'number ' || attnum FROM own
UNION ALL SELECT attname, 'type ' || format_type(atttypid, NULL) FROM own
UNION ALL SELECT used.attname, '{_LABEL}' || e.oid || ' ' || e.enumlabel FROM used JOIN pg_enum e ON e.enumtypid = used.type
UNION ALL SELECT used.attname, format('attribute %%s.%%s %%s %%s', used.type::regtype, a.attnum, a.attname, format_type(a.atttypid, NULL))
  FROM used JOIN pg_type t ON t.oid = used.type AND t.typtype = 'c'
  JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT attname, 'expression ' || pg_get_expr(adbin, adrelid) FROM own JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attgenerated = 'v'
"""


def layout(cursor: extensions.cursor, table: Table, oid: int) -> Layout:
    """The facts about the source columns that the definition names."""
    cursor.execute(_FACTS, {"table": oid})
    named = {column.source_path for column in table.columns if not column.dropped}
    found: dict[str, list[str]] = {}
    for name, fact in cursor.fetchall():
        if name in named:
            found.setdefault(name, []).append(fact)
    return {name: _kept(sorted(set(facts))) for name, facts in found.items()}


def _kept(facts: list[str]) -> list[str]:
    return facts if len(facts) <= _MOST_FACTS else [f"digest {_hash(chr(10).join(facts))}"]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def change(before: Layout, now: Layout) -> str:
    """What changed so that values may have changed without a row being written; "" if nothing did. A new label of an enum changes none."""
    for name in before.keys() & now.keys():
        lost = sorted(set(before[name]) - set(now[name]))
        added = [fact for fact in now[name] if fact not in before[name] and (lost or not fact.startswith(_LABEL))]
        if lost or added:
            return f"column {name!r} was changed in the source without writing its rows ({_shown(lost)} became {_shown(added)})"
    return ""


def _shown(facts: list[str]) -> str:
    return ", ".join(facts[:3]) + (", …" if len(facts) > 3 else "") or "nothing"
