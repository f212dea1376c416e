"""The API over the warehouse: payments due and made, freshness, and a page that shows both beside the charts.

Belongs here: which addresses there are, what they answer and where it comes from in the warehouse. Does not belong here: how the warehouse
is reached (`store`), who may ask how often (`guard`), and what the page looks like (`page`).

Everything is read, nothing written, by a role that may not write. Answers are kept for a few seconds, so that a page which many people
have open asks the warehouse no more often than one does.
"""

# A function of more than 60 lines, create_app: the addresses are functions within it, since what they share is made by it.
from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BeforeValidator

from stori_pipeline.api import page
from stori_pipeline.api.answers import Freshness, Health, Payment, Problem, TableFreshness
from stori_pipeline.api.guard import Guard, TooMany, Unknown
from stori_pipeline.api.store import Charts, Store, StoreUnavailable
from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.settings import Settings

__all__ = ["create_app"]

_PAYMENT = """\
SELECT p.payment_id, p.payment_date, p.paid, t.payment_type_name AS payment_type, c.counterparty_legal_name AS counterparty,
       p.payment_amount AS amount, y.currency_code AS currency
FROM star.fact_payment_current AS p
LEFT JOIN star.dim_counterparty AS c ON c.counterparty_id = p.counterparty_id
LEFT JOIN star.dim_currency AS y ON y.currency_id = p.currency_id
LEFT JOIN star.dim_payment_type AS t ON t.payment_type_id = p.payment_type_id
"""
LAST = _PAYMENT + "WHERE p.paid AND p.payment_date <= %s ORDER BY p.payment_date DESC, p.payment_id DESC LIMIT 5"
# What is overdue is not coming up: the source never flips payments that fell due on a weekend.
NEXT = _PAYMENT + "WHERE NOT p.paid AND p.payment_date >= %s ORDER BY p.payment_date, p.payment_id LIMIT 5"

LOADS = """\
SELECT target, loaded_at, rows_loaded FROM (
  SELECT target, finished_at AS loaded_at, rows_inserted AS rows_loaded,
         ROW_NUMBER() OVER (PARTITION BY target ORDER BY generation DESC, batch DESC, finished_at DESC) AS newest
  FROM pipeline.loads
) AS loads WHERE newest = 1 ORDER BY target"""


