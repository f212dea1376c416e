"""What a table, a star table, a report, a chart and a project are: data, and pure functions of it.

Belongs here: definitions, and what follows from a definition alone. This module exports what a table's definition is written with.
Does not belong here: anything that touches a server; the change strategies of one kind of source (its package in `readers`).
"""

from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.changes import Changes, Cursor, History, Rebuilt
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
    "Changes",
    "Column",
    "Cursor",
    "DefinitionError",
    "History",
    "Rebuilt",
    "Source",
    "Table",
    "Type",
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
