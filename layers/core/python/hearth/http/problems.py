"""The one shape of every error over HTTP.

    {"error": {"code": "NOT_FOUND", "message": "…", "details": [], "request_id": "…"}, …}

The members beside "error" say the same in the words of RFC 9457 (application/problem+json), for
programs that know those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

PROBLEM = "application/problem+json"
MAX_DETAILS = 20


class ErrorBody(BaseModel):
    """What went wrong, for the caller."""

    code: str
    message: str
    details: list[dict[str, Any]]
    request_id: str


_EXAMPLE: JsonDict = {
    "type": "urn:hearth:error:not-found",
    "title": "Not Found",
    "status": 404,
    "detail": "there is no such task",
    "instance": "urn:hearth:request:JKJaXmPLvHcESHA%3D",
    "error": {
        "code": "NOT_FOUND",
        "message": "there is no such task",
        "details": [],
        "request_id": "JKJaXmPLvHcESHA=",
    },
}


class ErrorAnswer(BaseModel):
    """Every answer that is not a success; a problem of RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    type: str = Field(description="URI of the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="As `error.message`.")
    instance: str = Field(description="URI of this very problem; names the request.")
    error: ErrorBody


def error_response(
    request_id: str,
    status: int,
    code: str,
    message: str,
    details: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One error in the shape that every answer has."""
    body = {
        "type": f"urn:hearth:error:{code.lower().replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "instance": f"urn:hearth:request:{quote(request_id, safe='')}",
        "error": {
            "code": code,
            "message": message,
            "details": [dict(detail) for detail in details[:MAX_DETAILS]],
            "request_id": request_id,
        },
    }
    return JSONResponse(body, status, headers=headers, media_type=PROBLEM)
