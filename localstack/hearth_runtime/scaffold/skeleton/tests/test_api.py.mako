"""`${name}` as API Gateway calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ${package}.api import create_app
from ${package}.service import ${title}Service
from hearth.http.app import lambda_handler_for
from hearth.principal import PERMISSIONS, Principal, Role
% if not plugin:
from tests.support.events import load_event
from tests.support.fakes import LambdaContext
% endif

Answer = tuple[int, Any]
% if plugin:


class LambdaContext:
    """What the Lambda runtime hands over beside the event."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def event_of(query: str) -> dict[str, Any]:
    """A request in API Gateway's payload format 2.0."""
    http = {"method": "GET", "path": "${path}/length", "sourceIp": "192.0.2.10"}
    return {
        "version": "2.0",
        "rawPath": "${path}/length",
        "rawQueryString": query,
        "headers": {"host": "example.org"},
        "requestContext": {"http": http, "requestId": "1", "stage": "$default"},
        "isBase64Encoded": False,
    }
% endif


@pytest.fixture
def get() -> Callable[..., Answer]:
    """Calls `GET ${path}/length` as a role, or as nobody."""
    handler = lambda_handler_for(create_app(${title}Service()))

    def call(query: str, role: Role | None = Role.USER) -> Answer:
% if plugin:
        event = event_of(query)
% else:
        event = load_event("${api_name}/http_api_length", rawQueryString=query)
% endif
        event["requestContext"].pop("authorizer", None)
        if role is not None:
            principal = Principal("01J00000000000000000000000", "user", role, PERMISSIONS[role])
            event["requestContext"]["authorizer"] = {"lambda": principal.context()}
        answer = handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"])

    return call


def test_an_empty_text_has_no_characters(get: Callable[..., Answer]) -> None:
    assert get("text=") == (200, {"characters": 0, "words": 0})


def test_characters_and_words_are_counted(get: Callable[..., Answer]) -> None:
    assert get("text=gr%C3%BCn+und+blau") == (200, {"characters": 13, "words": 3})


@pytest.mark.parametrize("query", ["", "text=a&more=b", "text=%00", "text=" + "a" * 1_001])
def test_an_invalid_query_is_rejected(get: Callable[..., Answer], query: str) -> None:
    status, body = get(query)
    assert status == 400
    assert body["error"]["code"] == "VALIDATION_ERROR"


def test_the_permission_is_required(get: Callable[..., Answer]) -> None:
    assert get("text=a", None)[0] == 401
    assert get("text=a", Role.GUEST)[0] == 403
