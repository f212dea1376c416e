"""Redshift's SQL: pure functions of a table's definition that return whole statements.

Belongs here: SQL text. Rules of Redshift that shape it: DELETE takes no alias on its target; TRUNCATE commits, so DELETE empties a table;
COPY of Parquet goes by position; declared keys are not enforced, so the load keeps them unique.
Does not belong here: a connection, or the order of statements (`load`).
"""

from __future__ import annotations

from collections.abc import Mapping

from stori_pipeline.model.changes import History
from stori_pipeline.model.names import quoted
from stori_pipeline.model.row_checksum import Dialect
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import boolean


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(quoted, names))


def relation(table: Table) -> str:
    """The mirror: `"bank"."transactions"`."""
    return f"{quoted(table.source.name)}.{quoted(table.name)}"


def stage(table: Table) -> str:
    """The temporary table that COPY fills. A session loads one table, so the name need not be unique."""
    return quoted(f"stage_{table.name}")


CREATE_LEDGER = """\
CREATE TABLE IF NOT EXISTS pipeline.loads (
  target VARCHAR(256) NOT NULL,
  generation BIGINT NOT NULL,
  batch BIGINT NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  rows_copied BIGINT NOT NULL,
  rows_inserted BIGINT NOT NULL,
  rows_deleted BIGINT NOT NULL,
  run_id VARCHAR(256) NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ NOT NULL,
  batch_id VARCHAR(64)
) SORTKEY (target, generation, batch)"""

ADD_BATCH_ID = "ALTER TABLE pipeline.loads ADD COLUMN batch_id VARCHAR(64)"
"""For a ledger from before batches had ids. Its entries have none."""

SELECT_TABLES = """\
SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = %s
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND column_name = '_seq'"""
"""The tables and views of a schema, and the ledger; the ledger's column `batch_id` as if it were a table of `pipeline.loads`, and the
mirror's column `_seq` as if it were one of `mirror`."""

# By time alone two loads could not be told apart: times are whole seconds.
_NEWEST_FIRST = "ORDER BY generation DESC, batch DESC, finished_at DESC"


def select_ledger(*, has_ids: bool) -> str:
    """A table's newest entry in the ledger. `has_ids` says whether the ledger has the column `batch_id`."""
    batch_id = "batch_id" if has_ids else "NULL"
    return f"SELECT generation, batch, fingerprint, {batch_id} FROM pipeline.loads\nWHERE target = %s {_NEWEST_FIRST} LIMIT 1"


def select_newest_loads(*, has_ids: bool) -> str:
    """The newest load of every table in the ledger: its name, what `select_ledger` selects of one, when it ended and what it inserted."""
    batch_id = "batch_id" if has_ids else "NULL AS batch_id"
    return f"""\
SELECT target, generation, batch, fingerprint, batch_id, loaded_at, rows_loaded FROM (
  SELECT target, generation, batch, fingerprint, {batch_id}, finished_at AS loaded_at, rows_inserted AS rows_loaded,
         ROW_NUMBER() OVER (PARTITION BY target {_NEWEST_FIRST}) AS newest
  FROM pipeline.loads
) AS loads WHERE newest = 1 ORDER BY target"""


SELECT_ALL_TABLES = """\
SELECT table_schema, table_name FROM information_schema.tables
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'"""
"""Like `SELECT_TABLES`, of all schemas."""

SELECT_LAST_LOADS = f"""\
SELECT generation, batch, rows_copied FROM pipeline.loads
WHERE target = %s {_NEWEST_FIRST} LIMIT 2"""

