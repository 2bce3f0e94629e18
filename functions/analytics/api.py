"""`/api/v1/analytics`: events in, usage, errors and health out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Body, FastAPI, Query

from functions.analytics.schemas import (
    NO_NUL,
    DashboardOut,
    ErrorsOut,
    ErrorsQuery,
    EventBatch,
    EventIn,
    HealthOut,
    Recorded,
    UsageOut,
    UsageQuery,
)
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require

if TYPE_CHECKING:
    from functions.analytics.service import AnalyticsService

Zone = Annotated[
    str | None,
    Query(min_length=1, max_length=64, pattern=NO_NUL, description="IANA name of a time zone."),
]


def create_app(service: AnalyticsService) -> FastAPI:
    """Build the HTTP application of analytics."""
    router = Router(prefix="/api/v1/analytics", tags=["analytics"])
    may_read = require("analytics:read")

    @router.post("/events", status_code=201)
    async def record_events(
        principal: Annotated[Principal, require("analytics:write")],
        body: Annotated[EventIn | EventBatch, Body()],
    ) -> Recorded:
        batch = isinstance(body, EventBatch)
        ids = service.record(principal, body.events if isinstance(body, EventBatch) else [body])
        return Recorded(event_id=None if batch else ids[0], event_ids=ids)

    @router.get("/usage", dependencies=[may_read])
    async def get_usage(query: Annotated[UsageQuery, Query()]) -> UsageOut:
        return service.queries.usage(query)

    @router.get("/errors", dependencies=[may_read])
    async def get_errors(query: Annotated[ErrorsQuery, Query()]) -> ErrorsOut:
        return service.queries.errors(query)

    @router.get("/health", dependencies=[may_read])
    async def get_health() -> HealthOut:
        return service.health()

    @router.get("/dashboard", dependencies=[may_read])
    async def get_dashboard(timezone: Zone = None) -> DashboardOut:
        return service.queries.dashboard(timezone)

    return create_http_app("Hearth analytics", router)
