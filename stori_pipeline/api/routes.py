"""The addresses of the API.

Belongs here: paths, parameters and descriptions. Does not belong here: statements (`queries`), HTML (`page`), and authentication
(`guard`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse

from stori_pipeline.api import page, queries
from stori_pipeline.api.answers import Freshness, Health, Problem
from stori_pipeline.api.extension import AsOf, Section
from stori_pipeline.api.queries import Lags, Quarantined
from stori_pipeline.api.store import Charts, Store
from stori_pipeline.clock import Clock, utc_day

Responses = dict[int | str, dict[str, Any]]


def problem(description: str) -> dict[str, Any]:
    """The description of an error response, for the OpenAPI document."""
    # Written out, because FastAPI would announce a `model` with the media type of the address's own response, such as HTML.
    return {"description": description, "content": {"application/json": {"schema": Problem.model_json_schema()}}}


UNAVAILABLE: Responses = {503: problem("The warehouse does not answer. `Retry-After` says after how many seconds to try again.")}
REFUSED: Responses = {
    401: problem("The key in `X-API-Key` is missing or wrong."),
    429: problem("Too many requests. `Retry-After` says after how many seconds to try again."),
}


def data_routes(store: Store, clock: Clock, lags: Lags, quarantined: Quarantined) -> APIRouter:
    """The addresses that return JSON."""
    router = APIRouter()

    @router.get("/freshness", tags=["operation"])
    def freshness() -> Freshness:
        """How far each table may be behind its source, and when it was last loaded, which happens only when its source has changed."""
        return queries.freshness(store, clock(), lags, quarantined)

    return router


def health_routes(store: Store) -> APIRouter:
    """The address that a load balancer asks; it needs no key."""
    router = APIRouter()

    @router.get("/health", responses=UNAVAILABLE, tags=["operation"])
    def health() -> Health:
        """Whether the warehouse answers."""
        store.rows("SELECT 1 AS one")
        return Health(status="ok", warehouse="answers")

    return router


def page_routes(
    store: Store, charts: Charts, clock: Clock, lags: Lags, quarantined: Quarantined, sections: Callable[[date], Sequence[Section]]
) -> APIRouter:
    """The page for people, and its charts. `sections` are those of the project."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, tags=["page"])
    def front(as_of: AsOf = None) -> str:
        """A page for people: the sections of the project, freshness and rows of each table, and the charts."""
        now = clock()
        return page.render(
            sections=sections(as_of or utc_day(now)),
            freshness=queries.freshness(store, now, lags, quarantined),
            rows=queries.row_counts(store),
            charts=charts.names(),
        )

    @router.get(
        "/charts/{name}.svg",
        response_class=Response,
        tags=["page"],
        responses={200: {"content": {"image/svg+xml": {}}}, 404: problem("No chart has this name.")},
    )
    def chart(name: str) -> Response:
        """A chart as the pipeline last drew it."""
        svg = charts.svg(name)
        if svg is None:
            return JSONResponse({"detail": f"no chart has the name {name!r}"}, 404)
        return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "max-age=30"})

    return router