SELECT_COMMENTS = """\
SELECT n.nspname, c.relname, d.description FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""
"""Every table and view, and its comment."""

INSERT_LEDGER = """\
INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE())"""


def create_schema(table: Table) -> str:
    return f"CREATE SCHEMA IF NOT EXISTS {quoted(table.source.name)}"


_OWN_TYPES = {
    "_batch": "BIGINT NOT NULL",
    "_loaded_at": "TIMESTAMPTZ NOT NULL DEFAULT GETDATE()",
    "_seq": "BIGINT",
    "_deleted": "BOOLEAN NOT NULL DEFAULT FALSE",
}


def create_mirror(table: Table) -> str:
    """The mirror's DDL: the definition's columns, then the pipeline's own.

    It has all columns of a part, and defaults for the others, so that COPY can fill it. A merge leaves `_seq` null.
    """
    # With `keep_deleted`, a deleted row keeps its last values, so it still fits the definition.
    types = {c.name: f"{c.type.redshift}{'' if c.nullable else ' NOT NULL'}" for c in table.columns} | _OWN_TYPES
    lines = [*(f"  {quoted(name)} {types[name]}" for name in table.mirror_names), f"  PRIMARY KEY ({_list(table.key)})"]
    layout = f" DISTSTYLE KEY DISTKEY ({quoted(table.distkey)})" if table.distkey else ""
    layout += f" COMPOUND SORTKEY ({_list(table.sortkey)})" if table.sortkey else ""
    return f"CREATE TABLE {relation(table)} (\n" + ",\n".join(lines) + f"\n){layout}"


def drop_mirror(table: Table) -> str:
    """Also drops the views over the mirror, or Redshift would refuse. The load creates the table's own views again, the run the reports."""
    return f"DROP TABLE {relation(table)} CASCADE"


def create_views(table: Table) -> list[str]:
    """The views of a mirror: one under each of its aliases; of a history also `<name>_current`, with the newest version of each row that is
    not removed."""
    views = []
    if isinstance(table.changes, History):
        columns = _list([c.name for c in table.columns if c.name != "_removed"])
        rank = f"ROW_NUMBER() OVER (PARTITION BY {_list(table.changes.of)} ORDER BY {quoted(table.key[0])} DESC) AS _rank"
        versions = f"(SELECT *, {rank} FROM {relation(table)}) AS version"
        views.append(_view(table, f"{table.name}_current") + f'SELECT {columns}\nFROM {versions}\nWHERE _rank = 1 AND NOT "_removed"')
    return [*views, *(_view(table, name) + f"SELECT * FROM {relation(table)}" for name in table.aliases)]


def _view(table: Table, name: str) -> str:
    return f"CREATE OR REPLACE VIEW {quoted(table.source.name)}.{quoted(name)} AS\n"


def drop_views(table: Table) -> list[str]:
    """Drops the table's own views, and the views over them."""
    return [f"DROP VIEW IF EXISTS {quoted(table.source.name)}.{quoted(view_name(view))} CASCADE" for view in create_views(table)]


def view_name(view: str) -> str:
    """The name, without its schema, of the view that a statement of `create_views` creates."""
    return view.split('"')[3]


def create_stage(table: Table) -> str:
    """The stage's columns are in the order of the Parquet files' columns, because COPY of Parquet goes by position."""
    types = {c.name: c.type.stage for c in table.columns} | {"_batch": "BIGINT", "_seq": "BIGINT", "_deleted": "BOOLEAN"}
    lines = ",\n".join(f"  {quoted(name)} {types[name]}" for name in table.landed_schema.names)
    layout = f" DISTSTYLE KEY DISTKEY ({quoted(table.distkey)})" if table.distkey else ""
    return f"CREATE TEMP TABLE {stage(table)} (\n{lines}\n){layout}"


def copy_stage(table: Table, url: str, role: str) -> str:
    return copy_into(stage(table), url, role)


def copy_mirror(table: Table, url: str, role: str) -> str:
    """The list of columns is in the order of the Parquet files' columns; `_loaded_at` takes its default."""
    return copy_into(f"{relation(table)} ({_list(table.landed_schema.names)})", url, role)


def is_copied_as_is(table: Table) -> bool:
    """Whether COPY can fill the mirror: no column has another type in the stage."""
    return all(c.type.stage == c.type.redshift and c.type.load == "{}" for c in table.columns)


