"""Who may call: cross-origin rules, and the guard of servers without authentication."""

from __future__ import annotations

import re

import pytest

from hearth_runtime.http.cors import answer_headers, preflight_headers
from hearth_runtime.http.loopback import is_loopback, refusal, require_authorizers
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import Api, Authorizer, Cors, Route

FULL = Cors(
    origins=("https://home.example", "https://*.lan"),
    methods=("GET", "POST"),
    headers=("content-type",),
    expose_headers=("x-id",),
    max_age_s=60,
    credentials=True,
)


@pytest.mark.parametrize(
    ("origin", "method", "allowed"),
    [
        ("https://home.example", "GET", True),
        ("https://HOME.example", "get", True),
        ("https://camera.lan", "POST", True),
        ("https://home.example", "DELETE", False),
        ("http://home.example", "GET", False),
        ("https://evil.example", "GET", False),
        ("https://home.example.evil", "GET", False),
        ("null", "GET", False),
    ],
)
def test_a_preflight_is_allowed_by_origin_and_method(
    origin: str, method: str, allowed: bool
) -> None:
    headers = dict(preflight_headers(FULL, origin, method))
    assert bool(headers) is allowed
    if allowed:
        assert headers["access-control-allow-origin"] == origin
        assert headers["access-control-allow-methods"] == "GET,POST"
        assert headers["access-control-max-age"] == "60"
        assert headers["access-control-allow-credentials"] == "true"


def test_any_origin_is_answered_with_a_star() -> None:
    assert answer_headers(Cors(origins=("*",)), "https://x") == [
        ("access-control-allow-origin", "*")
    ]


def test_without_an_origin_nothing_is_added() -> None:
    assert answer_headers(FULL, None) == []


def test_a_named_origin_varies_the_cache() -> None:
    assert ("vary", "Origin") in answer_headers(FULL, "https://home.example")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", False),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("hearth.local", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback_is_recognized(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


GUARDED = Route("f", "GET", "/a", authorizer=Authorizer("A", "authorizer"))
PUBLIC = Route("f", "GET", "/b", public=True)
OPEN = Route("f", "GET", "/c")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "hearth.local"])
def test_listening_elsewhere_needs_an_authorizer_on_every_route_that_is_not_public(
    host: str,
) -> None:
    require_authorizers(host, Api((GUARDED, PUBLIC)))
    require_authorizers("127.0.0.1", Api((GUARDED, PUBLIC, OPEN)))
    message = f"Refusing to listen on {re.escape(host)}: nobody asks who calls GET /c"
    with pytest.raises(SetupError, match=message):
        require_authorizers(host, Api((GUARDED, PUBLIC, OPEN)))


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({"Host": "127.0.0.1:80"}, True),
        ({"Host": "localhost:80"}, True),
        ({"Host": "[::1]:80"}, True),
        ({"Host": "localhost"}, True),
        ({}, False),
        ({"Host": "rebound.evil.example:80"}, False),
        ({"Host": "127.0.0.1:80", "Origin": "http://127.0.0.1:80"}, True),
        ({"Host": "127.0.0.1:80", "Origin": "http://127.0.0.1:81"}, False),
        ({"Host": "127.0.0.1:80", "Origin": "https://evil.example"}, False),
        ({"Host": "127.0.0.1:80", "Origin": "https://trusted.example"}, True),
        ({"Host": "127.0.0.1:80", "Sec-Fetch-Site": "none"}, True),
        ({"Host": "127.0.0.1:80", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Host": "127.0.0.1:80", "Sec-Fetch-Site": "same-site"}, False),
        ({"Host": "127.0.0.1:80", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_a_web_page_cannot_use_what_needs_no_key(headers: dict[str, str], served: bool) -> None:
    reason = refusal(headers, lambda origin: origin == "https://trusted.example")
    assert (reason is None) is served
