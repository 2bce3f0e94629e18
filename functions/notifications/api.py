"""`/api/v1/notifications`: what people were told, and what failed, over HTTP."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, FastAPI, Path, Query

from functions.notifications.schemas import (
    ChannelsOut,
    NotificationOut,
    NotificationQuery,
    NotificationsOut,
    TrialIn,
)
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require
from hearth.ids import ULID_PATTERN

NotificationId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


class Service(Protocol):
    def list(self, query: NotificationQuery, principal: Principal) -> NotificationsOut: ...
    def get(self, notification_id: str, principal: Principal) -> NotificationOut: ...
    def channels(self) -> ChannelsOut: ...
    def retry(self, notification_id: str, principal: Principal) -> NotificationOut: ...
    def trial(self, trial: TrialIn, principal: Principal) -> NotificationOut: ...


def create_app(service: Service) -> FastAPI:
    """The application that answers with what `service` knows."""
    router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"])

    @router.get("")
    async def list_notifications(
        principal: Annotated[Principal, require("notifications:read")],
        query: Annotated[NotificationQuery, Query()],
    ) -> NotificationsOut:
        return service.list(query, principal)

    @router.get("/channels")
    async def list_channels(
        _: Annotated[Principal, require("notifications:read")],
    ) -> ChannelsOut:
        return service.channels()

    @router.post("/test", status_code=202)
    async def send_test_message(
        principal: Annotated[Principal, require("notifications:write")], trial: TrialIn
    ) -> NotificationOut:
        return service.trial(trial, principal)

    @router.get("/{notification_id:ulid}")
    async def get_notification(
        principal: Annotated[Principal, require("notifications:read")],
        notification_id: NotificationId,
    ) -> NotificationOut:
        return service.get(notification_id, principal)

    @router.post("/{notification_id:ulid}/retry", status_code=202)
    async def retry_notification(
        principal: Annotated[Principal, require("notifications:write")],
        notification_id: NotificationId,
    ) -> NotificationOut:
        return service.retry(notification_id, principal)

    return create_http_app("Hearth notifications", router)
