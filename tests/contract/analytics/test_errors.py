"""Errors grouped: those that events tell, and jobs that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions.analytics import service
from hearth.errors import HearthError, InvalidInput, ModelFailed, Unavailable
from hearth.ledger.ledger import Job, NewJob

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Desk


def fail(desk: Desk, key: str, error: HearthError, kind: str = "reports.incident") -> Job:
    new = NewJob(kind, "reports", key, {})
    (job,) = desk.ledger.claim([], [new], timedelta(minutes=1))
    return desk.ledger.fail(job, error)


def test_without_errors_there_are_none(desk: Desk) -> None:
    desk.happen("page.viewed", "2026-11-02T07:00:00Z")
    desk.happen("page.viewed", "2026-11-02T07:00:00Z", severity="info")
    body = desk.get("/errors")
    assert body == {
        "errors": [],
        "summary": {"total": 0, "groups": 0, "by_severity": {}, "by_service": {}},
        "start": "2026-11-01T07:30:00Z",
        "end": "2026-11-02T07:30:00Z",
        "truncated": False,
    }


def test_events_are_grouped_by_type_service_and_severity(desk: Desk) -> None:
    for minute, severity in (("00", "error"), ("10", "error"), ("20", "warning")):
        desk.happen(
            "login.failed", f"2026-11-02T07:{minute}:00Z", severity=severity, service="auth"
        )
    desk.happen("login.failed", "2026-11-02T07:25:00Z", severity="critical")
    body = desk.get("/errors")
    assert [(e["service"], e["severity"], e["count"]) for e in body["errors"]] == [
        ("", "critical", 1),
        ("auth", "warning", 1),
        ("auth", "error", 2),
    ]
    assert body["errors"][2] | {"type": ""} == {
        "type": "",
        "service": "auth",
        "severity": "error",
        "source": "event",
        "job_kind": None,
        "message": None,
        "count": 2,
        "first_seen": "2026-11-02T07:00:00Z",
        "last_seen": "2026-11-02T07:10:00Z",
    }
    assert body["summary"] == {
        "total": 4,
        "groups": 3,
        "by_severity": {"critical": 1, "error": 2, "warning": 1},
        "by_service": {"": 1, "auth": 3},
    }


def test_a_failed_job_is_an_error_until_a_person_retries_it(desk: Desk) -> None:
    fail(desk, "a", ModelFailed("the model is broken"))
    desk.clock.advance(60)
    job = fail(desk, "b", ModelFailed("the model is missing"))
    fail(desk, "c", InvalidInput("no picture"))
    desk.clock.advance(1)
    body = desk.get("/errors")
    assert [
        (e["type"], e["job_kind"], e["service"], e["source"], e["count"], e["message"])
        for e in sorted(body["errors"], key=lambda e: str(e["type"]))
    ] == [
        ("MODEL_FAILED", "reports.incident", "reports", "job", 2, "the model is missing"),
        ("VALIDATION_ERROR", "reports.incident", "reports", "job", 1, "no picture"),
    ]
    desk.ledger.retry(job.id)
    assert desk.get("/errors")["summary"]["total"] == 2


def test_a_job_that_will_be_tried_again_is_no_error(desk: Desk) -> None:
    assert fail(desk, "a", Unavailable("later")).state == "queued"
    assert desk.get("/errors", end_date="2026-11-03")["summary"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({}, 4),
        ({"severity": "error"}, 3),
        ({"severity": "critical"}, 1),
        ({"severity": "warning"}, 0),
        ({"service": "reports"}, 2),
        ({"service": "auth"}, 1),
        ({"service": "nobody"}, 0),
        ({"start_date": "2026-11-02T07:15:00Z"}, 3),
        ({"start_date": "2026-11-02T07:16:00Z"}, 3),  # whole quarters
        ({"start_date": "2026-11-01", "end_date": "2026-11-01"}, 0),
        ({"start_date": "2026-11-02T07:00:00Z", "end_date": "2026-11-02T07:00:01Z"}, 1),
    ],
    ids=str,
)
def test_errors_of_a_time_a_service_or_a_severity(
    desk: Desk, query: dict[str, str], total: int
) -> None:
    desk.happen("x", "2026-11-02T07:14:59Z", severity="error", service="auth")
    desk.happen("x", "2026-11-02T07:16:00Z", severity="critical", service="tasks")
    desk.clock.advance(-60)
    fail(desk, "a", InvalidInput("no"))
    fail(desk, "b", InvalidInput("no"))
    desk.clock.advance(60)
    assert desk.get("/errors", **query)["summary"]["total"] == total
    desk.roll_up()
    assert desk.get("/errors", **query)["summary"]["total"] == total


def test_a_limit_leaves_the_sums_whole(desk: Desk) -> None:
    desk.record(*({"event_type": f"e{n}", "severity": "error"} for n in range(30)))
    desk.clock.advance(1)
    body = desk.get("/errors")
    assert (len(body["errors"]), body["summary"]["groups"], body["truncated"]) == (20, 30, True)
    assert len(desk.get("/errors", limit=100)["errors"]) == 30


def test_more_failed_jobs_than_are_read_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FAILED_JOBS", 2)
    for key in "abc":
        fail(desk, key, InvalidInput("no"))
    desk.clock.advance(1)
    body = desk.get("/errors")
    assert (body["summary"]["total"], body["truncated"]) == (2, True)


@pytest.mark.parametrize(
    "query",
    [
        {"severity": "info"},
        {"severity": "error\x00"},
        {"start_date": "2026-11-03"},
        {"end_date": "2026-02-30"},
        {"timezone": "x"},
        {"limit": 0},
        {"limit": 101},
        {"limit": "9" * 400},
        {"service": "' OR 1=1"},
        {"more": 1},
    ],
    ids=lambda query: str(query)[:40],
)
def test_a_bad_question_is_named(home: Desk, query: dict[str, Any]) -> None:
    status, body = home.call("GET", "/errors", **query)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
