"""HTTP functions: FastAPI behind Mangum, with bounds, limits and one shape for every error.

Endpoints are `async def`: a plain `def` costs a thread hand-over, five times the rest of the
request; and one invocation is handled at a time, so a blocking call inside blocks nobody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hearth.errors import HearthError, InvalidInput, RateLimited, TooLarge, Unauthenticated
from hearth.http.problems import MAX_DETAILS, PROBLEM, ErrorAnswer, error_response
from hearth.ids import ULID_PATTERN, new_ulid
from hearth.logging import logger, request_id_of, with_request_id
from hearth.principal import principal_of

if TYPE_CHECKING:
    from hearth.http.rate_limits import Quota

MAX_BODY_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 32
# An unfinished string ends with the text: without that, each of its quotes would be tried anew.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 401: "UNAUTHORIZED", 403: "FORBIDDEN"}


class Limits(Protocol):
    """Rate limits (hearth.http.rate_limits)."""

    async def take(self, caller: str) -> Quota: ...


class _Api(FastAPI):
    """Documents errors with the media type that they have."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    for status, response in operation.get("responses", {}).items():
                        content = response.get("content", {})
                        if status[0] in "45" and "application/json" in content:
                            content[PROBLEM] = content.pop("application/json")
        return super().openapi()


class Router(APIRouter):
    """A router whose routes document what errors look like."""

    def __init__(self, **options: Any) -> None:
        errors: dict[int | str, dict[str, Any]] = {
            "4XX": {"model": ErrorAnswer},
            "5XX": {"model": ErrorAnswer},
        }
        super().__init__(responses=errors, **options)


class UlidConvertor(Convertor[str]):
    """Path parameter for ULIDs; a path with anything else does not match the route."""

    regex = ULID_PATTERN

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("ulid", UlidConvertor())


def create_app(
    title: str,
    *routers: Router,
    max_body_bytes: int = MAX_BODY_BYTES,
    openapi_url: str | None = "/openapi.json",
) -> FastAPI:
    """Build an application with problem documents for errors and a limit on bodies."""
    app = _Api(
        title=title,
        openapi_url=openapi_url,
        docs_url=None,
        redoc_url=None,
        # Behind the gateway a path with a slash too many is another path, not a redirect.
        redirect_slashes=False,
    )
    for router in routers:
        # `include_router` would build every route a second time at the first request.
        app.router.routes.extend(router.routes)
    app.add_exception_handler(HearthError, _on_hearth_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(_Border, max_body_bytes=max_body_bytes)
    return app


def lambda_handler_for(
    app: FastAPI, limits: Limits | None = None
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The Lambda handler of `app`, for API Gateway's payload 2.0 (and 1.0).

    Args:
        limits: The rate limits; None admits every request.
    """
    if limits is not None:
        # Inside the border, which names the request and answers what goes wrong.
        app.user_middleware.append(Middleware(_Limited, limits=limits))
    asyncio.set_event_loop(_event_loop())
    text_types = [*DEFAULT_TEXT_MIME_TYPES, PROBLEM]
    adapter = Mangum(app, lifespan="off", text_mime_types=text_types)

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        asyncio.set_event_loop(_event_loop())
        answer: dict[str, Any] = adapter(event, context)
        return answer

    return with_request_id(handle)


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for the process. Mangum asks for the thread's current loop, which Python no longer makes
    by itself and `asyncio.run` takes away."""
    return asyncio.new_event_loop()


def request_id(request: Request) -> str:
    """Return the request ID, which is in the log and in every answer."""
    return str(request.scope["state"]["request_id"])


async def _on_hearth_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HearthError)  # noqa: S101  # FastAPI dispatches by type
    if error.status >= 500:
        logger.error("request failed", code=error.code, reason=error.message, exc_info=error)
    # A 401 has to name a way in (RFC 9110, 11.6.1).
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    return error_response(
        request_id(request), error.status, error.code, error.message, error.details, headers
    )


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors()[:MAX_DETAILS]
    ]
    first = f": {details[0]['field']}: {details[0]['message']}" if details else ""
    return error_response(
        request_id(request),
        InvalidInput.status,
        InvalidInput.code,
        f"the request is not valid{first}",
        details,
    )


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is nothing at {request.url.path[:200]}"
    elif error.status_code == 405:
        message = f"{request.method} is not possible at {request.url.path[:200]}"
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return error_response(
        request_id(request),
        error.status_code,
        _CODES.get(error.status_code, "HTTP_ERROR"),
        message,
        headers=headers,
    )


