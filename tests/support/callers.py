"""Requests as they arrive behind the gateway: with what its authorizer said about the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
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


def ask(
    app: ASGIApp,
    method: str,
    path: str,
    body: Any = None,
    *,
    who: Principal | None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    query: Mapping[str, Any] | None = None,
) -> httpx.Response:
    """One request to an application, as `who` makes it through the gateway."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(acting_as(app, who))
        async with httpx.AsyncClient(transport=transport, base_url="http://home") as client:
            return await client.request(
                method,
                path,
                json=body,
                content=content,
                params=query or None,
                headers=dict(headers or {}),
            )

    return asyncio.run(call())
