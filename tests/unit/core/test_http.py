from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import pytest
from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel

from hearth.errors import (
    Conflict,
    Forbidden,
    HearthError,
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    NotFound,
    PreconditionFailed,
    RateLimited,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from hearth.http.app import Router, create_app, lambda_handler_for
from hearth.http.auth import Principal, Role
from hearth.http.query import PageQuery
from hearth.http.rate_limits import Quota
from tests.support.fakes import LambdaContext

router = Router()
ERRORS = {
    error.__name__: error
    for error in (
        InvalidInput,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        TooLarge,
        RateLimited,
        ModelFailed,
        ModelUnavailable,
        TimedOut,
        Unavailable,
    )
}


class Thing(BaseModel):
    name: str
    size: int = 0


@router.get("/things")
async def things(query: Annotated[PageQuery, Query()]) -> dict[str, Any]:
    return {"limit": query.limit, "cursor": query.cursor}


@router.post("/things", status_code=201)
async def add(thing: Thing) -> Thing:
    return thing


@router.get("/raise/{name}")
async def fail(name: str) -> None:
    raise ERRORS[name]("what went wrong", details=[{"field": "f", "message": "m"}])


@router.get("/picture")
async def picture() -> Response:
    return Response(b"\xff\xd8\xff", media_type="image/jpeg")


handler = lambda_handler_for(create_app("test", router))


def call(
    method: str, path: str, body: str | None = None, query: str = "", **headers: str
) -> tuple[int, dict[str, str], Any]:
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "requestId": "request-1",
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "stage": "$default",
        },
        "body": body or "",
        "isBase64Encoded": False,
    }
    answer = handler(event, LambdaContext())
    if answer["isBase64Encoded"]:
        return answer["statusCode"], answer["headers"], answer["body"]
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


def post(body: str, content_type: str = "application/json") -> tuple[int, Any]:
    status, _, answer = call("POST", "/things", body, content_type=content_type)
    return status, answer


def test_an_answer_carries_its_request_id() -> None:
    status, headers, body = call("GET", "/things")
    assert (status, body) == (200, {"limit": 20, "cursor": None})
    assert headers["x-request-id"] == "request-1"


def test_bytes_are_answered_as_base64() -> None:
    status, headers, body = call("GET", "/picture")
    assert (status, headers["content-type"], body) == (200, "image/jpeg", "/9j/")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("InvalidInput", 400, "VALIDATION_ERROR"),
        ("Unauthenticated", 401, "UNAUTHENTICATED"),
        ("Forbidden", 403, "FORBIDDEN"),
        ("NotFound", 404, "NOT_FOUND"),
        ("Conflict", 409, "CONFLICT"),
        ("PreconditionFailed", 412, "PRECONDITION_FAILED"),
        ("TooLarge", 413, "TOO_LARGE"),
        ("RateLimited", 429, "RATE_LIMIT_EXCEEDED"),
        ("ModelFailed", 500, "MODEL_FAILED"),
        ("ModelUnavailable", 424, "MODEL_UNAVAILABLE"),
        ("TimedOut", 504, "TIMED_OUT"),
        ("Unavailable", 503, "UNAVAILABLE"),
    ],
)
def test_each_error_has_its_status_and_the_one_shape(name: str, status: int, code: str) -> None:
    answered, headers, body = call("GET", f"/raise/{name}")
    assert answered == status
    assert headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in headers) is (status == 401)
    assert body == {
        "type": f"urn:hearth:error:{code.lower().replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "what went wrong",
        "instance": "urn:hearth:request:request-1",
        "error": {
            "code": code,
            "message": "what went wrong",
            "details": [{"field": "f", "message": "m"}],
            "request_id": "request-1",
        },
    }
    assert headers["x-request-id"] == "request-1"


def test_every_leaf_of_the_error_tree_is_in_the_table_above() -> None:
    def leaves(of: type[HearthError]) -> set[str]:
        below = [cls for cls in of.__subclasses__() if cls.__module__ == "hearth.errors"]
        return set().union(*map(leaves, below)) if below else {of.__name__}

    assert leaves(HearthError) == set(ERRORS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        (f"cursor={'c' * 2049}", "cursor"),
    ],
)
def test_a_wrong_query_is_400_and_names_the_field(query: str, field: str) -> None:
    status, _, body = call("GET", "/things", query=query)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert body["error"]["details"][0]["field"] == f"query.{field}"
    assert field in body["error"]["message"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"size": 1}', '{"name": 1}', "\x00"])
