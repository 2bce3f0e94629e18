"""Who may call a real stack: its authorizer decides, on loopback and for other machines."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.runtime_edges.conftest import Stack
from tests.contract.runtime_edges.http_client import Reply, request
from tests.support.stack_process import small_stack

UNAUTHORIZED = (401, {"message": "Unauthorized"})
FORBIDDEN = (403, {"message": "Forbidden"})
FAILED = (500, {"message": "Internal Server Error"})


def bearer(isAuthorized: Any = True, **answer: Any) -> str:  # noqa: N803 (API Gateway's word)
    """A token that says what the authorizer shall answer."""
    return "Bearer " + json.dumps({"isAuthorized": isAuthorized, **answer})


def call(stack: Stack, path: str = "/echo/x", method: str = "GET", **more: Any) -> Reply:
    return request(stack.state.gateway_url + path, method, **more)


def said(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.json()


def caller(reply: Reply) -> Any:
    """What the function was told of who calls."""
    assert reply.status == 200, reply.body
    return reply.json()["requestContext"].get("authorizer")


def asked(stack: Stack, marker: str) -> list[dict[str, Any]]:
    """Questions to the authorizer whose token holds `marker`."""
    lines = (stack.data / "notes.authorizer").read_text().splitlines()
    return [event for line in lines if marker in (event := json.loads(line))["identitySource"][0]]


@pytest.fixture(scope="module")
def open_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that other machines reach."""
    data = tmp_path_factory.mktemp("open")
    with small_stack(data, host="0.0.0.0", parameters={"Notes": str(data / "notes")}) as state:
        yield Stack(state, data)


# ---- on loopback ----


def test_a_program_of_this_machine_is_its_owner(stack: Stack) -> None:
    owner = {"lambda": {"kind": "local", "principal_id": "local", "role": "admin"}}
    assert caller(call(stack)) == owner
    assert caller(call(stack, "/public")) == owner


def test_what_a_proxy_passes_on_is_not_the_owners(stack: Stack) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert said(call(stack, **{name.replace("-", "_"): "10.0.0.1"})) == UNAUTHORIZED


def test_with_a_token_the_authorizer_decides_on_loopback_too(stack: Stack) -> None:
    context = {"principal_id": "u1", "n": 1, "yes": True, "list": ["a"], "map": {"b": None}}
    reply = call(stack, Authorization=bearer(context=context))
    assert caller(reply) == {"lambda": context}
    assert said(call(stack, Authorization=bearer(False))) == FORBIDDEN
    assert said(call(stack, Authorization="")) == UNAUTHORIZED


# ---- for other machines ----


def test_an_anonymous_caller_is_turned_away_before_anything_is_invoked(open_stack: Stack) -> None:
    assert said(call(open_stack)) == UNAUTHORIZED
    assert said(call(open_stack, "/items/a")) == UNAUTHORIZED
    assert said(call(open_stack, "/nowhere")) == (404, {"message": "Not Found"})
    functions = {row["short_name"]: row for row in open_stack.status()["functions"]}
    assert functions["api"]["invocations"] == 0


def test_a_public_route_asks_nobody_and_tells_nothing(open_stack: Stack) -> None:
    assert caller(call(open_stack, "/public")) is None
    assert caller(call(open_stack, "/public", Authorization=bearer(False))) is None


def test_any_name_of_the_machine_is_served_there(open_stack: Stack) -> None:
    reply = call(open_stack, Authorization=bearer(), Host="hearth.home", Origin="https://page")
    assert reply.status == 200


def test_it_listens_on_every_address(open_stack: Stack) -> None:
    port = int(open_stack.state.gateway_url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.2", port), timeout=5):
        pass


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        (bearer(False), FORBIDDEN),
        (bearer(False, context={"kind": "local"}), FORBIDDEN),
        ("Bearer nobody", UNAUTHORIZED),  # raises "Unauthorized"
        ("Bearer raise", FAILED),
        ("Bearer null", FAILED),
        ("Bearer {}", FAILED),
        ("Bearer []", FAILED),
        (bearer("true"), FAILED),
        (bearer(1), FAILED),
        (bearer(context="admin"), FAILED),
        ("Bearer not-json", FAILED),
        (" ", UNAUTHORIZED),
    ],
)
def test_only_a_clear_yes_lets_a_request_in(
    open_stack: Stack, token: str, answer: tuple[int, Any]
) -> None:
    assert said(call(open_stack, Authorization=token)) == answer


