"""The HTTP API of a real stack: requests in, functions' answers out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.runtime_edges.conftest import Stack
from tests.contract.runtime_edges.http_client import Reply, request


def call(stack: Stack, path: str, method: str = "GET", **more: Any) -> Reply:
    return request(stack.state.gateway_url + path, method, **more)


def test_a_fastapi_function_answers(stack: Stack) -> None:
    reply = call(stack, "/items/a%20b?q=c+d")
    assert (reply.status, reply.json()) == (200, {"item_id": "a b", "q": "c d"})


def test_the_function_gets_a_payload_2_event(stack: Stack) -> None:
    reply = call(
        stack, "/echo/x/y?a=1&a=2", "PUT", body=b"hello", Cookie="k=v", Content_Type="text/plain"
    )
    event = reply.json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /echo/{proxy+}"
    assert event["pathParameters"] == {"proxy": "x/y"}
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert (event["body"], event["cookies"]) == ("hello", ["k=v"])
    assert reply.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert reply.headers["apigw-requestid"] == event["requestContext"]["requestId"]


def test_five_megabytes_of_binary_arrive_unchanged_in_size(stack: Stack) -> None:
    reply = call(stack, "/upload", "POST", body=bytes(4_000_000), Content_Type="image/jpeg")
    assert reply.json() == {"bytes": 4_000_000}


@pytest.mark.parametrize("size", [5_000_000, 10 * 1024 * 1024 + 1])
def test_a_body_larger_than_lambda_or_the_gateway_takes_is_413(stack: Stack, size: int) -> None:
    reply = call(stack, "/upload", "POST", body=bytes(size), Content_Type="image/jpeg")
    assert (reply.status, reply.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "Not Found"),
        ("GET", "/items", 404, "Not Found"),
        ("POST", "/items/a", 404, "Not Found"),
        ("GET", "/echo/raise", 500, "Internal Server Error"),
        ("GET", "/slow", 503, "Service Unavailable"),
    ],
)
def test_errors_are_api_gateways(
    stack: Stack, method: str, path: str, status: int, message: str
) -> None:
    reply = call(stack, path, method)
    assert (reply.status, reply.json()) == (status, {"message": message})


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"statusCode": 418, "body": "tea"}, 418, b"tea"),
        ({"any": "thing"}, 200, b'{"any": "thing"}'),
        ("text", 200, b"text"),
        ({"statusCode": 204}, 204, b""),
        ({"statusCode": "x"}, 500, b'{"message": "Internal Server Error"}'),
        (
            {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True},
            200,
            b"\xff\x00",
        ),
    ],
)
def test_the_functions_answer_is_the_response(
    stack: Stack, answer: Any, status: int, body: bytes
) -> None:
    reply = call(
        stack,
        "/echo/say",
        "POST",
        body=json.dumps(answer).encode(),
        Content_Type="application/json",
    )
    assert (reply.status, reply.body) == (status, body)


def test_a_head_request_has_no_body(stack: Stack) -> None:
    reply = call(stack, "/echo/x", "HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert call(stack, "/items/a", "HEAD").status == 404


def test_every_request_is_logged_with_its_id(stack: Stack) -> None:
    request_id = call(stack, "/items/logged").headers["apigw-requestid"]
    lines = (stack.data / "runtime.log").read_text().splitlines()
    records = [
        record for line in lines if (record := json.loads(line)).get("request_id") == request_id
    ]
    access = [record for record in records if record["message"] == "request"]
    assert [(r["method"], r["path"], r["route"], r["status"], r["caller"]) for r in access] == [
        ("GET", "/items/logged", "GET /items/{item_id}", 200, "local")
    ]
    assert any(record.get("function") == "api" for record in records), "one id for both"


def test_a_web_page_of_another_site_is_refused(stack: Stack) -> None:
    assert call(stack, "/items/a", Origin="https://evil.example").status == 403
    assert call(stack, "/items/a", Host="rebound.example").status == 403
    control = stack.state.control_url
    assert request(f"{control}/status", Origin="https://evil.example").status == 403


def test_the_control_server_reports(stack: Stack) -> None:
    control = stack.state.control_url
    assert request(f"{control}/health").json() == {"status": "ok"}
    assert request(f"{control}/ready").json() == {"ready": True}
    status = stack.status()
    assert {function["short_name"] for function in status["functions"]} == {
        "authorizer",
        "worker",
        "api",
        "echo",
        "setup",
    }
    assert status["schedules"][0]["next_run"] == "2199-02-28T00:00:00+00:00"
    call(stack, "/items/metrics")
    metrics = request(f"{control}/metrics").body.decode()
    assert 'hearth_runtime_gateway_request_seconds_count{route="GET /items/{item_id}"' in metrics
