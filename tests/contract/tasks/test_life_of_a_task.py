"""Tasks through the API, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hearth.http.auth import Principal
from tests.contract.tasks.harness import ANA, BEN, BOSS, GUEST, Harness

UNKNOWN = "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"


# ---- the seed's contract ----


def test_nobody_has_tasks_at_first(harness: Harness) -> None:
    assert harness.list() == {
        "tasks": [],
        "total": 0,
        "total_is_exact": True,
        "page": 1,
        "limit": 20,
        "total_pages": 0,
        "has_next": False,
        "has_prev": False,
        "next_cursor": None,
    }
    assert harness.ask("GET", "/stats").json() == {
        "total": 0,
        "by_status": {
            "pending": 0,
            "in_progress": 0,
            "blocked": 0,
            "completed": 0,
            "cancelled": 0,
        },
        "by_priority": {"low": 0, "medium": 0, "high": 0, "urgent": 0},
        "completion_rate": 0.0,
        "overdue": 0,
        "average_completion_time_hours": None,
    }


def test_a_task_is_created_read_changed_completed_and_deleted(harness: Harness) -> None:
    answer = harness.ask(
        "POST",
        "",
        {
            "title": "Fix the gate",
            "description": "It squeaks",
            "priority": "high",
            "category": "home",
            "due_date": "2026-12-01T10:00:00+01:00",
            "tags": ["Garden", "garden", "metal"],
        },
    )
    assert answer.status_code == 201
    body = answer.json()
    task = body["task"]
    assert answer.headers["location"] == f"/api/v1/tasks/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (task["id"], task["status"], task["due_date"], task["tags"]) == (
        body["id"],
        "pending",
        "2026-12-01T09:00:00Z",
        ["garden", "metal"],
    )
    assert task["created_by"] == ANA.id

    assert harness.get(task["id"]) == task
    changed = harness.ask("PUT", f"/{task['id']}", {"status": "in_progress", "progress": 30})
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["task"]["progress"] == 30
    harness.clock.advance(7200)
    done = harness.ask("POST", f"/{task['id']}/complete").json()["task"]
    assert (done["status"], done["progress"], done["completed_by"]) == ("completed", 100, ANA.id)
    stats = harness.ask("GET", "/stats").json()
    assert (stats["completion_rate"], stats["average_completion_time_hours"]) == (1.0, 2.0)
    assert harness.ask("DELETE", f"/{task['id']}").json() == {"success": True}
    assert harness.ask("GET", f"/{task['id']}").status_code == 404


def test_a_day_is_over_with_its_last_second_at_the_site(harness: Harness) -> None:
    harness = Harness(harness.db, "Europe/Berlin")
    assert harness.make(due_date="2026-12-01")["due_date"] == "2026-12-01T22:59:59Z"


def test_null_empties_and_what_is_left_out_stays(harness: Harness) -> None:
    task = harness.make(assignee=BEN.id, due_date="2026-12-01", estimated_hours=2.5)
    answer = harness.ask("PATCH", f"/{task['id']}", {"due_date": None, "estimated_hours": None})
    changed = answer.json()["task"]
    assert (changed["due_date"], changed["estimated_hours"]) == (None, None)
    assert changed["assignee"] == BEN.id
    for field in ("title", "status", "priority", "tags", "progress"):
        assert harness.ask("PATCH", f"/{task['id']}", {field: None}).status_code == 400


def test_a_change_that_changes_nothing_makes_no_version(harness: Harness) -> None:
    task = harness.make()
    answer = harness.ask("PUT", f"/{task['id']}", {"title": task["title"]})
    assert answer.json()["task"]["version"] == 1
    assert harness.events("task.updated") == []


def test_completing_twice_and_reopening_twice_change_nothing_more(harness: Harness) -> None:
    task = harness.make()
    first = harness.ask("POST", f"/{task['id']}/complete").json()
    assert harness.ask("POST", f"/{task['id']}/complete", {}).json() == first
    opened = harness.ask("POST", f"/{task['id']}/reopen").json()
    assert harness.ask("POST", f"/{task['id']}/reopen").json() == opened
    assert opened["task"]["completed_at"] is None
    assert (opened["task"]["progress"], opened["task"]["version"]) == (0, 3)
    assert len(harness.events("task.completed")) == 1


# ---- who sees what ----


def test_who_created_it_and_who_has_to_do_it_see_a_task_and_others_do_not(harness: Harness) -> None:
    mine = harness.make("mine")
    given = harness.make("given", assignee=BEN.id)
    assert harness.titles(BEN) == ["given"]
    assert sorted(harness.titles(BOSS)) == ["given", "mine"]
    assert harness.ask("GET", f"/{given['id']}", who=BEN).status_code == 200
    assert harness.ask("GET", "/stats", who=BEN).json()["total"] == 1
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"title": "stolen"}),
        ("PATCH", "", {"title": "stolen"}),
        ("DELETE", "", None),
        ("POST", "/complete", {}),
        ("POST", "/reopen", None),
        ("GET", "/comments", None),
        ("POST", "/comments", {"text": "hello"}),
        ("GET", "/history", None),
        ("GET", "/subtasks", None),
        ("GET", "/dependencies", None),
        ("PUT", f"/dependencies/{given['id']}", None),
    ):
        there = harness.ask(method, f"/{mine['id']}{path}", body, who=BEN)
        absent = harness.ask(method, f"/{UNKNOWN}{path}", body, who=BEN)
        assert (there.status_code, absent.status_code) == (404, 404), (method, path)
        # Word for word what is said of a task that never was.
        assert there.json()["error"]["message"] == absent.json()["error"]["message"].replace(
            UNKNOWN, mine["id"]
        )
    assert harness.get(mine["id"]) == mine


@pytest.mark.parametrize(("who", "status"), [(None, 401), (GUEST, 403)], ids=["anonymous", "guest"])
def test_nobody_and_guests_are_turned_away_everywhere(
    sqlite_harness: Harness, who: Principal | None, status: int
) -> None:
    for path, methods in sqlite_harness.app.openapi()["paths"].items():
        for method in methods:
            below = path.removeprefix("/api/v1/tasks")
            for name in ("{task_id}", "{needs_id}", "{comment_id}", "{row_id}"):
                below = below.replace(name, UNKNOWN)
            assert sqlite_harness.ask(method.upper(), below, who=who).status_code == status, path


def test_who_has_to_do_a_task_cannot_delete_it(harness: Harness) -> None:
    task = harness.make(assignee=BEN.id)
    assert harness.ask("DELETE", f"/{task['id']}", who=BEN).status_code == 403
    assert harness.ask("DELETE", f"/{task['id']}", who=BOSS).status_code == 200


# ---- versions ----


def test_if_match_protects_a_change_from_what_was_not_seen(harness: Harness) -> None:
    task = harness.make()
    path = f"/{task['id']}"
    first = harness.ask("PUT", path, {"title": "one"}, headers={"If-Match": '"1"'})
    second = harness.ask("PUT", path, {"title": "two"}, headers={"If-Match": '"1"'})
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["error"]["code"] == "PRECONDITION_FAILED"
    assert harness.get(task["id"])["title"] == "one"
    assert harness.ask("PUT", path, {"title": "three"}).json()["task"]["version"] == 3
    for tag, status in (
        ('W/"3"', 412),
        ("3", 412),
        ("nonsense", 412),
        (f'"{2**64}"', 412),
        ('"9", "3"', 200),
        ("*", 200),
    ):
        answer = harness.ask("POST", f"{path}/complete", headers={"If-Match": tag})
        assert answer.status_code == status, tag
    assert harness.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412
    assert harness.ask("GET", path, headers={"If-None-Match": '"4"'}).status_code == 304
    assert harness.ask("GET", path, headers={"If-None-Match": '"3"'}).status_code == 200


def test_every_version_is_in_the_history_with_who_and_what(harness: Harness) -> None:
    task = harness.make(assignee=BEN.id)
    harness.clock.advance(60)
    harness.ask("PUT", f"/{task['id']}", {"title": "New", "due_date": "2026-12-01"}, who=BEN)
    harness.ask("POST", f"/{task['id']}/complete")
    body = harness.ask("GET", f"/{task['id']}/history", limit=2).json()
    last, middle = body["history"]
    assert (middle["version"], middle["changed_by"]) == (2, BEN.id)
    assert middle["changed_at"] == "2026-11-02T07:31:00Z"
    assert middle["changes"] == [
        {"field": "title", "old": "Sweep the yard", "new": "New"},
        {"field": "due_date", "old": None, "new": "2026-12-01T23:59:59.000000Z"},
    ]
    assert {"field": "status", "old": "pending", "new": "completed"} in last["changes"]
    rest = harness.ask("GET", f"/{task['id']}/history", cursor=body["next_cursor"]).json()
    assert [entry["version"] for entry in rest["history"]] == [1]
    assert rest["next_cursor"] is None


# ---- comments, subtasks, dependencies ----


def test_comments_are_read_in_their_order_and_deleted_by_who_wrote_them(harness: Harness) -> None:
    task = harness.make(assignee=BEN.id)
    path = f"/{task['id']}/comments"
    for number in range(3):
        who = BEN if number == 1 else ANA
        assert harness.ask("POST", path, {"text": f"c{number}"}, who=who).status_code == 201
    page = harness.ask("GET", path, limit=2).json()
    assert [comment["text"] for comment in page["comments"]] == ["c0", "c1"]
    rest = harness.ask("GET", path, cursor=page["next_cursor"]).json()
    assert [comment["text"] for comment in rest["comments"]] == ["c2"]
    of_ben = page["comments"][1]["id"]
    assert harness.ask("DELETE", f"{path}/{of_ben}").status_code == 403
    assert harness.ask("DELETE", f"{path}/{of_ben}", who=BEN).status_code == 200
    assert harness.ask("DELETE", f"{path}/{of_ben}", who=BEN).status_code == 404


def test_a_task_has_parts_and_is_never_part_of_itself(harness: Harness) -> None:
    house = harness.make("house")
    roof = harness.make("roof", parent_id=house["id"])
    tile = harness.make("tile", parent_id=roof["id"])
    parts = harness.ask("GET", f"/{house['id']}/subtasks").json()["subtasks"]
    assert [part["title"] for part in parts] == ["roof"]
    for child, parent in ((house, tile), (house, house), (roof, tile)):
        answer = harness.ask("PUT", f"/{child['id']}", {"parent_id": parent["id"]})
        assert answer.status_code == 409
    assert harness.ask("DELETE", f"/{house['id']}").status_code == 409
    assert harness.ask("POST", "", {"title": "x", "parent_id": UNKNOWN}).status_code == 404
    assert (
        harness.ask("POST", "", {"title": "x", "parent_id": house["id"]}, who=BEN).status_code
        == 404
    )
    deep = tile
    while (answer := harness.ask("POST", "", {"title": "x", "parent_id": deep["id"]})).is_success:
        deep = answer.json()["task"]
    assert answer.status_code == 409
    assert "nested" in answer.json()["error"]["message"]


def test_a_task_waits_for_those_it_depends_on_unless_forced(harness: Harness) -> None:
    paint, sand = harness.make("paint"), harness.make("sand")
    path = f"/{paint['id']}/dependencies/{sand['id']}"
    assert harness.ask("PUT", path).json()["task"]["version"] == 2
    assert harness.ask("PUT", path).json()["task"]["version"] == 2
    shown = harness.ask("GET", f"/{sand['id']}/dependencies").json()
    assert [task["title"] for task in shown["needed_by"]] == ["paint"]
    refused = harness.ask("POST", f"/{paint['id']}/complete")
    assert refused.status_code == 409
    assert harness.ask("PUT", f"/{paint['id']}", {"status": "completed"}).status_code == 409
    assert harness.ask("PUT", f"/{sand['id']}/dependencies/{paint['id']}").status_code == 409
    assert harness.ask("PUT", f"/{sand['id']}/dependencies/{sand['id']}").status_code == 409
    forced = harness.ask("POST", f"/{paint['id']}/complete", {"force": True})
    assert forced.json()["task"]["status"] == "completed"
    harness.ask("POST", f"/{paint['id']}/reopen")
    harness.ask("POST", f"/{sand['id']}/complete")
    assert harness.ask("POST", f"/{paint['id']}/complete").status_code == 200
    assert harness.ask("DELETE", path).status_code == 200
    assert harness.ask("DELETE", path).status_code == 404


def test_what_one_may_not_see_of_the_dependencies_is_only_counted(harness: Harness) -> None:
    own = harness.make("own", assignee=BEN.id)
    secret = harness.make("secret")
    harness.ask("PUT", f"/{own['id']}/dependencies/{secret['id']}")
    answer = harness.ask("GET", f"/{own['id']}/dependencies", who=BEN)
    assert answer.json() == {"depends_on": [], "needed_by": [], "hidden": 1}
    assert secret["id"] not in answer.text


# ---- events ----


def test_each_change_is_told_to_its_subscribers_in_the_same_transaction(harness: Harness) -> None:
    task = harness.make(priority="urgent", due_date="2026-12-01T00:00:00Z")
    harness.ask("PUT", f"/{task['id']}", {"title": "New"})
    harness.clock.advance(90)
    harness.ask("POST", f"/{task['id']}/complete")
    harness.ask("DELETE", f"/{task['id']}")
    (created,) = harness.events("task.created")
    assert created["task_id"] == task["id"]
    assert (created["due_at"], created["source"]) == ("2026-12-01T00:00:00Z", None)
    assert {job.queue for job in harness.jobs("task.created")} == {"reports", "analytics"}
    (updated,) = harness.events("task.updated")
    assert (updated["changed"], updated["version"]) == (["title"], 2)
    (completed,) = harness.events("task.completed")
    assert (completed["seconds_open"], completed["close_incident"]) == (90, False)
    (deleted,) = harness.events("task.deleted")
    assert deleted["deleted_by"] == ANA.id


def test_a_hint_that_cannot_be_sent_costs_no_task(harness: Harness) -> None:
    harness.queues.offline = True
    task = harness.make()
    assert harness.get(task["id"]) == task
    assert len(harness.jobs("task.created")) == 2


# ---- many at once ----


def test_of_many_changes_some_may_fail_and_the_rest_is_done(harness: Harness) -> None:
    first, second = harness.make("first"), harness.make("second")
    foreign = harness.make("foreign", BEN)
    operations: list[dict[str, Any]] = [
        {"op": "create", "task": {"title": "third"}},
        {"op": "update", "id": first["id"], "changes": {"priority": "low"}},
        {"op": "update", "id": first["id"], "version": 1, "changes": {"priority": "high"}},
        {"op": "complete", "id": second["id"]},
        {"op": "delete", "id": foreign["id"]},
        {"op": "reopen", "id": second["id"]},
        {"op": "create"},
        {"op": "update", "id": first["id"]},
        {"op": "delete", "id": first["id"]},
        {"op": "complete", "id": first["id"]},
        {"op": "create", "task": {"title": "x", "repeat_rule": "FREQ=DAILY"}},
    ]
    body = harness.ask("POST", "/bulk", {"operations": operations}).json()
    statuses = [item["status"] for item in body["items"]]
    assert statuses == [201, 200, 412, 200, 404, 200, 400, 400, 200, 404, 400]
    assert (body["succeeded"], body["failed"]) == (5, 6)
    assert sorted(harness.titles()) == ["second", "third"]
    assert harness.titles(BEN) == ["foreign"]


def test_more_than_a_hundred_at_once_are_refused(harness: Harness) -> None:
    operations = [{"op": "create", "task": {"title": "x"}}] * 101
    assert harness.ask("POST", "/bulk", {"operations": operations}).status_code == 400
    assert harness.list()["total"] == 0
    answer = harness.ask("POST", "/bulk", {"operations": operations[:100]})
    assert answer.json()["succeeded"] == 100


# ---- the same request again ----


def test_a_request_with_a_key_is_done_once(harness: Harness) -> None:
    headers = {"Idempotency-Key": "a-1"}
    first = harness.ask("POST", "", {"title": "x"}, headers=headers)
    second = harness.ask("POST", "", {"title": "x"}, headers=headers)
    assert (first.json(), first.status_code) == (second.json(), second.status_code)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["etag"] == '"1"'
    other = harness.ask("POST", "", {"title": "y"}, headers=headers)
    assert other.status_code == 409
    assert harness.ask("POST", "", {"title": "x"}, headers=headers, who=BEN).status_code == 201
    assert harness.titles() == ["x"]
    assert len(harness.events("task.created")) == 2
    harness.clock.advance(timedelta(hours=24, seconds=1).total_seconds())
    assert harness.ask("POST", "", {"title": "y"}, headers=headers).status_code == 201


def test_a_key_is_free_again_when_its_request_failed(harness: Harness) -> None:
    headers = {"Idempotency-Key": "k"}
    bad = {"title": "x", "parent_id": UNKNOWN}
    assert harness.ask("POST", "", bad, headers=headers).status_code == 404
    assert harness.ask("POST", "", {"title": "x"}, headers=headers).status_code == 201


def test_every_post_honours_a_key(harness: Harness) -> None:
    task = harness.make()
    for path, body in (
        (f"/{task['id']}/complete", {}),
        (f"/{task['id']}/reopen", None),
        (f"/{task['id']}/comments", {"text": "c"}),
        ("/bulk", {"operations": [{"op": "create", "task": {"title": "b"}}]}),
    ):
        headers = {"Idempotency-Key": path}
        first = harness.ask("POST", path, body, headers=headers)
        second = harness.ask("POST", path, body, headers=headers)
        assert first.is_success
        assert first.json() == second.json(), path
        assert second.headers["idempotency-replayed"] == "true", path
    assert len(harness.ask("GET", f"/{task['id']}/comments").json()["comments"]) == 1
    assert harness.list()["total"] == 2
