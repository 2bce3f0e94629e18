"""Answers in a form in which two places can be compared."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pypdf

# What differs from run to run, and may: identifiers, moments, durations.
_VARYING = (
    (re.compile(r"\bh[rk]_[0-9A-Z]{26}_[\w-]{20,}"), "<token>"),
    (re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"), "<ulid>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?"), "<time>"),
    (re.compile(r"\b(\d{1,3}\.){3}\d{1,3}:\d+"), "<address>"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
)
# What a web server adds to a function's headers, and what it is that counts calls by the minute.
_NOT_COMPARED = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "ratelimit"}
    | {"x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-used"}
)
# Members that tell of the processor, of versions (the image's Python is newer) and of the moment,
# or hold numbers that a processor rounds its own way.
_VARYING_MEMBERS = frozenset(
    {"processing_time", "method", "embeddings", "score", "confidence", "priority_confidence"}
    | {"confidence_scores", "detail", "reason", "libraries"}
)


def comparable(answer: Any) -> Any:
    """A function's answer without what differs from run to run; an HTTP body is decoded."""
    if isinstance(answer, Mapping) and "statusCode" in answer:
        return http_answer(
            answer["statusCode"], answer.get("headers") or {}, _bytes_of_body(answer)
        )
    if isinstance(answer, Mapping) and "errorType" in answer:
        # Where in which file, and the request's id, are the place's own.
        answer = {name: answer.get(name) for name in ("errorType", "errorMessage")}
    return _steady(answer)


def http_answer(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The same for an answer that came over HTTP."""
    own = {
        name.lower(): value for name, value in headers.items() if name.lower() not in _NOT_COMPARED
    }
    if own.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    if request_id := own.get("x-request-id"):  # the gateway's, which errors repeat
        for form in (request_id, quote(request_id, safe="")) if int(status) >= 400 else ():
            body = body.replace(form.encode(), b"<request>")
        own["x-request-id"] = "<request>"
    return _steady(
        {
            "statusCode": int(status),
            "headers": own,
            "body": _decoded(body, own.get("content-type", "")),
        }
    )


def missing(expected: Any, answer: Any, where: str = "answer") -> list[str]:
    """What of `expected` is not in `answer`, in words; mappings may hold more than is expected."""
    if isinstance(expected, Mapping):
        if not isinstance(answer, Mapping):
            return [f"{where} is {answer!r}, not {dict(expected)!r}"]
        # An empty mapping means that nothing may be in it.
        if not expected and answer:
            return [f"{where} is {answer!r}, not empty"]
        found: list[str] = []
        for name, value in expected.items():
            if name not in answer:
                found.append(f"{where} has no {name}: {answer!r}")
            else:
                found += missing(value, answer[name], f"{where}.{name}")
        return found
    return [] if expected == answer else [f"{where} is {answer!r}, not {expected!r}"]


def _bytes_of_body(answer: Mapping[str, Any]) -> bytes:
    text = answer.get("body") or ""
    return base64.b64decode(text) if answer.get("isBase64Encoded") else str(text).encode()


def _decoded(body: bytes, kind: str) -> Any:
    if body.startswith(b"%PDF-"):
        return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages]
    if "json" in kind:
        decoded = json.loads(body)
        if isinstance(decoded, dict):
            decoded.pop("servers", None)  # of an OpenAPI document: the address that was asked
        return decoded
    return body.decode(errors="replace")


def _steady(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: f"<{name}>" if name in _VARYING_MEMBERS else _steady(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_steady(item) for item in value]
    if isinstance(value, str):
        for pattern, stand_in in _VARYING:
            value = pattern.sub(stand_in, value)
    return value
