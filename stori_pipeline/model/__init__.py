"""What a table, a star table, a report, a chart and a project are: data, and pure functions of it.

Belongs here and beside: definitions, and what follows from a definition alone. Does not belong here: anything that touches a server.
This module holds the words that a table's definition is written in.
"""

from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.changes import ByDay, Changes, ChangeStream, Cursor, History, Objects, Queue, Rebuilt, Xmin
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import (
    Type,
    bigint,
    boolean,
    date,
    decimal,
    double,
    integer,
    smallint,
    super_,
    time,
    timestamptz,
    varchar,
)

__all__ = [
    "BusinessHours",
    "ByDay",
    "ChangeStream",
    "Changes",
    "Column",
    "Cursor",
    "DefinitionError",
    "History",
    "Objects",
    "Queue",
    "Rebuilt",
    "Source",
    "Table",
    "Type",
    "Xmin",
    "bigint",
    "boolean",
    "date",
    "decimal",
    "double",
    "integer",
    "smallint",
    "super_",
    "time",
    "timestamptz",
    "varchar",
]
