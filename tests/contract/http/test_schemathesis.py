"""The OpenAPI documents keep their word: Schemathesis asks what they allow, and what they forbid.

In process, on a real migrated database with a few rows of each kind.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.detection.api import create_app as detection_app
from functions.detection.queries import Queries
from functions.docs.api import create_app as docs_app
from functions.docs.assets import Assets
from functions.jobs.api import create_app as jobs_app
from functions.jobs.repository import JobCounts
from functions.jobs.service import JobsService
from functions.reports.api import create_app as reports_app
from functions.reports.queries import ReportQueries
from hearth.db import Database
from hearth.paging import encode_cursor
from tests.contract.detection.stage import Stage, picture
from tests.contract.reports.conftest import Harness
from tests.support.callers import acting_as, caller
from tests.support.databases import migrated_sqlite
from tests.support.report_events import payload

load_all_checks()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One site after a morning's work: incidents ended and open, reports, jobs done and failed."""
    url = migrated_sqlite(tmp_path_factory.mktemp("http") / "hearth.db")
    db = Database(url)
    stage = Stage(db)
    for n in range(6):
        stage.upload(n / 5, picture(1))
        stage.upload(n / 5, picture(2), "dock")
    stage.upload(0.05, b"broken")
    stage.end(2)
    stage.drain()
    bench = Harness(db)
    bench.add()
    bench.deliver("{", {"schema_version": 2})
    bench.run()
    IDS["incident_id"] = [row.id for row in stage.incidents()]
    IDS["camera_id"] = ["gate"]
    IDS["captured_at"] = [
        row.peak_frame_key[-27:-4] for row in stage.incidents() if row.camera_id == "gate"
    ]
    IDS["report_id"] = [payload()["incident_id"]]
    IDS["job_id"] = [job.id for job in stage.ledger.list(limit=100).jobs]
    CURSORS["/api/v1/incidents"] = encode_cursor(IDS["incident_id"][-1])
    CURSORS["/api/v1/jobs"] = encode_cursor(IDS["job_id"][0])
    CURSORS["/api/v1/reports"] = encode_cursor("2026-11-02T08:00:00Z", IDS["report_id"][0])
    SERVICES["detection"].service = Queries(SimpleNamespace(db=db, store=stage.store))
    SERVICES["reports"].service = ReportQueries(db, bench.store)
    SERVICES["jobs"].service = JobsService(stage.ledger, JobCounts(db), stage.clock)
    yield
    db.close()


class Later:
    """Stands for a service when the documents are read, before there is a database."""

    service: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


SERVICES = {"detection": Later(), "reports": Later(), "jobs": Later()}
IDS: dict[str, list[str]] = {}
CURSORS: dict[str, str] = {}


SHOWN = {"Authorization": "Bearer token-of-an-administrator"}


def behind_the_gateway(app: FastAPI) -> ASGIApp:
    """`app` as the gateway with its authorizer shows it: one token is known, and nobody else."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
        known = shown == SHOWN["Authorization"]
        await acting_as(app, caller() if known else None)(scope, receive, send)

    return asked


def schema_of(app: FastAPI) -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = behind_the_gateway(app)
    return schema


def check(case: schemathesis.Case) -> None:
    """Ask, with every check that Schemathesis has; some ids and each cursor name what is there.

    A cursor is what a list gave out: no document can say which texts those are.
    """
    wrong_path = case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH)
    for name, value in case.path_parameters.items():
        known = name in IDS and not wrong_path
        if known and isinstance(value, str) and sum(map(ord, value)) % 2:
            case.path_parameters[name] = IDS[name][len(value) % len(IDS[name])]
    cursor = case.query.get("cursor")
    if isinstance(cursor, str) and len(cursor) <= 2048:
        case.query["cursor"] = CURSORS[case.path]
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)


APPS = {
    "incidents": detection_app(SERVICES["detection"]),
    "reports": reports_app(SERVICES["reports"]),
    "jobs": jobs_app(SERVICES["jobs"]),
}
detection = schema_of(APPS["incidents"])
reports = schema_of(APPS["reports"])
jobs = schema_of(APPS["jobs"])
docs = schema_of(docs_app(Assets()))

pytestmark = pytest.mark.usefixtures("world")
bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@detection.parametrize()
@bounded
def test_detection_keeps_to_its_document(case: schemathesis.Case) -> None:
    check(case)


@reports.parametrize()
@bounded
def test_reports_keeps_to_its_document(case: schemathesis.Case) -> None:
    check(case)


@jobs.parametrize()
@bounded
def test_jobs_keeps_to_its_document(case: schemathesis.Case) -> None:
    check(case)


@docs.parametrize()
@bounded
def test_docs_keeps_to_its_document(case: schemathesis.Case) -> None:
    check(case)


def ask(service: str, url: str, method: str = "GET", body: bytes = b"") -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(behind_the_gateway(APPS[service]))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://home", headers=SHOWN
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
def test_a_value_outside_its_limits_is_named_in_a_400(path: str, query: str) -> None:
    answer = ask(path.rsplit("/", 1)[1], f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert len(answer.content) < 20_000


def test_a_body_that_nobody_asked_for_is_bounded() -> None:
    answer = ask("jobs", "/api/v1/jobs/x/retry", "POST", bytes(1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")


def test_a_bug_is_a_500_that_gives_nothing_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_down(query: object) -> None:
        raise RuntimeError("postgresql://hearth:s3cret@db/hearth")

    monkeypatch.setattr(SERVICES["jobs"].service, "list", break_down)
    answer = ask("jobs", "/api/v1/jobs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "s3cret" not in answer.text
