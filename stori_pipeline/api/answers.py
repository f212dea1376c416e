"""The models of the API's responses, as its OpenAPI document shows them.

Belongs here: response models and their descriptions. Does not belong here: reading their values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class TableFreshness(BaseModel):
    """When one table was last loaded, and how far it may be behind its source."""

    table: str = Field(examples=["totesys.payment"])
    loaded_at: datetime = Field(description="When the newest load of the table ended, in UTC.")
    lag_seconds: int | None = Field(
        description="How far the table may be behind its source, in seconds: the time since the last look at the source whose result is "
        "here. A look that found nothing new counts. Null if Dagster's storage, which knows the looks, does not answer.",
        ge=0,
    )
    rows_loaded: int = Field(description="Number of rows that the newest load inserted.")
    verified_through: datetime | None = Field(
        description="The moment of its source, in UTC, up to which every row of the table was proved equal to the source's. Null if it "
        "never was, and for a star table."
    )
    quarantined: int | None = Field(
        description="Number of the table's rows that broke its definition and are in quarantine, since the last look at the source. Null"
        " if Dagster's storage does not answer.",
        ge=0,
    )


class Freshness(BaseModel):
    """The freshness of every table at one moment."""

    as_of: datetime = Field(description="The moment that `lag_seconds` is counted to, in UTC.")
    tables: list[TableFreshness]


class Health(BaseModel):
    """The warehouse answers; otherwise the response is 503."""

    status: Literal["ok"]
    warehouse: Literal["answers"]


class Problem(BaseModel):
    """Why the request failed."""

    detail: str