def test_an_authorizer_that_runs_out_of_time_is_an_error_of_ours(open_stack: Stack) -> None:
    assert said(call(open_stack, Authorization="Bearer slow")) == FAILED


def test_a_client_cannot_say_who_it_is(open_stack: Stack) -> None:
    context = {"principal_id": "u1"}
    forged = json.dumps({"requestContext": {"authorizer": {"lambda": {"kind": "local"}}}})
    reply = call(
        open_stack,
        "/echo/x?requestContext.authorizer.lambda.kind=local",
        "POST",
        body=forged.encode(),
        Authorization=bearer(context=context),
        Content_Type="application/json",
        X_Amzn_Request_Context=forged,
        X_Hearth_Principal="local",
        requestContext=forged,
    )
    assert caller(reply) == {"lambda": context}


def test_what_the_authorizer_says_of_the_caller_reaches_no_header(open_stack: Stack) -> None:
    evil = "u1\r\nSet-Cookie: a=1\r\n\r\n<script>\0"
    reply = call(open_stack, Authorization=bearer(context={"principal_id": evil}))
    assert caller(reply) == {"lambda": {"principal_id": evil}}
    assert "script" not in str(reply.headers)


def test_ten_megabytes_of_a_stranger_are_not_read(open_stack: Stack) -> None:
    port = int(open_stack.state.gateway_url.rsplit(":", 1)[1])
    head = b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 10485760\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)  # and not one byte of the body
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


# ---- the question ----


def test_the_authorizer_is_asked_as_api_gateway_asks(open_stack: Stack) -> None:
    token = bearer(marker="question")
    call(
        open_stack,
        "/echo/a%20b?q=1&q=2",
        "PUT",
        body=b"secret",
        Authorization=token,
        Cookie="c=1",
        Content_Type="text/plain",
    )
    (question,) = asked(open_stack, "question")
    assert set(question) == {
        "version",
        "type",
        "routeArn",
        "identitySource",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "cookies",
        "headers",
        "queryStringParameters",
        "requestContext",
        "pathParameters",
    }
    assert (question["version"], question["type"]) == ("2.0", "REQUEST")
    assert question["identitySource"] == [token]
    assert question["headers"]["authorization"] == token
    assert question["routeArn"] == (
        "arn:aws:execute-api:us-east-1:000000000000:local/$default/PUT/echo/a b"
    )
    assert question["pathParameters"] == {"proxy": "a b"}
    assert "authorizer" not in question["requestContext"]


# ---- the cache ----


def test_one_token_is_asked_about_once_whatever_the_route(open_stack: Stack) -> None:
    yes, no = bearer(marker="cached yes"), bearer(False, marker="cached no")
    for path in ("/echo/a", "/echo/b", "/items/a"):
        assert call(open_stack, path, Authorization=yes).status == 200
        assert call(open_stack, path, Authorization=no).status == 403
    assert len(asked(open_stack, "cached yes")) == 1
    assert len(asked(open_stack, "cached no")) == 1


def test_a_failure_is_not_remembered(open_stack: Stack) -> None:
    before = len(asked(open_stack, "Bearer raise")) if notes(open_stack).exists() else 0
    for _ in range(2):
        assert call(open_stack, Authorization="Bearer raise").status == 500
    assert len(asked(open_stack, "Bearer raise")) == before + 2


def notes(stack: Stack) -> Path:
    return stack.data / "notes.authorizer"


def test_what_became_of_requests_is_counted(open_stack: Stack) -> None:
    call(open_stack, Authorization=bearer(marker="counted"))
    metrics = request(f"{open_stack.state.control_url}/metrics").body.decode()
    name = "hearth_runtime_gateway_authorizations_total"
    assert f'{name}{{authorizer="Tokens",outcome="allowed"}}' in metrics


def test_a_template_may_ask_for_every_request(tmp_path: Path) -> None:
    parameters = {"Notes": str(tmp_path / "notes"), "ReauthorizeEvery": "0"}
    with small_stack(tmp_path, host="0.0.0.0", parameters=parameters) as state:
        stack = Stack(state, tmp_path)
        for _ in range(3):
            assert call(stack, Authorization=bearer(marker="every")).status == 200
        assert len(asked(stack, "every")) == 3
