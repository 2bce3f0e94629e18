"""Requests as payload 2.0 events and answers as responses, in tables and for any input."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hearth_runtime.http.events import (
    BadFunctionAnswer,
    HttpAnswer,
    HttpRequest,
    add_body,
    add_caller,
    http_answer,
    http_event,
)
from hearth_runtime.http.routing import Match
from hearth_runtime.template.model import Route

NOW = datetime(2026, 11, 21, 9, 5, 7, 250_000, tzinfo=UTC)


def event(
    *,
    method: str = "GET",
    path: str = "/a",
    query: str = "",
    headers: tuple[tuple[str, str], ...] = (("Host", "home.local:80"),),
    body: bytes = b"",
    parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    request = HttpRequest(method, path, query, headers, "127.0.0.1", 8080)
    match = Match(Route("f", method, "/a"), parameters or {})
    made = http_event(request, match, "id-1", "000000000000", NOW)
    add_body(made, body)
    return made


def test_the_smallest_request() -> None:
    assert event() == {
        "version": "2.0",
        "routeKey": "GET /a",
        "rawPath": "/a",
        "rawQueryString": "",
        "headers": {
            "host": "home.local:80",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "8080",
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "home.local:80",
            "domainPrefix": "home",
            "http": {
                "method": "GET",
                "path": "/a",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "",
            },
            "requestId": "id-1",
            "routeKey": "GET /a",
            "stage": "$default",
            "time": "21/Nov/2026:09:05:07 +0000",
            "timeEpoch": 1795251907250,
        },
        "isBase64Encoded": False,
    }


def test_the_caller_stands_where_a_lambda_authorizers_context_stands() -> None:
    made = event()
    add_caller(made, {"principal_id": "u1"})
    assert made["requestContext"]["authorizer"] == {"lambda": {"principal_id": "u1"}}


def test_repeated_headers_are_joined_and_cookies_stand_apart() -> None:
    made = event(
        headers=(
            ("Host", "h"),
            ("X-A", "1"),
            ("x-a", "2"),
            ("Cookie", "a=1; b=2"),
            ("cookie", "c=3"),
            ("X-Forwarded-For", "10.0.0.1"),
        )
    )
    assert made["headers"]["x-a"] == "1,2"
    assert "cookie" not in made["headers"]
    assert made["cookies"] == ["a=1", "b=2", "c=3"]
    assert made["headers"]["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", None),
        ("a=1", {"a": "1"}),
        ("a=1&b=&a=2", {"a": "1,2", "b": ""}),
        ("a", {"a": ""}),
        ("a=%20b+c&%C3%A9=1", {"a": " b c", "é": "1"}),
    ],
)
def test_query_parameters_are_decoded_and_joined(
    query: str, expected: dict[str, str] | None
) -> None:
    made = event(query=query)
    assert made["rawQueryString"] == query
    assert made.get("queryStringParameters") == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"", None),
        ("application/json", b"{}", "{}"),
        ("application/json; charset=utf-8", "é".encode(), "é"),
        ("text/csv", b"a,b", "a,b"),
        ("application/problem+json", b"{}", "{}"),
        ("", b"plain", "plain"),
        ("", b"\xff", b"\xff"),
        ("application/json", b"\xff", b"\xff"),
        ("image/jpeg", b"abc", b"abc"),
        ("application/x-www-form-urlencoded", b"a=1", b"a=1"),
        ("multipart/form-data; boundary=x", b"--x", b"--x"),
    ],
)
def test_a_body_travels_as_text_or_in_base64(
    content_type: str, body: bytes, expected: str | bytes | None
) -> None:
    made = event(headers=(("Host", "h"), ("Content-Type", content_type)), body=body)
    if isinstance(expected, bytes):
        assert made["isBase64Encoded"] is True
        assert base64.b64decode(made["body"]) == expected
    else:
        assert made["isBase64Encoded"] is False
        assert made.get("body") == expected


@pytest.mark.parametrize(
    ("answer", "status", "headers", "body"),
    [
        # without a status the answer is the body
        (None, 200, [("content-type", "application/json")], b"null"),
        ({}, 200, [("content-type", "application/json")], b"{}"),
        ([], 200, [("content-type", "application/json")], b"[]"),
        ("hello", 200, [("content-type", "application/json")], b"hello"),
        ({"a": 1}, 200, [("content-type", "application/json")], b'{"a": 1}'),
        # with one it is the response
        ({"statusCode": 204}, 204, [], b""),
        ({"statusCode": "201"}, 201, [], b""),
        (
            {"statusCode": 200, "body": "x"},
            200,
            [("content-type", "text/plain;charset=UTF-8")],
            b"x",
        ),
        (
            {"statusCode": 200, "headers": {"Content-Type": "text/html", "X-N": 1, "X-None": None}},
            200,
            [("content-type", "text/html"), ("x-n", "1")],
            b"",
        ),
        (
            {"statusCode": 200, "headers": {"content-length": "9", "Connection": "close"}},
            200,
            [],
            b"",
        ),
        (
            {"statusCode": 302, "headers": {"Location": "/"}, "cookies": ["a=1", "b=2"]},
            302,
            [("location", "/"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            b"",
        ),
        (
            {
                "statusCode": 200,
                "headers": {"content-type": "image/png"},
                "body": "/wA=",
                "isBase64Encoded": True,
            },
            200,
            [("content-type", "image/png")],
            b"\xff\x00",
        ),
    ],
)
def test_an_answer_becomes_a_response(
    answer: Any, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    assert http_answer(json.dumps(answer).encode()) == HttpAnswer(status, headers, body)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"statusCode": "many"}',
        b'{"statusCode": null}',
        b'{"statusCode": true}',
        b'{"statusCode": 99}',
        b'{"statusCode": Infinity}',
        b'{"statusCode": 600}',
        b'{"statusCode": 200, "headers": []}',
        b'{"statusCode": 200, "headers": {"a": ["b"]}}',
        b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}',
        b'{"statusCode": 200, "headers": {"": "b"}}',
        b'{"statusCode": 200, "cookies": "a=1"}',
        b'{"statusCode": 200, "cookies": [1]}',
        b'{"statusCode": 200, "body": {}}',
        b'{"statusCode": 200, "body": "***", "isBase64Encoded": true}',
    ],
)
def test_an_answer_that_is_no_response_is_refused(payload: bytes) -> None:
    with pytest.raises(BadFunctionAnswer):
        http_answer(payload)


HEADER = st.text(st.characters(codec="latin-1", categories=["L", "N", "P"]), min_size=1)


@given(
    path=st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=20),
    query=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=30),
    headers=st.lists(st.tuples(HEADER, HEADER), max_size=5),
    body=st.binary(max_size=50),
)
def test_nothing_of_a_request_is_lost(
    path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    made = event(path=f"/{path}", query=query, headers=tuple(headers), body=body)
    assert json.loads(json.dumps(made)) == made
    assert made["rawPath"] == unquote(f"/{path}")
    assert made["rawQueryString"] == query
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    assert set(made.get("queryStringParameters", {})) == names
    sent = made.get("body", "")
    assert (base64.b64decode(sent) if made["isBase64Encoded"] else sent.encode()) == body
    for name, value in headers:
        if name.lower() not in ("cookie", "x-forwarded-port", "x-forwarded-proto"):
            assert value in made["headers"][name.lower()]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["statusCode", "headers", "cookies", "body", "isBase64Encoded"])


@given(answer=JSON | st.dictionaries(FIELDS, JSON | st.just(200)))
@example(answer={"statusCode": 200, "body": "\x80", "isBase64Encoded": True})
def test_any_json_is_a_response_or_refused(answer: Any) -> None:
    try:
        made = http_answer(json.dumps(answer).encode())
    except BadFunctionAnswer:
        return
    assert 200 <= made.status <= 599
    assert all("\n" not in name + value for name, value in made.headers)