def _allowed(request: Request) -> str:
    """Return all methods of a path; the router names only those of its first route."""
    paths: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    found = (
        methods
        for path, methods in paths.items()
        if compile_path(path)[0].fullmatch(request.url.path)
    )
    return ", ".join(sorted(method.upper() for method in next(found, {})))


class _Border:
    """Outermost middleware: request ID, body limit, and a problem document for every exception."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = name
        started = False

        async def send_with_request_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [*message.get("headers", ()), (b"x-request-id", name.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            body = await _read_body(scope, receive, self._max_body_bytes)
            await self._app(scope, _replay(body, receive), send_with_request_id)
        except HearthError as error:
            response = error_response(name, error.status, error.code, error.message, error.details)
            await response(scope, receive, send_with_request_id)
        except Exception:
            logger.exception("request crashed", method=scope["method"], path=scope["path"])
            if started:
                raise
            message = "internal error; see the log for this request ID"
            response = error_response(name, 500, HearthError.code, message)
            await response(scope, receive, send_with_request_id)


class _Limited:
    """Rate limit: rejects requests over it, and adds the caller's quota to every answer."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy, caller = _limited_caller(scope.get("aws.event", {}))
        if not caller:
            await self._app(scope, receive, send)
            return
        quota = await self._limits.take(f"{policy}:{caller}")
        headers = _quota_headers(policy, quota)

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        if quota.admitted:
            await self._app(scope, receive, send_with_quota)
            return
        response = error_response(
            scope["state"]["request_id"],
            RateLimited.status,
            RateLimited.code,
            f"{quota.limit} requests a minute are allowed; retry after {quota.resets_in_s} s",
            headers={"Retry-After": str(quota.resets_in_s)},
        )
        await response(scope, receive, send_with_quota)


def _limited_caller(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the policy (user, key or address) and the caller whose requests share a limit.

    Requests of the machine's owner are not counted: the owner could only lock themselves out.
    """
    principal = principal_of(event)
    if principal is None:
        return "address", _network(event["requestContext"]["http"]["sourceIp"])
    if principal.kind == "local":
        return "local", ""
    if principal.kind == "api_key":
        return "key", principal.credential_id
    return "user", principal.id


def _network(address: str) -> str:
    """Return the /64 of an IPv6 address, which belongs to one customer."""
    try:
        return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
    except ValueError:
        return address


def _quota_headers(policy: str, quota: Quota) -> list[tuple[bytes, bytes]]:
    """As draft-ietf-httpapi-ratelimit-headers-10 names them, and as they were always called."""
    headers = {
        "ratelimit-policy": f'"{policy}";q={quota.limit};w=60',
        "ratelimit": f'"{policy}";r={quota.remaining};t={quota.resets_in_s}',
        "x-ratelimit-limit": str(quota.limit),
        "x-ratelimit-remaining": str(quota.remaining),
        "x-ratelimit-reset": str(int(quota.resets_at.timestamp())),
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _request_id(scope: Scope) -> str:
    return request_id_of(scope.get("aws.event", {}), scope.get("aws.context")) or new_ulid()


async def _read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"the body is over {max_bytes} bytes")
        chunks.append(chunk)
        more = message.get("more_body", False)
    body = b"".join(chunks)
    if body and b"json" in dict(scope["headers"]).get(b"content-type", b"").lower():
        _check_depth(body)
    return body


def _check_depth(body: bytes) -> None:
    """Reject JSON nested deeper than 32 levels before a parser recurses into it."""
    if body.count(b"[") + body.count(b"{") <= MAX_JSON_DEPTH:
        return
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_JSON_DEPTH:
        raise InvalidInput(f"the JSON is nested {deepest} deep; at most {MAX_JSON_DEPTH} is read")


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
