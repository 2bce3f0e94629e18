"""The OpenAPI documents keep their word: Schemathesis asks what they allow, and what they forbid.

In process, on a real migrated database with a few rows of each kind.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from functions.detection.api import create_app as detection_app
from functions.detection.queries import Queries
from functions.detection.snapshot import SnapshotService
from functions.docs.api import create_app as docs_app
from functions.docs.assets import Assets
from functions.jobs.api import create_app as jobs_app
from functions.jobs.repository import JobCounts
from functions.jobs.service import JobsService
from functions.reports.api import create_app as reports_app
from functions.reports.queries import ReportQueries
from hearth.db import Database
from hearth.paging import encode_cursor
from hearth_vision.images import ImageLimits
from tests.contract.detection.harness import DetectionHarness, frame_jpeg
from tests.contract.reports.conftest import Harness
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import (
    TOKEN,
    Deferred,
    OpenApiContract,
    examples,
    is_wrong,
    objects_of,
)
from tests.support.report_events import payload

SERVICES = {"detection": Deferred(), "reports": Deferred(), "jobs": Deferred()}
CURSORS: dict[str, str] = {}
INCIDENTS = OpenApiContract(
    detection_app(SERVICES["detection"]),
    # 412: no document can say which version a camera has.
    accepted=("2xx", "3xx", "401", "403", "404", "409", "412"),
    cursor=CURSORS.__getitem__,
)
REPORTS = OpenApiContract(reports_app(SERVICES["reports"]), cursor=CURSORS.__getitem__)
JOBS = OpenApiContract(jobs_app(SERVICES["jobs"]), cursor=CURSORS.__getitem__)
DOCS = OpenApiContract(docs_app(Assets()))
CONTRACTS = {"incidents": INCIDENTS, "reports": REPORTS, "jobs": JOBS}


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One site after a morning's work: incidents ended and open, reports, jobs done and failed."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("http") / "hearth.db"))
    stage = DetectionHarness(db)
    for n in range(6):
        stage.upload(n / 5, frame_jpeg(1))
        stage.upload(n / 5, frame_jpeg(2), "dock")
    stage.upload(0.05, b"broken")
    stage.end(2)
    stage.drain()
    harness = Harness(db)
    harness.add()
    harness.deliver("{", {"schema_version": 2})
    harness.run()
    incidents = stage.incidents()
    INCIDENTS.ids["incident_id"] = [row.id for row in incidents]
    INCIDENTS.ids["camera_id"] = ["gate"]
    INCIDENTS.ids["captured_at"] = [
        row.peak_frame_key[-27:-4] for row in incidents if row.camera_id == "gate"
    ]
    REPORTS.ids["report_id"] = [payload()["incident_id"]]
    JOBS.ids["job_id"] = [job.id for job in stage.ledger.list(limit=100).jobs]
    storage = SimpleNamespace(db=db, store=stage.store, ledger=stage.ledger)
    snapshots = SnapshotService(
        storage, stage.current, lambda: (None, None), ZoneInfo("UTC"), ImageLimits()
    )
    queries = Queries(storage, snapshots.draw)
    create = queries.cameras.models.create
    cameras = [create(name=name, source="rtsp://user:password@cam/a") for name in ("gate", "attic")]
    rows: list[Any] = [queries.cameras.create("u", camera)[0] for camera in cameras]
    INCIDENTS.ids["row_id"] = [row.id for row in rows]
    CURSORS["/api/v1/cameras/{row_id}/history"] = encode_cursor("2")
    CURSORS["/api/v1/incidents"] = encode_cursor(INCIDENTS.ids["incident_id"][-1])
    CURSORS["/api/v1/jobs"] = encode_cursor(JOBS.ids["job_id"][0])
    CURSORS["/api/v1/reports"] = encode_cursor("2026-11-02T08:00:00Z", REPORTS.ids["report_id"][0])
    SERVICES["detection"].service = queries
    SERVICES["reports"].service = ReportQueries(db, harness.store)
    SERVICES["jobs"].service = JobsService(stage.ledger, JobCounts(db), stage.clock)
    yield
    db.close()


@INCIDENTS.document().parametrize()
@examples(60)
def test_detection_keeps_to_its_document(case: schemathesis.Case) -> None:
    if isinstance(case.body, dict) and not is_wrong(case, ParameterLocation.BODY):
        for item in objects_of(case.body):
            if item.get("region") is not None:
                item["region"] = [[0, 0.3, 1, 1]]  # no document can say what must be less
            if "source" in item:
                item["source"] = "rtsp://cam/a"  # nor which addresses are ones
    INCIDENTS.check(case)


@REPORTS.document().parametrize()
@examples(60)
def test_reports_keeps_to_its_document(case: schemathesis.Case) -> None:
    REPORTS.check(case)


@JOBS.document().parametrize()
@examples(60)
def test_jobs_keeps_to_its_document(case: schemathesis.Case) -> None:
    JOBS.check(case)


@DOCS.document().parametrize()
@examples(60)
def test_docs_keeps_to_its_document(case: schemathesis.Case) -> None:
    DOCS.check(case)


def ask(service: str, url: str, method: str = "GET", body: bytes = b"") -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(CONTRACTS[service].behind_the_gateway)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://home", headers=TOKEN
        ) as client:
            return await client.request(method, url, content=body)

    return asyncio.run(call())


def cursor_of(text: str) -> str:
    return "cursor=" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


HOSTILE = [
    "from=0001-01-01T00:00:00%2B14:00",
    "to=9999-12-31T23:59:59-14:00",
    "from=0.5",
    "from=99999999999",
    "from=-1",
    "to=NaN",
    "to=2026-11-02T24:00:00.000001Z",
    "to=" + "1" * 5000,
    "limit=99999999999999999999999",
    "limit=%00",
    "limit=" + "9" * 5000,
    "cursor=%00",
    "cursor=%ff%fe",
    "cursor=" + "a" * 2049,
    cursor_of("[" * 1000),
    cursor_of("[1e999]"),
    cursor_of('["\\ud800"]'),
    cursor_of('["\\u0000"]'),
    cursor_of('["2026-11-02T07:30:00Z", "\\ud800"]'),
    cursor_of('["0001-01-01T00:00:00+14:00", "x"]'),
]


@pytest.mark.parametrize("path", ["/api/v1/incidents", "/api/v1/reports"])
@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:40])
def test_a_value_outside_its_limits_is_a_400(path: str, query: str) -> None:
    answer = ask(path.rsplit("/", 1)[1], f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert len(answer.content) < 20_000


def test_an_unexpected_body_is_limited_in_size() -> None:
    answer = ask("jobs", "/api/v1/jobs/x/retry", "POST", bytes(1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")


def test_an_unexpected_error_is_a_500_without_details(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_down(query: object) -> None:
        raise RuntimeError("postgresql://hearth:s3cret@db/hearth")

    monkeypatch.setattr(SERVICES["jobs"].service, "list", break_down)
    answer = ask("jobs", "/api/v1/jobs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "s3cret" not in answer.text
