"""`/api/v1/notifications`: notifications with their deliveries, channels and test messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query

from functions.notifications.schemas import (
    ChannelsOut,
    NotificationOut,
    NotificationPage,
    NotificationQuery,
    SendTestIn,
)
from functions.notifications.stored_channels import STORED_CHANNELS
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require
from hearth.ids import ULID_PATTERN
from hearth.resource.routes import resource_routes

if TYPE_CHECKING:
    from functions.notifications.service import NotificationService

NotificationId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


def create_app(service: NotificationService) -> FastAPI:
    """Build the HTTP application of notifications."""
    router = Router(prefix="/api/v1/notifications", tags=["notifications"])
    stored_channels = resource_routes(
        STORED_CHANNELS, lambda: service.channels.stored, without=frozenset({"list"})
    )

    @router.get("")
    async def list_notifications(
        principal: Annotated[Principal, require("notifications:read")],
        query: Annotated[NotificationQuery, Query()],
    ) -> NotificationPage:
        return service.queries.list(query, principal)

    @router.get("/channels")
    async def list_channels(
        _: Annotated[Principal, require("notifications:read")],
    ) -> ChannelsOut:
        return service.queries.channels()

    @router.post("/test", status_code=202)
    async def send_test_message(
        principal: Annotated[Principal, require("notifications:write")], test: SendTestIn
    ) -> NotificationOut:
        return service.send_test(test, principal)

    @router.get("/{notification_id:ulid}")
    async def get_notification(
        principal: Annotated[Principal, require("notifications:read")],
        notification_id: NotificationId,
    ) -> NotificationOut:
        return service.queries.get(notification_id, principal)

    @router.post("/{notification_id:ulid}/retry", status_code=202)
    async def retry_notification(
        principal: Annotated[Principal, require("notifications:write")],
        notification_id: NotificationId,
    ) -> NotificationOut:
        return service.retry(notification_id, principal)

    return create_http_app("Hearth notifications", router, stored_channels)
