"""What a valid name is, and the asset keys that follow from one.

Belongs here: rules for names, paths made of them, and a name in SQL. Does not belong here: SQL statements (`warehouse.dialect`).
"""

from __future__ import annotations

import re

from stori_pipeline.model.errors import DefinitionError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""A name in a definition. Names that begin with an underscore are the pipeline's own."""

OWN_NAME = re.compile(r"_[a-z][a-z0-9_]{0,61}")

RESERVED = ("_batch", "_seq", "_deleted", "_loaded_at")
"""The columns that the pipeline adds to landed rows or to mirrors."""

OWN_SCHEMAS = ("star", "reports", "charts", "pipeline", "landing", "warehouse", "public", "information_schema", "pg_catalog", "pg_internal")
"""Names that no source may have: schemas of the platform or of Redshift, and first parts of asset keys."""


def refuse_bad_name(where: str, name: str) -> None:
    """Raises DefinitionError if `name` is not a valid name; `where` says whose name it is."""
    if not NAME.fullmatch(name):
        raise DefinitionError(f"{where}: {name!r} is not a name of lower-case letters, digits and underscores that starts with a letter")


def refuse_bad_source_name(name: str) -> None:
    """Raises DefinitionError if no source may have the name: it is a schema in the warehouse, too."""
    refuse_bad_name("source", name)
    if name in OWN_SCHEMAS or name.startswith("pg_"):
        raise DefinitionError(f"source: {name!r} is a name of the platform or of Redshift itself; choose another name")


def quoted(name: str) -> str:
    """A name in SQL, as Postgres and Redshift quote it."""
    return '"' + name.replace('"', '""') + '"'


def relation_path(full_name: str) -> list[str]:
    """The asset key of a mirror or a report that a statement reads as `schema.name`."""
    schema, _, name = full_name.partition(".")
    return ["reports", name] if schema == "reports" else ["warehouse", schema, name]


def chart_path(name: str) -> list[str]:
    """The asset key of a chart."""
    return ["charts", name]
