"""Random Postgres tables: their names, types, keys, and rows with values at the edges of each type.

Belongs here: what an application's database may hold. Does not belong here: what comes of it (the tests).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from stori_pipeline.model.names import quoted

TYPES: dict[str, tuple[str, ...]] = {
    "smallint": ("-32768", "32767", "0"),
    "integer": ("-2147483648", "2147483647", "7"),
    "bigint": ("-9223372036854775808", "9223372036854775807", "1"),
    "numeric": ("-12.50", "0"),
    "numeric(38, 0)": ("99999999999999999999999999999999999999", "-1"),
    "numeric(18, 2)": ("9999999999999999.99", "-0.01"),
    "numeric(3, 5)": ("0.00999", "-0.00001"),
    "numeric(3, -2)": ("99900", "-100"),
    "numeric(50, 5)": ("123456789012345678901234567890123456789012345.12345", "0"),
    "double precision": ("0.1", "5e-324"),
    "real": ("0.5", "-1.25"),
    "money": ("12.34", "-92233720368547758.08"),
    "boolean": ("true", "false"),
    "text": ("''", "'a'", r"E'tab\tline\nback\\slash'", "'\ufeffmark'", "'\\N'"),
    "character varying(7)": ("'żółwik!'", "''"),
    "character(3)": ("'a'", "'abc'"),
    "date": ("'2026-11-21'", "'0001-01-01'", "'9999-12-31'"),
    "timestamp": ("'2026-03-29 02:30'",),
    "timestamptz": ("'2026-11-21 10:00:00.123456+01'", "'1999-12-31 23:59:59.999999+00'"),
    "time": ("'00:00'", "'23:59:59.999999'"),
    "timetz": ("'10:00+02'", "'23:59:59.5-11'"),
    "interval": ("'-178000000 years'", "'1 mon 2 days 03:04:05.6'"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "bytea": (r"'\x'", r"'\xdeadbeef'"),
    "bit(5)": ("B'10101'", "B'00000'"),
    "json": ("""'{"b": 1, "a": [1.10, null]}'""", "'null'"),
    "jsonb": ("""'{"b": 1, "a": 1e20}'""", "'null'", "'[]'"),
    "integer[]": ("'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'"),
    "text[]": ("""'{"a,b","c\\"d"}'""", "'{}'"),
    "int4range": ("'[1,5)'", "'empty'"),
    "inet": ("'::1'", "'192.168.0.1/24'"),
    "tsvector": ("'a:1 b:2'", "''"),
    "point": ("'(1,2)'", "'(0,-0.5)'"),
    "mood": ("'glad'", "'so sad'"),
    "positive": ("1", "2147483647"),
    "pair": ("ROW(1, 'x')", "ROW(NULL, 'it''s \"x\"')"),
    "oid": ("4294967295", "0"),
    "name": ("'pg'", "''"),
}
"""Types of Postgres, each with values of it."""

RARE: dict[str, tuple[str, ...]] = {
    "numeric": ("1e27", "1e-18", "'NaN'"),
    "numeric(18, 2)": ("'NaN'",),
    "double precision": ("'-Infinity'", "1e300", "'NaN'"),
    "text": ("repeat('ż', 33000)",),
    "date": ("'infinity'", "'0044-03-15 BC'"),
    "timestamp": ("'infinity'", "'0044-03-15 12:00 BC'"),
    "timestamptz": ("'-infinity'", "'10000-01-01 00:00+00'"),
    "time": ("'24:00'",),
    "bytea": ("decode(repeat('ff', 40000), 'hex')",),
    "json": (r"""'"\u0000"'""",),
    "jsonb": ("1e305::numeric::text::jsonb",),
}
"""Values that the obvious type does not take. A column that has one when its definition is suggested gets another type."""

NO_KEYS = {"json", "point"}
"""Types without an order, which cannot be keys."""

OWN_TYPES = (
    "CREATE TYPE mood AS ENUM ('glad', 'so sad')",
    "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    "CREATE TYPE pair AS (n integer, word text)",
)

_IN_KEYS = {"text": TYPES["text"][:4], "bytea": TYPES["bytea"][:2]}
"""Values for keys, where those of the type are too long for an index."""

_LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
NAMES = st.one_of(
    st.sampled_from(
        [
            "id",
            "userId",
            "user_id",
            "UserID",
            "_batch",
            "order",
            "select",
            "Order Details",
            "größe",
            'a"b',
            "a.b",
            "価格",
            "{x}",
            "50%s",
            "a'b",
        ]
    ),
    st.text(_LETTERS, min_size=1, max_size=15).filter(lambda name: len(name.encode()) <= 63),
)


@dataclass(frozen=True)
class ColumnMade:
    name: str
    type: str
    in_key: bool
    not_null: bool
    has_rare: bool

    def value(self, seed: int, *, first: bool) -> str:
        """A value for a row. `first`: the row is there when the definition is suggested."""
        known = _IN_KEYS.get(self.type, TYPES[self.type]) if self.in_key else TYPES[self.type]
        known += RARE.get(self.type, ()) if first and self.has_rare and self.type not in _IN_KEYS else ()
        known += () if self.in_key or self.not_null else ("NULL",)
        return known[seed % len(known)]


@dataclass(frozen=True)
class TableMade:
    """A table in a schema, and rows for it: each is a number from which its values follow."""

    schema: str
    name: str
    columns: tuple[ColumnMade, ...]
    seeds: tuple[int, ...]

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def key(self) -> list[str]:
        return [quoted(column.name) for column in self.columns if column.in_key]

    def create(self) -> str:
        columns = [f"{quoted(each.name)} {each.type}{' NOT NULL' if each.not_null else ''}" for each in self.columns]
        keys = [f"PRIMARY KEY ({', '.join(self.key)})"] if self.key else []
        return f"CREATE TABLE {self.sql} ({', '.join([*columns, *keys])})"

    def insert(self, seeds: Sequence[int], *, first: bool) -> str:
        """Rows that together have every value of each column, if there are enough of them; of rows with the same key, one."""
        rows = [f"({', '.join(each.value(seed + n * 7, first=first) for n, each in enumerate(self.columns))})" for seed in seeds]
        return f"INSERT INTO {self.sql} VALUES {', '.join(rows)}{' ON CONFLICT DO NOTHING' if self.key else ''}"

    def update(self, seed: int) -> str:
        """Writes to every row; of a table without a key, to every column."""
        sets = [f"{quoted(c.name)} = {c.value(seed, first=False)}" for c in self.columns if not c.in_key]
        sets = sets or [f"{self.key[0]} = {self.key[0]}"]
        return f"UPDATE {self.sql} SET {', '.join(sets)} WHERE ctid IN (SELECT ctid FROM {self.sql} LIMIT 2)"


@st.composite
def tables(draw: st.DrawFn, schemas: Sequence[str]) -> list[TableMade]:
    """Tables in these schemas, of distinct names."""
    named = draw(st.lists(st.tuples(st.sampled_from(schemas), NAMES), min_size=2, max_size=4, unique=True))
    return [draw(_table(schema, name)) for schema, name in named]


@st.composite
def _table(draw: st.DrawFn, schema: str, name: str) -> TableMade:
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=3, max_size=8))
    column_names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique=True))
    keys = draw(st.sets(st.integers(0, len(kinds) - 1), max_size=3))
    columns = [
        ColumnMade(each, kind, in_key := n in keys and kind not in NO_KEYS, in_key or draw(st.booleans()), draw(st.booleans()))
        for n, (each, kind) in enumerate(zip(column_names, kinds, strict=True))
    ]
    seeds = draw(st.lists(st.integers(0, 60), min_size=1, max_size=5))
    return TableMade(schema, name, tuple(columns), (*range(8), *seeds))
