"""Requests as they arrive behind the gateway: with what its authorizer said about the caller."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from hearth.http.auth import PERMISSIONS, Principal, Role


def caller(role: Role | str = Role.ADMIN, user_id: str = "01J00000000000000000000000") -> Principal:
    """A user with everything that `role` may do."""
    role = Role(role)
    return Principal(id=user_id, kind="user", role=role, permissions=PERMISSIONS[role])


def request_context(principal: Principal | None) -> dict[str, Any]:
    """The part of API Gateway's payload 2.0 that tells who calls."""
    return {"authorizer": {"lambda": principal.context()}} if principal else {}


def acting_as(app: ASGIApp, principal: Principal | None) -> ASGIApp:
    """`app`, as `principal` (None: an anonymous caller) would see it through the gateway."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "aws.event": {"requestContext": request_context(principal)}}
        await app(scope, receive, send)

    return called