def copy_into(relation: str, url: str, role: str) -> str:
    """Without REGION, MAXERROR or ACCEPTANYDATE, which COPY of Parquet does not accept."""
    return f"COPY {relation} FROM {_literal(url)} IAM_ROLE {_literal(role)} FORMAT AS PARQUET MANIFEST"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _winners(table: Table, *, unique: bool = False) -> str:
    """The stage's newest version of each row: a later batch wins, and within a batch a higher `_seq`. `unique` says that no key repeats
    there, so that each row is the newest."""
    if unique:
        return f"(SELECT *, 1 AS _rank FROM {stage(table)}) AS winner"
    return (
        f'(SELECT *, ROW_NUMBER() OVER (PARTITION BY {_list(table.key)} ORDER BY "_batch" DESC, "_seq" DESC) AS _rank'
        f" FROM {stage(table)}) AS winner"
    )


def _same_key(table: Table, other: str) -> str:
    there = {k: table[k].type.load.format(f"{other}.{quoted(k)}") for k in table.key}  # the stage may have another type
    return " AND ".join(f"{quoted(table.name)}.{quoted(k)} = {there[k]}" for k in table.key)


def _won_by(table: Table, condition: str, *, unique: bool) -> str:
    """The condition that the stage holds a version of a mirror's row, and that its newest version meets `condition`."""
    winners = _winners(table, unique=unique)
    return f"EXISTS (SELECT 1 FROM {winners} WHERE winner._rank = 1 AND {condition} AND {_same_key(table, 'winner')})"


def count_keys(table: Table) -> str:
    """SQL for the numbers of rows, of keys and of tombstones in the stage. If no key repeats, no version of a row must be found first. If
    there is no tombstone, as mostly, `delete_gone` and its scan of the mirror are not needed."""
    gone = 'SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END)'
    if len(table.key) == 1:
        return f"SELECT COUNT(*), COUNT(DISTINCT {_list(table.key)}), COALESCE({gone}, 0) FROM {stage(table)}"
    versions = f"(SELECT COUNT(*) AS versions, {gone} AS gone FROM {stage(table)} GROUP BY {_list(table.key)}) AS keys"
    return f"SELECT COALESCE(SUM(versions), 0), COUNT(*), COALESCE(SUM(gone), 0) FROM {versions}"


def count_live_keys(table: Table) -> str:
    """SQL for the numbers of live rows and of their keys in a mirror that COPY has filled.

    Redshift trusts a declared key, so it may skip a DISTINCT over the mirror's own columns. It cannot over a UNION, or over an expression.
    """
    mirror, key = relation(table), quoted(table.key[0])
    if len(table.key) == 1:
        none = f"{'BOOL_OR' if table[table.key[0]].type == boolean else 'MAX'}({key})"  # of no rows, which is NULL and counts as no key
        keys = f'SELECT {key} AS key FROM {mirror} WHERE NOT "_deleted" UNION ALL SELECT {none} FROM {mirror} WHERE FALSE'
        return f"SELECT COUNT(key), COUNT(DISTINCT key) FROM ({keys}) AS keys"
    live = [f'CASE WHEN NOT "_deleted" THEN {quoted(k)} END' for k in table.key]
    columns = ", ".join(f"{each} AS key_{number}" for number, each in enumerate(live, 1))
    groups = ", ".join(str(number) for number in range(1, len(live) + 1))
    versions = f"(SELECT {columns}, COUNT(*) AS versions FROM {mirror} GROUP BY {groups}) AS keys"
    return f"SELECT COALESCE(SUM(versions), 0), COUNT(key_1) FROM {versions}"


def delete_gone(table: Table, *, unique: bool = False) -> str:
    """Removes rows that the source has deleted, or marks them if the definition keeps them."""
    gone = _won_by(table, 'winner."_deleted"', unique=unique)
    if table.keep_deleted:
        return f'UPDATE {relation(table)} SET "_deleted" = TRUE, "_loaded_at" = GETDATE() WHERE NOT "_deleted" AND {gone}'
    return f"DELETE FROM {relation(table)} WHERE {gone}"