def test_a_wrong_body_is_400_in_our_shape(body: str) -> None:
    status, answer = post(body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer["error"]["request_id"] == "request-1"


def test_an_unknown_route_is_404_in_our_shape() -> None:
    status, headers, body = call("GET", "/nowhere")
    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")
    assert body["error"]["message"] == "there is nothing at /nowhere"
    assert headers["x-request-id"] == "request-1"


def test_a_wrong_method_is_405_and_says_which_are_right() -> None:
    status, headers, body = call("DELETE", "/picture")
    assert (status, body["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert headers["allow"] == "GET"


def test_a_crash_is_500_without_its_inside_and_logged_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, headers, body = call("GET", "/raise/secret-name")
    assert (status, body["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "secret-name" not in json.dumps(body)
    assert headers["x-request-id"] == "request-1"
    assert "KeyError: 'secret-name'" in caplog.text


@pytest.mark.parametrize(
    ("size", "status"), [(1024 * 1024, 201), (1024 * 1024 + 1, 413)], ids=["1 MB", "one byte more"]
)
def test_a_body_may_have_a_megabyte(size: int, status: int) -> None:
    frame = '{"name": ""}'
    answered, _ = post(f'{{"name": "{"x" * (size - len(frame))}"}}')
    assert answered == status


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ('{"name": "a", "x": ' + "[" * 31 + "]" * 31 + "}", False),
        ('{"name": "a", "x": ' + "[" * 32 + "]" * 32 + "}", True),
        ('{"x": ' * 33 + "1" + "}" * 33, True),
        ("[" * 500_000, True),
        (json.dumps({"name": "[" * 1000}), False),
        (json.dumps({"name": '\\"' + "{" * 1000}), False),
        ('{"name": "' + '\\"' * 200_000 + "{" * 100, None),
        (json.dumps([{}] * 1000), None),
    ],
    ids=["32", "33", "objects", "bomb", "in text", "in quotes", "unfinished text", "wide"],
)
def test_json_may_be_32_deep_and_only_structure_counts(body: str, refused: bool | None) -> None:
    status, answer = post(body)
    deep = status == 400 and "nested" in answer["error"]["message"]
    assert deep is bool(refused)
    assert status == (201 if refused is False else 400)


def test_the_openapi_document_can_be_made() -> None:
    status, _, body = call("GET", "/openapi.json")
    assert status == 200
    assert body["info"]["title"] == "test"


def test_the_openapi_document_gives_errors_their_media_type() -> None:
    responses = call("GET", "/openapi.json")[2]["paths"]["/things"]["post"]["responses"]
    assert list(responses["201"]["content"]) == ["application/json"]
    assert list(responses["4XX"]["content"]) == ["application/problem+json"]
    assert list(responses["5XX"]["content"]) == ["application/problem+json"]


# ---- limits ----


class Counting:
    """Limits that admit two requests of each caller."""

    def __init__(self) -> None:
        self.callers: list[str] = []

    async def take(self, caller: str) -> Quota:
        self.callers.append(caller)
        remaining = 2 - self.callers.count(caller)
        resets_at = datetime(2026, 11, 2, 7, 31, tzinfo=UTC)
        return Quota(remaining >= 0, 2, max(0, remaining), resets_at, 42)


@pytest.fixture
def counting() -> Counting:
    return Counting()


def ask(
    counting: Counting, caller: Principal | None, ip: str = "192.0.2.1", path: str = "/things"
) -> tuple[int, dict[str, str], Any]:
    context: dict[str, Any] = {
        "requestId": "request-1",
        "http": {"method": "GET", "path": path, "sourceIp": ip},
        "stage": "$default",
    }
    if caller:
        context["authorizer"] = {"lambda": caller.context()}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context}
    limited = lambda_handler_for(create_app("test", router), limits=counting)
    answer = limited(event | {"isBase64Encoded": False}, LambdaContext())
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


USER = Principal("u1", "user", Role.USER, frozenset(), "session-1")


def test_every_answer_says_how_much_is_left(counting: Counting) -> None:
    status, headers, _ = ask(counting, USER)
    assert status == 200
    told = {name: value for name, value in headers.items() if "ratelimit" in name}
    assert told == {
        "ratelimit-policy": '"user";q=2;w=60',
        "ratelimit": '"user";r=1;t=42',
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "1793604660",
    }
    assert "retry-after" not in headers
    assert ask(counting, USER, path="/nowhere")[1]["ratelimit"] == '"user";r=0;t=42'


def test_who_asks_too_often_is_told_when_to_come_back(counting: Counting) -> None:
    for _ in range(2):
        assert ask(counting, USER)[0] == 200
    status, headers, body = ask(counting, USER)
    assert (status, body["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert body["detail"] == "2 requests a minute are allowed; retry after 42 s"
    assert headers["retry-after"] == "42"
    assert headers["ratelimit"] == '"user";r=0;t=42'
    assert headers["x-request-id"] == "request-1"


@pytest.mark.parametrize(
    ("caller", "ip", "counted"),
    [
        (USER, "192.0.2.1", "user:u1"),
        (Principal("u1", "api_key", Role.USER, frozenset(), "k1"), "192.0.2.1", "key:k1"),
        (None, "192.0.2.1", "address:192.0.2.1"),
        (None, "2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        (None, "no:address", "address:no:address"),
        (None, "", None),
        (Principal("local", "local", Role.ADMIN, frozenset()), "127.0.0.1", None),
    ],
)
def test_requests_are_counted_by_user_key_or_address_and_the_owners_are_not(
    counting: Counting, caller: Principal | None, ip: str, counted: str | None
) -> None:
    assert ask(counting, caller, ip)[0] == 200
    assert counting.callers == ([counted] if counted else [])


def test_without_api_gateway_the_invocation_s_id_is_used() -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/things", "sourceIp": "::1"}},
    }
    answer = handler(event, LambdaContext(aws_request_id="invocation-1"))
    assert answer["headers"]["x-request-id"] == "invocation-1"
