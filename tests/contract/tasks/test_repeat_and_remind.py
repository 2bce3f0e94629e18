"""Repeated tasks, reminders and the tasks that reports cause, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.ledger.ledger import JobState
from tests.contract.tasks.harness import ANA, BOSS, Harness
from tests.support.fakes import LambdaContext, sqs_event


def complete(harness: Harness, task: Any, **body: Any) -> Any:
    answer = harness.ask("POST", f"/{task['id']}/complete", body, who=BOSS)
    assert answer.status_code == 200, answer.text
    return answer.json()["task"]


# ---- repeated ----


def test_completing_an_occurrence_makes_the_next_one_exactly_once(harness: Harness) -> None:
    task = harness.make(
        "Water the plants",
        due_date="2026-11-02T08:00:00Z",
        repeat_rule="freq=weekly;byday=TH,MO",
        tags=["garden"],
        actual_hours=3,
    )
    assert task["repeat_rule"] == "FREQ=WEEKLY;BYDAY=TH,MO"
    done = complete(harness, task)
    following = harness.get(done["next_id"])
    assert (following["due_date"], following["occurrence"]) == ("2026-11-05T08:00:00Z", 2)
    assert (following["status"], following["tags"]) == ("pending", ["garden"])
    assert following["actual_hours"] is None
    harness.ask("POST", f"/{task['id']}/reopen")
    assert complete(harness, task)["next_id"] == done["next_id"]
    assert harness.list()["total"] == 2
    harness.clock.advance(30 * 86400)
    third = harness.get(complete(harness, following)["next_id"])
    # Those that were missed meanwhile are not caught up.
    assert third["due_date"] == "2026-12-03T08:00:00Z"


def test_a_series_ends_with_its_count_or_until(harness: Harness) -> None:
    task = harness.make(due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=DAILY;COUNT=2")
    second = harness.get(complete(harness, task)["next_id"])
    assert complete(harness, second)["next_id"] is None
    task = harness.make(due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=DAILY;UNTIL=20261102")
    assert complete(harness, task)["next_id"] is None


def test_moving_one_occurrence_does_not_move_the_series(harness: Harness) -> None:
    task = harness.make(due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=WEEKLY")
    harness.ask("PUT", f"/{task['id']}", {"due_date": "2026-11-04T12:00:00Z"})
    following = harness.get(complete(harness, task)["next_id"])
    assert following["due_date"] == "2026-11-09T08:00:00Z"


def test_a_task_at_eight_stays_at_eight_when_clocks_change(harness: Harness) -> None:
    harness = Harness(harness.db, "Europe/Berlin")
    harness.clock.advance(-30 * 86400)
    task = harness.make(due_date="2026-10-24T08:00:00+02:00", repeat_rule="FREQ=DAILY")
    following = harness.get(complete(harness, task)["next_id"])
    assert following["due_date"] == "2026-10-25T07:00:00Z"


@pytest.mark.parametrize(
    "fields",
    [
        {"repeat_rule": "FREQ=DAILY"},
        {"repeat_rule": "FREQ=SECONDLY", "due_date": "2026-11-02T08:00:00Z"},
        {"repeat_rule": "FREQ=DAILY;COUNT=1000000000", "due_date": "2026-11-02T08:00:00Z"},
        {"repeat_rule": "FREQ=DAILY", "due_date": "1969-01-01T00:00:00Z"},
        {"repeat_rule": "FREQ=DAILY", "due_date": "2200-01-01T00:00:00Z"},
    ],
    ids=["no due date", "every second", "a billion times", "too early", "too late"],
)
def test_a_rule_that_cannot_be_is_refused(sqlite_harness: Harness, fields: dict[str, str]) -> None:
    answer = sqlite_harness.ask("POST", "", {"title": "x", **fields})
    assert answer.status_code == 400
    assert "repeat" in answer.json()["error"]["message"]
    assert sqlite_harness.list()["total"] == 0


def test_a_repeated_task_keeps_its_due_date(sqlite_harness: Harness) -> None:
    task = sqlite_harness.make(due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=DAILY")
    path = f"/{task['id']}"
    assert sqlite_harness.ask("PUT", path, {"due_date": None}).status_code == 400
    answer = sqlite_harness.ask("PUT", path, {"due_date": None, "repeat_rule": None})
    assert answer.status_code == 200


# ---- reminders ----


def reminders(harness: Harness) -> list[tuple[str, str]]:
    return [
        (str(job.payload["due_at"]), str(job.payload["minutes"]))
        for job in harness.jobs("tasks.remind")
        if job.state is JobState.QUEUED
    ]


def test_a_reminder_waits_for_its_time_and_is_told_once(harness: Harness) -> None:
    task = harness.make(due_date="2026-11-02T09:00:00Z", reminders=[60, 0, 60], assignee="ben")
    jobs = harness.jobs("tasks.remind")
    assert [job.available_at.isoformat() for job in jobs] == [
        "2026-11-02T09:00:00+00:00",
        "2026-11-02T08:00:00+00:00",
    ]
    harness.work()
    assert harness.events("task.due") == []
    harness.clock.advance(1800)
    harness.work()
    harness.deliver(*jobs)
    assert harness.events("task.due") == [
        {
            "task_id": task["id"],
            "title": "Sweep the yard",
            "assignee": "ben",
            "due_at": "2026-11-02T09:00:00Z",
            "reminder": f"{task['id']}:2026-11-02T09:00:00.000000Z:60",
        }
    ]
    harness.clock.advance(3600)
    harness.work()
    assert len(harness.events("task.due")) == 2


def test_a_reminder_that_comes_early_as_the_clock_was_set_back_waits_for_its_time(
    harness: Harness,
) -> None:
    harness.make(due_date="2026-11-02T09:00:00Z", reminders=[60])
    [job] = harness.jobs("tasks.remind")
    harness.clock.advance(-7200)
    harness.ledger.announce(harness.ledger.due(10))
    harness.work()
    assert harness.events("task.due") == []
    assert harness.ledger.get(job.id).available_at == job.available_at
    harness.clock.advance(7200 + 3600)
    harness.ledger.announce(harness.ledger.due(10))
    harness.work()
    assert len(harness.events("task.due")) == 1


def test_reminders_move_with_the_due_date_and_go_when_there_is_nothing_to_do(
    harness: Harness,
) -> None:
    task = harness.make(due_date="2026-11-03T09:00:00Z", reminders=[15])
    path = f"/{task['id']}"
    harness.ask("PUT", path, {"due_date": "2026-11-04T09:00:00Z"})
    assert reminders(harness) == [("2026-11-04T09:00:00.000000Z", "15")]
    harness.ask("PUT", path, {"title": "other"})
    assert reminders(harness) == [("2026-11-04T09:00:00.000000Z", "15")]
    harness.ask("PUT", path, {"reminders": [0, 30]})
    assert [minutes for _, minutes in reminders(harness)] == ["0", "30"]
    harness.ask("POST", f"{path}/complete")
    assert reminders(harness) == []
    harness.ask("POST", f"{path}/reopen")
    assert len(reminders(harness)) == 2
    harness.ask("PUT", path, {"due_date": None})
    assert reminders(harness) == []
    harness.ask("PUT", path, {"due_date": "2026-11-04T09:00:00Z"})
    assert len(reminders(harness)) == 2
    harness.ask("DELETE", path)
    assert reminders(harness) == []


def test_nobody_is_reminded_of_what_was_due_long_ago(harness: Harness) -> None:
    harness.make(due_date="2020-01-01T00:00:00Z")
    assert harness.jobs("tasks.remind") == []


def test_a_reminder_that_was_claimed_while_the_due_date_moved_tells_nothing(
    harness: Harness,
) -> None:
    task = harness.make(due_date="2026-11-02T08:00:00Z")
    (old,) = harness.jobs("tasks.remind")
    harness.clock.advance(3600)
    harness.ask("PUT", f"/{task['id']}", {"status": "blocked"})
    harness.db.write(lambda tx: None)
    harness.ask("PUT", f"/{task['id']}", {"reminders": [5]})
    harness.deliver(old)
    assert harness.events("task.due") == []


def test_a_job_that_is_no_reminder_fails_visibly(harness: Harness) -> None:
    from hearth.ledger.ledger import NewJob

    for number, payload in enumerate(({}, {"task_id": "x", "due_at": "soon", "minutes": 1})):
        new = NewJob("tasks.remind", "tasks", f"bad:{number}", payload)
        jobs = harness.db.write(lambda tx, new=new: harness.ledger.add(tx, [new]))
        harness.deliver(*jobs)
        assert harness.ledger.get(jobs[0].id).state is JobState.FAILED
    harness.handler(sqs_event("{", '{"hello": 1}', queue="tasks"), LambdaContext())
    assert [job.kind for job in harness.jobs("tasks.unreadable")] == ["tasks.unreadable"]


# ---- reports ----


def test_a_report_makes_its_task_once_however_often_it_is_told(harness: Harness) -> None:
    jobs = harness.report_ready("01KASVZEBRY4C1W9T6P0X2K8MD")
    assert harness.deliver(*jobs) == {"batchItemFailures": []}
    harness.deliver(*jobs)
    harness.deliver(*harness.report_ready("01KASVZEBRY4C1W9T6P0X2K8MD"))
    (task,) = harness.list(BOSS)["tasks"]
    assert (task["category"], task["priority"], task["created_by"]) == ("safety", "high", "hearth")
    assert task["title"] == "Safety: no helmet at yard"
    assert task["description"].splitlines() == [
        "One person without a helmet.",
        "",
        "Corrective actions:",
        "- Hand out helmets",
        "- Put up a sign",
        "",
        "Site: Main Site",
    ]
    assert task["source"] == {
        "type": "report",
        "report_id": "01KASVZEBRY4C1W9T6P0X2K8MD",
        "incident_id": "incident-01KASVZEBRY4C1W9T6P0X2K8MD",
    }
    (created,) = harness.events("task.created")
    assert created["source"] == task["source"]
    assert harness.list(ANA)["total"] == 0


def test_a_deleted_task_does_not_come_back_when_its_report_is_told_again(harness: Harness) -> None:
    harness.deliver(*harness.report_ready("r1"))
    (task,) = harness.list(BOSS)["tasks"]
    harness.ask("DELETE", f"/{task['id']}", who=BOSS)
    # As after the ledger has forgotten the event, or for a report that was made again.
    (again,) = harness.report_ready("r1")
    from sqlalchemy import update

    from hearth.ledger.ledger import jobs_table

    harness.db.write(
        lambda tx: tx.execute(
            update(jobs_table)
            .where(jobs_table.c.id == again.id)
            .values(state=JobState.QUEUED, finished_at=None)
        )
    )
    harness.deliver(again)
    assert harness.ledger.get(again.id).state is JobState.DONE
    assert harness.list(BOSS)["total"] == 0


@pytest.mark.parametrize(
    ("body", "closes"), [({}, True), ({"close_incident": False}, False)], ids=["default", "kept"]
)
def test_completing_the_task_of_a_report_asks_to_close_its_incident(
    harness: Harness, body: dict[str, bool], closes: bool
) -> None:
    harness.deliver(*harness.report_ready("r1"))
    (task,) = harness.list(BOSS)["tasks"]
    complete(harness, task, **body)
    (told,) = harness.events("task.completed", "detection")
    assert told["close_incident"] is closes
    assert told["source"]["incident_id"] == "incident-r1"


def test_hostile_texts_in_a_report_become_harmless_ones(harness: Harness) -> None:
    (job,) = harness.report_ready(
        "r1",
        zone="a\x00b\nc" + "z" * 300,
        summary="\ud800" + "s" * 9000,
        classes=["fire_without_extinguisher"],
        corrective_actions=[],
    )
    harness.deliver(job)
    (task,) = harness.list(BOSS)["tasks"]
    assert len(task["title"]) == 200
    assert task["title"].startswith("Safety: fire without extinguisher at ab czzz")
    assert (len(task["description"]), task["priority"]) == (4000, "urgent")


@pytest.mark.parametrize(
    "broken", [{"report_id": None}, {"report_id": ""}, {"classes": "all"}, {"incident_id": "\x00"}]
)
def test_an_event_that_is_no_report_fails_visibly(harness: Harness, broken: dict[str, Any]) -> None:
    (job,) = harness.report_ready("r1", **broken)
    harness.deliver(job)
    failed = harness.ledger.get(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert "safety.report.ready" in failed.error.message
    assert harness.list(BOSS)["total"] == 0
