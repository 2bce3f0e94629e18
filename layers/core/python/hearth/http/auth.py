"""Who calls, and what they may do.

The gateway asks an authorizer before it invokes a function, and passes on what that answered
(`requestContext.authorizer.lambda`). Functions read it here and check the permission that a route
declares; they never see a password, and never check a token themselves.

    @router.get("", dependencies=[require("jobs:read")])
    async def list_jobs(...): ...

    @router.post("")
    async def create(principal: Annotated[Principal, require("tasks:write")], ...): ...
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as DependsParameter
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hearth.errors import Forbidden, Unauthenticated
from hearth.principal import LOCAL_OWNER, PERMISSIONS, Kind, Principal, Role, principal_of

__all__ = [
    "LOCAL_OWNER",
    "PERMISSIONS",
    "Kind",
    "Principal",
    "Role",
    "authenticated",
    "principal_of",
    "require",
    "require_caller",
]

_bearer = HTTPBearer(
    auto_error=False,
    description="An access token of `POST /api/v1/auth/login`, or an API key.",
)


def require(permission: str) -> DependsParameter:
    """A dependency that gives the `Principal`, or ends the request.

    Raises (in the request):
        Unauthenticated: Nobody is known to call.
        Forbidden: They may not.
    """
    if permission not in PERMISSIONS[Role.ADMIN]:
        raise ValueError(f"no role has the permission {permission!r}")

    async def check(
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Principal:
        principal = authenticated(request)
        if not principal.may(permission):
            raise Forbidden(f"this needs the permission {permission}, which you do not have")
        return principal

    dependency: DependsParameter = Depends(check)
    return dependency


def require_caller() -> DependsParameter:
    """A dependency that gives the `Principal`, whatever they may do, or ends the request.

    Raises (in the request):
        Unauthenticated: Nobody is known to call.
    """

    async def check(
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Principal:
        return authenticated(request)

    dependency: DependsParameter = Depends(check)
    return dependency


def authenticated(request: Request) -> Principal:
    """Who calls.

    Raises:
        Unauthenticated: Nobody is known to call.
    """
    principal = principal_of(request.scope.get("aws.event", {}))
    if principal is None:
        raise Unauthenticated(
            "this needs an access token or an API key: Authorization: Bearer <token>"
        )
    return principal
