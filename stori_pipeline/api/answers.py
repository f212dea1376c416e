"""What the API answers: the models that its OpenAPI document shows."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field


class Payment(BaseModel):
    """One payment, in the currency that it was agreed in."""

    payment_id: int
    payment_date: date = Field(description="The day that was agreed.")
    paid: bool = Field(description="What the source says, which leaves payments that fell due on a weekend unpaid for ever.")
    payment_type: str | None = Field(description="Such as SALES_RECEIPT; null until its dimension's row has arrived.")
    counterparty: str | None = Field(description="The legal name; null until its dimension's row has arrived.")
    amount: Decimal
    currency: str | None = Field(description="ISO 4217, such as GBP; null until its dimension's row has arrived.")


class TableFreshness(BaseModel):
    table: str = Field(examples=["totesys.payment"])
    loaded_at: datetime = Field(description="When the newest load of it ended, in UTC.")
    lag_seconds: int = Field(description="How long ago that was.", ge=0)
    rows_loaded: int = Field(description="How many rows that load brought.")


class Freshness(BaseModel):
    as_of: datetime
    tables: list[TableFreshness]


class Health(BaseModel):
    status: Literal["ok"]
    warehouse: Literal["answers"]


class Problem(BaseModel):
    detail: str
