"""HTTP requests as payload format 2.0 events, and functions' answers as HTTP responses.

Reference: "Create AWS Lambda proxy integrations for HTTP APIs" of the API Gateway Developer Guide.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from .routing import Match

API_ID = "local"
_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
# They belong to one connection; the gateway's own server sets them.
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came: `path` and `query` still percent-encoded, `headers` in order.

    `source_ip` is the client's, `hop` that of whoever is connected: the same without a proxy.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    source_ip: str
    port: int
    protocol: str = "HTTP/1.1"
    scheme: str = "http"
    hop: str = ""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response; header names are in lower case, `set-cookie` may repeat."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class BadFunctionAnswer(Exception):
    """The function's answer cannot be made into an HTTP response."""


def http_event(
    request: HttpRequest, match: Match, request_id: str, account: str, now: datetime
) -> dict[str, Any]:
    """The payload format 2.0 event of a request that matched a route, without its body."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, raw in request.headers:
        key, value = name.lower(), _header_text(raw)
        if key == "cookie":
            cookies += [part.strip() for part in value.split(";") if part.strip()]
        else:
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    forwarded = headers.get("x-forwarded-for")
    hop = request.hop or request.source_ip
    headers["x-forwarded-for"] = f"{forwarded}, {hop}" if forwarded else hop
    headers["x-forwarded-port"] = str(request.port)
    headers["x-forwarded-proto"] = request.scheme
    host = headers.get("host", "")
    path = unquote(request.path)  # HTTP APIs decode the path, unlike REST APIs
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": account,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split(".", 1)[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": match.route.key,
            "stage": "$default",
            "time": now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _query_parameters(request.query)
    if match.parameters:
        event["pathParameters"] = dict(match.parameters)
    return event


def add_body(event: dict[str, Any], body: bytes) -> None:
    """Put the request's body into its event."""
    if body:
        text = _as_text(body, event["headers"].get("content-type", ""))
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(body).decode() if text is None else text


def add_caller(event: dict[str, Any], context: Mapping[str, Any] | None) -> None:
    """Put what the authorizer answered about the caller into the event."""
    event["requestContext"]["authorizer"] = {"lambda": context}


def _header_text(value: str) -> str:
    """A header's value that every JSON parser reads: bytes that are no UTF-8 count as Latin-1.

    The server hands such bytes on as halves of surrogate pairs.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def http_answer(payload: bytes) -> HttpAnswer:
    """The response that a function's answer stands for.

    Raises:
        BadFunctionAnswer: A field has a wrong type; the caller answers 502.
    """
    try:
        answer = json.loads(payload, parse_constant=refuse_constant)
    except ValueError as error:
        raise BadFunctionAnswer("the answer is not JSON") from error
    if not isinstance(answer, dict) or "statusCode" not in answer:
        # An answer without a status is the body of a success.
        body = answer.encode() if isinstance(answer, str) else payload
        return HttpAnswer(200, [("content-type", "application/json")], body)
    headers = _answer_headers(answer.get("headers"))
    cookies = answer.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise BadFunctionAnswer("cookies is not a list of texts")
    body = _answer_body(answer)
    if body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    headers += [("set-cookie", cookie) for cookie in cookies]
    for name, value in headers:
        if not name or any(character in name + value for character in "\r\n\0"):
            raise BadFunctionAnswer(f"header {name!r} holds a control character")
    return HttpAnswer(_answer_status(answer["statusCode"]), headers, body)


def refuse_constant(name: str) -> None:
    """Python writes and reads NaN and Infinity, JSON has none."""
    raise ValueError(f"{name} is not JSON")


def _answer_status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError, OverflowError):  # Infinity is a number to Python's JSON
        status = 0
    if isinstance(value, bool) or not 200 <= status <= 599:
        raise BadFunctionAnswer(f"statusCode {value!r} is not an HTTP status")
    return status


def _answer_headers(given: Any) -> list[tuple[str, str]]:
    if given is None:
        return []
    if not isinstance(given, dict):
        raise BadFunctionAnswer("headers is not an object")
    headers = []
    for name, value in given.items():
        if isinstance(value, (dict, list)):
            raise BadFunctionAnswer(f"header {name!r} is not a single value")
        if value is not None and name.lower() not in _HOP_BY_HOP:
            headers.append((name.lower(), _text(value)))
    return headers


def _answer_body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadFunctionAnswer("body is not a text")
    if not answer.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:  # binascii.Error is one; letters beyond ASCII raise a plain one
        raise BadFunctionAnswer("body is not base64") from error


def _query_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=None):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _as_text(body: bytes, content_type: str) -> str | None:
    """The body as text, or None when it has to travel in base64.

    As observed on AWS, only text types travel as they are: a form is encoded too. A body without
    a type is text when it is valid UTF-8.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    textual = kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml"))
    if kind and not textual:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