def count_vanished(table: Table) -> str:
    """SQL for the number of the mirror's rows that are not in the stage's snapshot."""
    return f"SELECT COUNT(*) FROM {relation(table)} WHERE NOT EXISTS (SELECT 1 FROM {stage(table)} AS new WHERE {_same_key(table, 'new')})"


def create_stage_of_keys(table: Table) -> str:
    """The stage, with the keys of the mirror's rows, for `count_vanished_keys`."""
    return f"CREATE TEMP TABLE {stage(table)} AS SELECT {_list(table.key)} FROM {relation(table)}"


def count_vanished_keys(table: Table) -> str:
    """SQL for the number of the keys in `create_stage_of_keys` that the mirror does not have any more."""
    return f"SELECT COUNT(*) FROM {stage(table)} AS old WHERE NOT EXISTS (SELECT 1 FROM {relation(table)} WHERE {_same_key(table, 'old')})"


def delete_all(table: Table) -> str:
    return f"DELETE FROM {relation(table)}"


def delete_replaced(table: Table, *, unique: bool = False) -> str:
    """Removes rows of which the stage holds a newer version; with `keep_deleted`, only rows whose newest version is live."""
    if table.keep_deleted:
        return f"DELETE FROM {relation(table)} WHERE {_won_by(table, 'NOT winner._deleted', unique=unique)}"
    return f"DELETE FROM {relation(table)} USING {stage(table)} WHERE {_same_key(table, stage(table))}"


def insert_winners(
    table: Table, landed: Table | None = None, landed_names: Mapping[str, str] | None = None, *, unique: bool = False
) -> str:
    """Inserts the winning live rows of the stage.

    Args:
        landed: the definition with which they landed, if that is another one.
        landed_names: the columns that they have, each with its name there.
        unique: whether no key repeats in the stage, so that no version must be found.
    """
    there = landed_names if landed_names is not None else {c.name: c.name for c in table.columns}
    names = [c.name for c in table.columns if c.name in there]
    values = [(landed or table)[there[name]].type.load.format(quoted(there[name])) for name in names]
    if table.keep_deleted:
        names.append("_deleted")
        values.append("FALSE")
    return (
        f'INSERT INTO {relation(table)} ({_list(names)}, "_batch", "_loaded_at")'
        f' SELECT {", ".join(values)}, "_batch", GETDATE() FROM {_winners(table, unique=unique)} WHERE _rank = 1 AND NOT "_deleted"'
    )


def drop_stage(table: Table) -> str:
    return f"DROP TABLE {stage(table)}"


def clear_column(table: Table, name: str) -> str:
    return f"UPDATE {relation(table)} SET {quoted(name)} = NULL WHERE {quoted(name)} IS NOT NULL"


def update_columns(table: Table, landed: Table, landed_names: Mapping[str, str]) -> str:
    """Takes the values of these columns from the stage, by key. The arguments are those of `insert_winners`."""
    values = [f"{quoted(now)} = {landed[was].type.load.format(f'winner.{quoted(was)}')}" for now, was in landed_names.items()]
    condition = f"winner._rank = 1 AND {_same_key(table, 'winner')}"
    return f'UPDATE {relation(table)} SET {", ".join(values)}, "_loaded_at" = GETDATE() FROM {_winners(table)} WHERE {condition}'


DIALECT = Dialect(
    engine="redshift",
    column=lambda column: quoted(column.name),
    bits=lambda text: f"STRTOL(SUBSTRING(MD5({text}), 1, 15), 16)",
)
"""The parts of a checksum's SQL that differ between engines, for Redshift."""


def live(table: Table) -> str:
    """The rows that a comparison reads: the mirror's rows that are not marked as deleted."""
    return f'(SELECT * FROM {relation(table)} WHERE NOT "_deleted") AS live' if table.keep_deleted else relation(table)
