from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from functions.reports.api import create_app
from functions.reports.schemas import ReportDetail, ReportPage
from hearth.errors import NotFound
from hearth.http.app import lambda_handler_for
from tests.support.events import load_event
from tests.support.fakes import LambdaContext
from tests.support.shared_app import SharedApp

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
SHA = "a" * 64


@dataclass
class FakeArchive:
    """One report; remembers what was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    pdfs: int = 0

    def list(self, **filters: Any) -> ReportPage:
        self.asked.append(filters)
        return ReportPage(reports=[], next_cursor="next")

    def get(self, report_id: str) -> ReportDetail:
        raise NotFound(f"report {report_id!r} does not exist")

    def pdf_sha256(self, report_id: str) -> str:
        return SHA

    def pdf(self, report_id: str) -> tuple[bytes, str]:
        self.pdfs += 1
        return b"%PDF-1.4 \xff", SHA


def get(
    path: str, query: str = "", headers: dict[str, str] | None = None, archive: Any = None
) -> dict[str, Any]:
    event = load_event("reports/http_api_pdf", rawPath=path, rawQueryString=query)
    event["requestContext"]["http"]["path"] = path
    event["headers"] |= headers or {}
    handler = lambda_handler_for(SharedApp(create_app, archive or FakeArchive()))
    return handler(event, LambdaContext())


def test_a_pdf_is_shown_in_the_browser_under_its_name() -> None:
    answer = get(f"/api/v1/reports/{ID}/pdf")
    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"]) == b"%PDF-1.4 \xff"
    assert answer["headers"]["content-type"] == "application/pdf"
    assert answer["headers"]["etag"] == f'"{SHA}"'
    assert answer["headers"]["content-disposition"] == f'inline; filename="incident-{ID}.pdf"'


@pytest.mark.parametrize("given", [f'"{SHA}"', f'W/"{SHA}"', f'"x", "{SHA}"', "*"])
def test_a_cached_copy_that_is_current_is_not_sent_again(given: str) -> None:
    archive = FakeArchive()
    answer = get(f"/api/v1/reports/{ID}/pdf", headers={"if-none-match": given}, archive=archive)
    assert (answer["statusCode"], answer.get("body") or "") == (304, "")
    assert archive.pdfs == 0


def test_an_outdated_copy_is_replaced() -> None:
    answer = get(f"/api/v1/reports/{ID}/pdf", headers={"if-none-match": '"b"'})
    assert answer["statusCode"] == 200


def test_the_filters_reach_the_queries() -> None:
    archive = FakeArchive()
    query = "camera_id=gate&from=2026-11-02T00:00:00Z&to=2026-11-03T00:00:00%2B01:00&limit=5"
    answer = get("/api/v1/reports", query, archive=archive)
    assert json.loads(answer["body"]) == {"reports": [], "next_cursor": "next"}
    assert archive.asked == [
        {
            "limit": 5,
            "cursor": None,
            "camera_id": "gate",
            "since": datetime.fromisoformat("2026-11-02T00:00:00+00:00"),
            "until": datetime.fromisoformat("2026-11-03T00:00:00+01:00"),
        }
    ]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("from=yesterday", "from"),
        ("from=2026-11-02T00:00:00", "from"),
        ("camera_id=%00", "camera_id"),
    ],
)
def test_an_invalid_filter_is_named(query: str, wrong: str) -> None:
    answer = get("/api/v1/reports", query)
    assert answer["statusCode"] == 400
    assert wrong in json.loads(answer["body"])["error"]["details"][0]["field"]


def test_a_report_that_does_not_exist_is_not_found() -> None:
    answer = get("/api/v1/reports/nothing")
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("name", ["x%0d%0aSet-Cookie: a=b", 'x";filename="y', "..%2f..%2fjobs"])
def test_an_invalid_id_reaches_no_header_and_no_key(name: str) -> None:
    archive = FakeArchive()
    assert get(f"/api/v1/reports/{name}/pdf", archive=archive)["statusCode"] in (400, 404)
    assert archive.pdfs == 0
