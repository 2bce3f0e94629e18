"""`/api/v1/auth`: users, sessions and keys over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.params import Depends as DependsParameter
from fastapi.responses import JSONResponse

from functions.auth.attempt_limits import TooManyAttempts
from functions.auth.audit_log import Caller
from functions.auth.schemas import (
    ApiKeyIn,
    ApiKeyPage,
    ApiKeyQuery,
    AuditPage,
    AuditQuery,
    InvitationIn,
    InvitationPage,
    LoginIn,
    MeOut,
    NewApiKeyOut,
    NewInvitationOut,
    PasswordIn,
    RefreshIn,
    RegisterIn,
    RotateIn,
    SetupOut,
    SigningKeyOut,
    SigningKeysOut,
    TokensOut,
    UserIn,
    UserOut,
    UserPage,
    UserPatch,
    ValidateIn,
    ValidateOut,
)
from hearth.http.app import Router, request_id
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, principal_of, require, require_caller
from hearth.http.problems import error_response
from hearth.http.query import PageQuery

if TYPE_CHECKING:
    from functions.auth.accounts import Accounts
    from functions.auth.audit_log import AuditLog
    from functions.auth.identity import Identity
    from functions.auth.keys import ApiKeys, SigningKeys
    from functions.auth.service import AuthService

Id = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Services:
    """The services behind the routes."""

    auth: AuthService
    identity: Identity
    accounts: Accounts
    api_keys: ApiKeys
    signing_keys: SigningKeys
    audit_log: AuditLog


def _anyone() -> DependsParameter:
    """Return a dependency for the `Caller`, authenticated or not."""

    async def find(request: Request) -> Caller:
        return Caller(principal_of(request.scope.get("aws.event", {})), _address(request))

    dependency: DependsParameter = Depends(find)
    return dependency


def _known(permitted: Any) -> DependsParameter:
    """Return a dependency for the `Caller` that the dependency `permitted` authorizes."""

    # A default, not an annotation: annotations are strings here and cannot refer to `permitted`.
    async def find(request: Request, principal: Principal = permitted) -> Caller:
        return Caller(principal, _address(request))

    dependency: DependsParameter = Depends(find)
    return dependency


def _address(request: Request) -> str:
    """Return the source address as the gateway saw it; headers are not trusted."""
    return request.client.host if request.client else ""


Anyone = Annotated[Caller, _anyone()]
Known = Annotated[Caller, _known(require_caller())]
KeyOwner = Annotated[Caller, _known(require("keys:write"))]
Administrator = Annotated[Caller, _known(require("users:manage"))]
Auditor = Annotated[Caller, _known(require("audit:read"))]


async def _not_cached(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, 5.1


def create_app(services: Services) -> FastAPI:
    """Build the HTTP application of auth."""
    app = create_http_app(
        "Hearth auth",
        _sessions(services),
        _users(services),
        _invitations(services),
        _keys(services),
        _administration(services),
    )
    app.add_exception_handler(TooManyAttempts, _on_too_many_attempts)
    return app


def _router() -> Router:
    return Router(prefix="/api/v1/auth", tags=["auth"], dependencies=[Depends(_not_cached)])


def _sessions(services: Services) -> Router:
    router = _router()

    @router.post("/register", status_code=201)
    async def register(caller: Anyone, body: RegisterIn) -> UserOut:
        return services.auth.register(caller, body)

    @router.get("/setup")
    async def get_setup() -> SetupOut:
        """Whether the first user has registered. Anybody may ask."""
        return SetupOut(is_set_up=services.auth.is_set_up())

    @router.post("/login")
    async def login(caller: Anyone, body: LoginIn) -> TokensOut:
        return services.auth.login(caller, body)

    @router.post("/refresh")
    async def refresh(caller: Anyone, body: RefreshIn) -> TokensOut:
        return services.auth.refresh(caller, body.refresh_token)

    @router.post("/logout", status_code=204)
    async def logout(caller: Known) -> None:
        services.auth.logout(caller)

    @router.post("/password", status_code=204)
    async def change_password(caller: Known, body: PasswordIn) -> None:
        services.auth.change_password(caller, body)

    @router.get("/me")
    async def me(principal: Annotated[Principal, require_caller()]) -> MeOut:
        return services.identity.me(principal)

    @router.post("/validate")
    async def validate(caller: Known, body: ValidateIn) -> ValidateOut:
        return services.identity.validate(body)

    return router


def _users(services: Services) -> Router:
    router = _router()

    @router.get("/users", dependencies=[require("users:manage")])
    async def list_users(query: Annotated[PageQuery, Query()]) -> UserPage:
        return services.accounts.list_users(query)

    @router.post("/users", status_code=201)
    async def create_user(caller: Administrator, body: UserIn) -> UserOut:
        return services.accounts.create_user(caller, body)

    @router.get("/users/{user_id}", dependencies=[require("users:manage")])
    async def get_user(user_id: Id) -> UserOut:
        return services.accounts.get_user(user_id)

    @router.patch("/users/{user_id}")
    async def change_user(caller: Administrator, user_id: Id, body: UserPatch) -> UserOut:
        return services.accounts.change_user(caller, user_id, body)

    @router.delete("/users/{user_id}", status_code=204)
    async def delete_user(caller: Administrator, user_id: Id) -> None:
        services.accounts.delete_user(caller, user_id)

    return router


def _invitations(services: Services) -> Router:
    router = _router()

    @router.get("/invitations", dependencies=[require("users:manage")])
    async def list_invitations(query: Annotated[PageQuery, Query()]) -> InvitationPage:
        return services.accounts.list_invitations(query)

    @router.post("/invitations", status_code=201)
    async def invite(caller: Administrator, body: InvitationIn) -> NewInvitationOut:
        return services.accounts.invite(caller, body)

    @router.delete("/invitations/{invitation_id}", status_code=204)
    async def withdraw_invitation(caller: Administrator, invitation_id: Id) -> None:
        services.accounts.withdraw(caller, invitation_id)

    return router


def _keys(services: Services) -> Router:
    router = _router()

    @router.get("/keys")
    async def list_keys(caller: KeyOwner, query: Annotated[ApiKeyQuery, Query()]) -> ApiKeyPage:
        return services.api_keys.list(caller, query)

    @router.post("/keys", status_code=201)
    async def create_key(caller: KeyOwner, body: ApiKeyIn) -> NewApiKeyOut:
        return services.api_keys.create(caller, body)

    @router.delete("/keys/{key_id}", status_code=204)
    async def revoke_key(caller: KeyOwner, key_id: Id) -> None:
        services.api_keys.revoke(caller, key_id)

    @router.post("/keys/{key_id}/rotate")
    async def rotate_key(caller: KeyOwner, key_id: Id) -> NewApiKeyOut:
        return services.api_keys.rotate(caller, key_id)

    return router


def _administration(services: Services) -> Router:
    router = _router()

    @router.get("/signing-keys", dependencies=[require("users:manage")])
    async def list_signing_keys() -> SigningKeysOut:
        return services.signing_keys.list()

    @router.post("/signing-keys/rotate")
    async def rotate_signing_key(caller: Administrator, body: RotateIn) -> SigningKeyOut:
        return services.signing_keys.rotate(caller, body)

    @router.get("/audit")
    async def list_audit(_: Auditor, query: Annotated[AuditQuery, Query()]) -> AuditPage:
        return services.audit_log.list(query)

    return router


async def _on_too_many_attempts(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooManyAttempts)  # noqa: S101  # FastAPI dispatches by type
    return error_response(
        request_id(request),
        error.status,
        error.code,
        error.message,
        error.details,
        headers={"Retry-After": str(error.retry_after_s)},
    )