def _day(value: object) -> object:
    """Days as ISO 8601 writes them and no other way: 0 would be read as the first of January 1970."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("a day is written YYYY-MM-DD")
    return value


_AS_OF = Query(description="The day to count from; today in UTC unless it is given.", examples=["2024-11-15"])
AsOf = Annotated[Annotated[date, BeforeValidator(_day)] | None, _AS_OF]


def _problem(description: str) -> dict[str, Any]:
    # Written out, because a `model` would be announced in the type of the address's own answers, such as HTML.
    return {"description": description, "content": {"application/json": {"schema": Problem.model_json_schema()}}}


_AWAY: dict[int | str, dict[str, Any]] = {503: _problem("The warehouse is away; `Retry-After` says when to ask again.")}
_REFUSED: dict[int | str, dict[str, Any]] = {
    401: _problem("The request has no key in `X-API-Key`, or another one."),
    429: _problem("Too many requests; `Retry-After` says when the next one is welcome."),
}


def create_app(settings: Settings | None = None, clock: Clock = utc_now) -> FastAPI:
    """The application, for any ASGI server. Settings are read once, here. `clock` gives the day that payments are counted from.

    Raises:
        SettingError: the address of the warehouse's read-only role is missing.
    """
    told = settings or Settings.load()
    store = Store(told.require("STORI_WAREHOUSE_READER", "the address of the warehouse for a role that may only read"))
    charts = Charts(told.processed_bucket)
    key = told.secret("STORI_API_KEY")
    # Without a key the document names none either.
    guarded = [Depends(Guard(key, told.environ.get("STORI_API_RATE", "")))] if key else []
    refused = _AWAY | _REFUSED if key else _AWAY

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(
        title="stori_pipeline",
        description="Payments, and how fresh the warehouse is. Amounts are decimals, written as text so that none loses a digit.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )

    @app.exception_handler(StoreUnavailable)
    def away(_: Request, error: StoreUnavailable) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "10"})

    @app.exception_handler(Unknown)
    def unknown(_: Request, error: Unknown) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 401, headers={"WWW-Authenticate": "ApiKey"})

    @app.exception_handler(TooMany)
    def too_many(_: Request, error: TooMany) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 429, headers={"Retry-After": str(error.seconds)})

    @app.get("/payments/last5", dependencies=guarded, responses=refused, tags=["payments"])
    def last5(as_of: AsOf = None) -> list[Payment]:
        """The five payments that were made last, the latest first, up to a day."""
        return [Payment(**row) for row in store.rows(LAST, (as_of or utc_day(clock()),))]

    @app.get("/payments/next5", dependencies=guarded, responses=refused, tags=["payments"])
    def next5(as_of: AsOf = None) -> list[Payment]:
        """The next five payments to be made, from a day on: those not yet paid, by date and then by number."""
        return [Payment(**row) for row in store.rows(NEXT, (as_of or utc_day(clock()),))]

    @app.get("/freshness", dependencies=guarded, responses=refused, tags=["operation"])
    def freshness() -> Freshness:
        """For each table when it was last loaded, and how long ago that was. A quiet table has nothing to load."""
        return _freshness(store, clock())

    @app.get("/health", responses=_AWAY, tags=["operation"])
    def health() -> Health:
        """Whether the warehouse answers."""
        store.rows("SELECT 1 AS one")
        return Health(status="ok", warehouse="answers")

    @app.get("/", response_class=HTMLResponse, dependencies=guarded, responses=refused, tags=["page"])
    def front(as_of: AsOf = None) -> str:
        """A page for people: payments, freshness, rows of each table and the charts."""
        now = clock()
        day = as_of or utc_day(now)
        return page.render(
            as_of=day,
            made=last5(day),
            due=next5(day),
            freshness=_freshness(store, now),
            rows={row["name"]: row["rows"] for row in store.rows(_row_counts(store))},
            charts=charts.names(),
        )

    @app.get(
        "/charts/{name}.svg",
        response_class=Response,
        dependencies=guarded,
        tags=["page"],
        responses=refused | {200: {"content": {"image/svg+xml": {}}}, 404: _problem("There is no such chart.")},
    )
    def chart(name: str) -> Response:
        """A chart as the pipeline last drew it."""
        drawn = charts.svg(name)
        if drawn is None:
            return JSONResponse({"detail": f"there is no chart {name!r}"}, 404)
        return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "max-age=30"})

    return app


def _freshness(store: Store, now: datetime) -> Freshness:
    def one(row: dict[str, Any]) -> TableFreshness:
        lag = max(0, int((now - row["loaded_at"]).total_seconds()))
        return TableFreshness(table=row["target"], loaded_at=row["loaded_at"], lag_seconds=lag, rows_loaded=row["rows_loaded"])

    return Freshness(as_of=now, tables=[one(row) for row in store.rows(LOADS)])


def _row_counts(store: Store) -> str:
    """One statement that counts the rows of every table which was ever loaded; names come from the ledger and are quoted."""
    quoted: Callable[[str], str] = lambda name: '"' + name.replace('"', '""') + '"'  # noqa: E731
    names = [row["target"] for row in store.rows(LOADS)]
    counts = [
        "SELECT '{}' AS name, COUNT(*) AS rows FROM {}".format(name.replace("'", "''"), ".".join(map(quoted, name.split(".", 1))))
        for name in names
    ]
    return " UNION ALL ".join(counts) or "SELECT '' AS name, 0 AS rows WHERE 1 = 0"
