"""The column types: one object for each type holds everything about it. To add a type, a project makes a `Type` and registers it.

Belongs here: a module for each family, `type` (the fields of the object), `suggestions` (types for a source's columns) and `misfit` (why a
value does not fit). Does not belong here: a table, or anything that touches a server.
"""

from stori_pipeline.model.types.documents import super_
from stori_pipeline.model.types.misfit import CODES, Misfit, MisfitError
from stori_pipeline.model.types.moments import date, time, timestamptz
from stori_pipeline.model.types.numbers import bigint, decimal, double, integer, smallint
from stori_pipeline.model.types.texts import boolean, varchar
from stori_pipeline.model.types.type import REGISTRY, Engine, SuggestedFor, Type, parse, register, registered, type_in_catalog, type_of

__all__ = [
    "CODES",
    "REGISTRY",
    "Engine",
    "Misfit",
    "MisfitError",
    "SuggestedFor",
    "Type",
    "bigint",
    "boolean",
    "date",
    "decimal",
    "double",
    "integer",
    "parse",
    "register",
    "registered",
    "smallint",
    "super_",
    "time",
    "timestamptz",
    "type_in_catalog",
    "type_of",
    "varchar",
]
