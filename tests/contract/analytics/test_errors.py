"""Errors grouped: those that events tell, and jobs that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions.analytics import queries
from hearth.errors import HearthError, InvalidInput, ModelFailed, Unavailable
from hearth.ledger.ledger import Job, NewJob

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness


def fail(harness: Harness, key: str, error: HearthError, kind: str = "reports.incident") -> Job:
    new = NewJob(kind, "reports", key, {})
    (job,) = harness.ledger.claim([], [new], timedelta(minutes=1))
    return harness.ledger.fail(job, error)


def test_without_errors_there_are_none(harness: Harness) -> None:
    harness.happen("page.viewed", "2026-11-02T07:00:00Z")
    harness.happen("page.viewed", "2026-11-02T07:00:00Z", severity="info")
    body = harness.get("/errors")
    assert body == {
        "errors": [],
        "summary": {"total": 0, "groups": 0, "by_severity": {}, "by_service": {}},
        "start": "2026-11-01T07:30:00Z",
        "end": "2026-11-02T07:30:00Z",
        "truncated": False,
    }


def test_events_are_grouped_by_type_service_and_severity(harness: Harness) -> None:
    for minute, severity in (("00", "error"), ("10", "error"), ("20", "warning")):
        harness.happen(
            "login.failed", f"2026-11-02T07:{minute}:00Z", severity=severity, service="auth"
        )
    harness.happen("login.failed", "2026-11-02T07:25:00Z", severity="critical")
    body = harness.get("/errors")
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


def test_a_failed_job_is_an_error_until_a_person_retries_it(harness: Harness) -> None:
    fail(harness, "a", ModelFailed("the model is broken"))
    harness.clock.advance(60)
    job = fail(harness, "b", ModelFailed("the model is missing"))
    fail(harness, "c", InvalidInput("no picture"))
    harness.clock.advance(1)
    body = harness.get("/errors")
    assert [
        (e["type"], e["job_kind"], e["service"], e["source"], e["count"], e["message"])
        for e in sorted(body["errors"], key=lambda e: str(e["type"]))
    ] == [
        ("MODEL_FAILED", "reports.incident", "reports", "job", 2, "the model is missing"),
        ("VALIDATION_ERROR", "reports.incident", "reports", "job", 1, "no picture"),
    ]
    harness.ledger.retry(job.id)
    assert harness.get("/errors")["summary"]["total"] == 2


def test_a_job_that_will_be_retried_is_not_an_error(harness: Harness) -> None:
    assert fail(harness, "a", Unavailable("later")).state == "queued"
    assert harness.get("/errors", end_date="2026-11-03")["summary"]["total"] == 0


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
    harness: Harness, query: dict[str, str], total: int
) -> None:
    harness.happen("x", "2026-11-02T07:14:59Z", severity="error", service="auth")
    harness.happen("x", "2026-11-02T07:16:00Z", severity="critical", service="tasks")
    harness.clock.advance(-60)
    fail(harness, "a", InvalidInput("no"))
    fail(harness, "b", InvalidInput("no"))
    harness.clock.advance(60)
    assert harness.get("/errors", **query)["summary"]["total"] == total
    harness.roll_up()
    assert harness.get("/errors", **query)["summary"]["total"] == total


def test_a_limit_does_not_change_the_sums(harness: Harness) -> None:
    harness.record(*({"event_type": f"e{n}", "severity": "error"} for n in range(30)))
    harness.clock.advance(1)
    body = harness.get("/errors")
    assert (len(body["errors"]), body["summary"]["groups"], body["truncated"]) == (20, 30, True)
    assert len(harness.get("/errors", limit=100)["errors"]) == 30


def test_more_failed_jobs_than_are_read_are_reported_as_truncated(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FAILED_JOBS", 2)
    for key in "abc":
        fail(harness, key, InvalidInput("no"))
    harness.clock.advance(1)
    body = harness.get("/errors")
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
def test_an_invalid_query_is_named(home: Harness, query: dict[str, Any]) -> None:
    status, body = home.call("GET", "/errors", **query)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
