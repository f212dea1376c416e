"""What Postgres calls a table: how a definition's `source_name` is written, and the same in SQL.

Belongs here: parsing and writing such names. Does not belong here: finding the relation of that name (`shape`), or our own names
(`model.names`).
"""

# A name is written as the catalogue has it, with its capitals, blanks and umlauts: `Album`, `Order Details`. Nothing is folded. A schema
# stands before a dot: `person.person`, `Sales.Order Details`. A part that holds a dot or a double quote stands in double quotes, in which a
# quote is doubled, as in Postgres: `"a.b"`. Any part may stand in quotes: `"Person"."Order Details"`. Without a schema, the table is
# looked up on the role's search path, by default `public`.

from __future__ import annotations

import re

from stori_pipeline.model.names import quoted
from stori_pipeline.readers import SourceError

_PART = r'(?:"((?:[^"]|"")+)"|([^."]+))'
_NAME = re.compile(rf"(?:{_PART}\.)?{_PART}", re.DOTALL)


def parsed(source_name: str) -> tuple[str, str]:
    """The schema and the table of a name; "" for no schema.

    Raises:
        SourceError: it is no such name.
    """
    match = _NAME.fullmatch(source_name)
    if match is None:
        raise SourceError(
            f"{source_name!r} is not the name of a table in Postgres; write table or schema.table as the catalogue has them, and a part"
            ' with a dot or a quote in it in double quotes, as in sales."a.b"'
        )
    quoted_schema, schema, quoted_table, table = (part or "" for part in match.groups())
    return schema or quoted_schema.replace('""', '"'), table or quoted_table.replace('""', '"')


def written(schema: str, table: str) -> str:
    """The name of a table as a definition writes it; `schema` may be ""."""
    return ".".join(quoted(part) if re.search(r'[."]', part) else part for part in (schema, table) if part)


def sql(source_name: str) -> str:
    """The name in SQL, every part quoted. Errors as for `parsed`."""
    return ".".join(quoted(part) for part in parsed(source_name) if part)
