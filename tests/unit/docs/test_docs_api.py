"""The document and its page, as API Gateway hands them on."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.docs.api import create_app
from functions.docs.assets import Assets
from hearth.http.app import lambda_handler_for
from tests.support.fakes import LambdaContext

FOLDER = Path(__file__).resolve().parents[3] / "functions" / "docs"
handler = lambda_handler_for(create_app(Assets()))


def get(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}},
    }
    answer = handler(event, LambdaContext())
    body = answer["body"].encode()
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body)
    return answer["statusCode"], answer["headers"], body


def files_of_the_page() -> list[str]:
    page = (FOLDER / "page" / "index.html").read_text("utf-8")
    return sorted(re.findall(r'(?:src|href)="([^"]+)"', page))


def test_the_document_is_the_committed_one() -> None:
    status, headers, body = get("/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body == (FOLDER / "openapi.json").read_bytes()


def test_the_page_uses_only_files_of_the_image() -> None:
    assert files_of_the_page() == [
        "docs/favicon.png",
        "docs/start.js",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
        "openapi.json",
    ]
    for name in files_of_the_page():
        status, headers, body = get(f"/{name}")
        assert status == 200, name
        assert body, name
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_may_run_no_inline_and_no_foreign_script() -> None:
    status, headers, body = get("/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    text = body.decode()
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert re.findall(r"<style| style=| on\w+=", text) == []
    start = (FOLDER / "page" / "start.js").read_text("utf-8")
    assert "http" not in start
    assert "persistAuthorization: false" in start


def test_a_file_is_compressed_for_a_browser_that_accepts_it() -> None:
    _, plain_headers, plain = get("/docs/swagger-ui-bundle.js")
    _, headers, packed = get("/docs/swagger-ui-bundle.js", accept_encoding="gzip, br")
    assert "content-encoding" not in plain_headers
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert headers["etag"] != plain_headers["etag"]
    assert gzip.decompress(packed) == plain
    assert len(packed) * 4 / 3 < 6_000_000, "what Lambda answers at most, in base64"


@pytest.mark.parametrize("packing", ["", "gzip"])
def test_a_cached_copy_that_is_current_is_not_sent_again(packing: str) -> None:
    etag = get("/openapi.json", accept_encoding=packing)[1]["etag"]
    status, headers, body = get("/openapi.json", accept_encoding=packing, if_none_match=etag)
    assert (status, headers["etag"], body) == (304, etag, b"")
    assert get("/openapi.json", accept_encoding=packing, if_none_match='"old"')[0] == 200


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("nothing.js", 404),
        ("openapi.json", 200),
        ("..", 404),
        ("%2e%2e", 404),
        ("UPPER", 400),
        ("a" * 101, 400),
    ],
)
def test_an_unknown_file_is_not_found(name: str, status: int) -> None:
    answered, _, body = get(f"/docs/{name}")
    assert answered == status
    if status != 200:
        assert json.loads(body)["error"]["request_id"]
