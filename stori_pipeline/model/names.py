"""What a valid name is, and the asset keys that follow from one.

Belongs here: rules for names, our name for what a source calls otherwise, paths made of names, and a name in SQL. Does not belong here:
SQL statements (`warehouse.dialect`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import count

from stori_pipeline.model.errors import DefinitionError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""A name in a definition. Names that begin with an underscore are the pipeline's own."""

OWN_NAME = re.compile(r"_[a-z][a-z0-9_]{0,61}")

RESERVED = ("_batch", "_seq", "_deleted", "_loaded_at")
"""The columns that the pipeline adds to landed rows or to mirrors."""

OWN_SCHEMAS = (
    *("star", "reports", "charts", "pipeline", "landing", "warehouse", "quarantine"),
    *("public", "information_schema", "pg_catalog", "pg_internal"),
)
"""Names that no source may have: schemas of the platform or of Redshift, and first parts of asset keys."""

SYSTEM_COLUMNS = ("oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "insertxid", "deletexid")
"""Names that Redshift refuses for columns, even if quoted: each of its tables has such a column."""

_LONGEST = 63
"""The length of the longest name. Redshift takes 127 bytes; the rest is room for suffixes such as `_current`."""


def refuse_bad_name(where: str, name: str) -> None:
    """Raises DefinitionError if `name` is not a valid name; `where` says whose name it is."""
    if not NAME.fullmatch(name):
        raise DefinitionError(f"{where}: {name!r} is not a name of lower-case letters, digits and underscores that starts with a letter")


def refuse_bad_source_name(name: str) -> None:
    """Raises DefinitionError if no source may have the name: it is a schema in the warehouse, too."""
    refuse_bad_name("source", name)
    if name in OWN_SCHEMAS or name.startswith("pg_"):
        raise DefinitionError(f"source: {name!r} is a name of the platform or of Redshift itself; choose another name")


def names_for(source_names: Sequence[str], taken: Iterable[str] = (), *, prefix: str = "c_") -> dict[str, str]:
    """A valid name for each of a source's names, by the source's name: `customer_id` for `customerID`, `strasse` for `Straße`.

    The same names in the same order always give the same result. No two are equal: a name that is valid already keeps itself, and others
    that would become the same get a number, in order. A word that SQL reserves is a valid name, because SQL here quotes every name.

    Args:
        source_names: distinct, of columns or of tables.
        taken: names that are in use already.
        prefix: for a name that would not begin with a letter, or that Redshift refuses: `c_` or `t_`.
    """
    used, names = set(taken), {}
    for source_name in sorted(source_names, key=lambda each: _plain(each, prefix) != each):
        plain = _plain(source_name, prefix)
        numbered = (f"{plain[: _LONGEST - len(end)]}{end}" for end in (f"_{number}" for number in count(2)))
        names[source_name] = plain if plain not in used else next(name for name in numbered if name not in used)
        used.add(names[source_name])
    return {source_name: names[source_name] for source_name in source_names}


def name_for(source_name: str, taken: Iterable[str] = (), *, prefix: str = "c_") -> str:
    """A valid name for one of a source's names, as `names_for` gives it."""
    return names_for([source_name], taken, prefix=prefix)[source_name]


def _plain(source_name: str, prefix: str) -> str:
    """The valid name that is closest to the source's, whatever else is called so."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", source_name)
    ascii_only = unicodedata.normalize("NFKD", words.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")
    if not plain:  # no letter of it is Latin
        plain = f"{prefix}{hashlib.md5(source_name.encode(), usedforsecurity=False).hexdigest()[:8]}"
    elif not plain[0].isalpha() or plain in SYSTEM_COLUMNS:
        plain = f"{prefix}{plain}"
    if NAME.fullmatch(source_name) and source_name not in SYSTEM_COLUMNS:
        return source_name
    return plain[:_LONGEST].rstrip("_")


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
