"""How everything is: functions, queues, the ledger and the machine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from functions.analytics.machine import Load
from hearth.cloudwatch import FunctionFigures
from hearth.errors import Forbidden, Unavailable
from hearth.ledger.ledger import NewJob
from hearth.ledger.queues import QueueDepth

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness


def test_an_idle_system_is_healthy(harness: Harness) -> None:
    body = harness.get("/health")
    assert body["status"] == "healthy"
    assert body["metrics"] == {"cpu": 5.0, "memory": 40.0, "disk": 60.0}
    assert [(one["name"], one["status"]) for one in body["services"]] == [
        ("hearth-tasks", "idle"),
        ("hearth-sweep", "idle"),
        ("database", "healthy"),
        ("metrics", "healthy"),
        ("queues", "healthy"),
    ]
    assert all(one["latency_ms"] >= 0 for one in body["services"])
    assert (body["queues"], body["jobs"]) == ([], {})
    assert body["since"] == "2026-11-02T06:00:00Z"


@pytest.mark.parametrize(
    ("figures", "status", "whole"),
    [
        (FunctionFigures(), "idle", "healthy"),
        (FunctionFigures(100, 5, 0, 3.0, 9.0), "healthy", "healthy"),
        (FunctionFigures(100, 6, 0, 3.0, 9.0), "degraded", "degraded"),
        (FunctionFigures(100, 50, 0, 3.0, 9.0), "unhealthy", "unhealthy"),
        (FunctionFigures(100, 0, 1, 3.0, 9.0), "degraded", "degraded"),
        (FunctionFigures(0, 0, 1), "degraded", "degraded"),
        (FunctionFigures(1, 1, 1, 3.0, 9.0), "unhealthy", "unhealthy"),
    ],
)
def test_the_health_of_a_function_follows_its_invocations(
    home: Harness, figures: FunctionFigures, status: str, whole: str
) -> None:
    home.figures.of["hearth-tasks"] = figures
    body = home.get("/health")
    function = body["services"][0]
    assert (function["status"], body["status"]) == (status, whole)
    assert (function["invocations"], function["p50_ms"]) == (figures.invocations, figures.p50_ms)
    assert function["latency_ms"] == (figures.p95_ms or 0)


@pytest.mark.parametrize(
    ("waited", "status"),
    [(0, "healthy"), (300, "healthy"), (301, "degraded"), (3601, "unhealthy")],
)
def test_the_health_of_a_queue_follows_its_oldest_work(
    harness: Harness, waited: int, status: str
) -> None:
    harness.figures.queues = {"tasks": QueueDepth(2, 1), "reports": QueueDepth(0, 0)}
    harness.db.write(lambda tx: harness.ledger.add(tx, [NewJob("task.created", "tasks", "a", {})]))
    later = NewJob("tasks.remind", "tasks", "b", {}, harness.clock() + timedelta(days=9))
    harness.db.write(lambda tx: harness.ledger.add(tx, [later]))
    harness.clock.advance(waited)
    body = harness.get("/health")
    assert body["queues"] == [
        {
            "name": "reports",
            "status": "healthy",
            "messages": 0,
            "messages_in_flight": 0,
            "jobs_waiting": 0,
            "oldest_seconds": None,
        },
        {
            "name": "tasks",
            "status": status,
            "messages": 2,
            "messages_in_flight": 1,
            "jobs_waiting": 1,
            "oldest_seconds": float(waited),
        },
    ]
    assert (body["status"], body["jobs"]) == (status, {"queued": 2})


@pytest.mark.parametrize(
    ("load", "status"),
    [
        (Load(79.9, 84.9, 84.9), "healthy"),
        (Load(80, 0, 0), "degraded"),
        (Load(0, 85, 0), "degraded"),
        (Load(0, 0, 95), "unhealthy"),
        (Load(90, 0, 0), "unhealthy"),
    ],
)
def test_a_machine_without_space_is_unhealthy(home: Harness, load: Load, status: str) -> None:
    home.figures.in_use = load
    assert home.get("/health")["status"] == status


@pytest.mark.parametrize("error", [Unavailable("CloudWatch does not answer"), Forbidden("no")])
def test_a_service_that_does_not_answer_is_reported(home: Harness, error: Exception) -> None:
    home.figures.error = error
    body = home.get("/health")
    assert body["status"] == "unhealthy"
    states = {one["name"]: (one["status"], one["message"]) for one in body["services"]}
    assert states["metrics"] == ("unhealthy", str(error))
    assert states["hearth-tasks"] == ("unknown", None)
    assert states["database"] == ("healthy", None)


def test_a_queue_that_does_not_answer_is_named(home: Harness) -> None:
    home.figures.queues = {"tasks": None}
    (queue,) = home.get("/health")["queues"]
    assert (queue["status"], queue["messages"]) == ("unhealthy", None)


def test_a_database_that_does_not_answer_is_named(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(fn: object) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(home.db, "read", gone)
    body = home.get("/health")
    states = {one["name"]: one["status"] for one in body["services"]}
    assert (body["status"], states["database"]) == ("unhealthy", "unhealthy")


def test_cloudwatch_is_queried_at_most_three_times_a_minute(home: Harness) -> None:
    for home.seconds in range(0, 60, 4):
        home.get("/health")
    assert home.figures.asked == 3
