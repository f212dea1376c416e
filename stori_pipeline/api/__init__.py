"""The HTTP API over the warehouse: freshness, charts, what the project adds, and a page that shows all of it.

Belongs here: putting the application together. Does not belong here: its addresses (`routes`), statements (`queries`), sessions (`store`),
authentication (`guard`), HTML (`page`) and a project's own (`extension`). The API only reads, as a role that may not write, and caches
each answer for a few seconds: many open pages ask the warehouse no more often than one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from stori_pipeline.api.extension import Extend, Extension
from stori_pipeline.api.guard import Guard, TooManyRequests, Unauthorized
from stori_pipeline.api.queries import Lags, Quarantined
from stori_pipeline.api.routes import REFUSED, UNAVAILABLE, data_routes, health_routes, page_routes
from stori_pipeline.api.store import Charts, Store, StoreUnavailable
from stori_pipeline.clock import Clock, utc_now
from stori_pipeline.settings import Settings

__all__ = ["create_app"]


def _no_lags(_now: float) -> Mapping[str, float]:
    return {}


def create_app(
    settings: Settings | None = None,
    clock: Clock = utc_now,
    *,
    extend: Extend | None = None,
    title: str = "stori_pipeline",
    lags: Lags = _no_lags,
    quarantined: Quarantined = dict,
) -> FastAPI:
    """The application, for any ASGI server.

    Args:
        settings: by default those of the environment and `.env`, which are read again for each new session and each request.
        clock: gives the present day.
        extend: makes what the project adds (`ProjectPackage.api`).
        title: the project's name.
        lags: the lag of each table; without it, no lag is shown. Only Dagster's instance knows the lags, and the API does not know Dagster.
        quarantined: the number of rows of each table in quarantine; likewise.

    Raises:
        SettingError: the address of the warehouse's read-only role or the bucket of the charts is not set.
    """
    given = settings

    def present() -> Settings:
        return given or Settings.load()

    settings = present()
    settings.require("STORI_WAREHOUSE_READER")
    store = Store(lambda: present().require("STORI_WAREHOUSE_READER"))
    charts = Charts(settings.processed_bucket)
    extension = extend(store, clock) if extend else Extension(APIRouter())
    key = settings.secret("STORI_API_KEY")
    guard = Guard(lambda: present().secret("STORI_API_KEY"), settings.secret("STORI_API_RATE"))
    dependencies = [Depends(guard)] if key else []
    # Without a key the OpenAPI document mentions none either.
    responses = UNAVAILABLE | REFUSED if key else UNAVAILABLE

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    # FastAPI's own page of documentation takes its script and its style from another host.
    app = FastAPIOffline(
        title=title,
        description="The freshness of the warehouse, its charts, and what the project adds.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    _handle_errors(app)
    app.include_router(data_routes(store, clock, lags, quarantined), dependencies=dependencies, responses=responses)
    app.include_router(extension.router, dependencies=dependencies, responses=responses)
    app.include_router(health_routes(store))
    pages = page_routes(store, charts, clock, lags, quarantined, extension.sections)
    app.include_router(pages, dependencies=dependencies, responses=responses)
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(StoreUnavailable)
    def unavailable(_: Request, error: StoreUnavailable) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "10"})

    @app.exception_handler(Unauthorized)
    def unauthorized(_: Request, error: Unauthorized) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 401, headers={"WWW-Authenticate": "ApiKey"})

    @app.exception_handler(TooManyRequests)
    def too_many_requests(_: Request, error: TooManyRequests) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 429, headers={"Retry-After": str(error.seconds)})
