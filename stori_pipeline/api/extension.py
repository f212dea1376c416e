"""What a project adds to the API: addresses, and sections of the page at `/`.

Belongs here: the seam, and the types that both sides share. Does not belong here: any project's addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from stori_pipeline.api.store import Store
from stori_pipeline.clock import Clock


def _iso_day(value: object) -> object:
    """Accept a day as YYYY-MM-DD only: pydantic would read 0 as 1970-01-01."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("a day is written YYYY-MM-DD")
    return value


_AS_OF = Query(description="The day to count from, as YYYY-MM-DD; by default today in UTC.", examples=["2024-11-15"])
AsOf = Annotated[Annotated[date, BeforeValidator(_iso_day)] | None, _AS_OF]
"""The parameter `as_of` of an address."""


@dataclass(frozen=True)
class Section:
    """A section of the page. `html` is shown as it is, so it must escape what it shows: see `page.grid`."""

    title: str
    html: str


@dataclass(frozen=True)
class Extension:
    """What a project adds to the API.

    Attributes:
        router: its addresses. The API guards them like its own, and answers 503 if a statement fails.
        sections: the sections of the page for a day, which stand before those of the platform.
    """

    router: APIRouter
    sections: Callable[[date], Sequence[Section]] = lambda _day: ()


Extend = Callable[[Store, Clock], Extension]
"""What `ProjectPackage.api` names: makes the extension over a read-only store. The clock gives the present day."""
