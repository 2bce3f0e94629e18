"""Tasks through the API, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hearth.http.auth import Principal
from tests.contract.tasks.desk import ANA, BEN, BOSS, GUEST, Desk

UNKNOWN = "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"


# ---- the seed's contract ----


def test_nobody_has_tasks_at_first(desk: Desk) -> None:
    assert desk.list() == {
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
    assert desk.ask("GET", "/stats").json() == {
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


def test_a_task_is_created_read_changed_completed_and_deleted(desk: Desk) -> None:
    answer = desk.ask(
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

    assert desk.get(task["id"]) == task
    changed = desk.ask("PUT", f"/{task['id']}", {"status": "in_progress", "progress": 30})
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["task"]["progress"] == 30
    desk.clock.advance(7200)
    done = desk.ask("POST", f"/{task['id']}/complete").json()["task"]
    assert (done["status"], done["progress"], done["completed_by"]) == ("completed", 100, ANA.id)
    stats = desk.ask("GET", "/stats").json()
    assert (stats["completion_rate"], stats["average_completion_time_hours"]) == (1.0, 2.0)
    assert desk.ask("DELETE", f"/{task['id']}").json() == {"success": True}
    assert desk.ask("GET", f"/{task['id']}").status_code == 404


def test_a_day_is_over_with_its_last_second_at_the_site(desk: Desk) -> None:
    desk = Desk(desk.db, "Europe/Berlin")
    assert desk.make(due_date="2026-12-01")["due_date"] == "2026-12-01T22:59:59Z"


def test_null_empties_and_what_is_left_out_stays(desk: Desk) -> None:
    task = desk.make(assignee=BEN.id, due_date="2026-12-01", estimated_hours=2.5)
    answer = desk.ask("PATCH", f"/{task['id']}", {"due_date": None, "estimated_hours": None})
    changed = answer.json()["task"]
    assert (changed["due_date"], changed["estimated_hours"]) == (None, None)
    assert changed["assignee"] == BEN.id
    for field in ("title", "status", "priority", "tags", "progress"):
        assert desk.ask("PATCH", f"/{task['id']}", {field: None}).status_code == 400


def test_a_change_that_changes_nothing_makes_no_version(desk: Desk) -> None:
    task = desk.make()
    answer = desk.ask("PUT", f"/{task['id']}", {"title": task["title"]})
    assert answer.json()["task"]["version"] == 1
    assert desk.told("task.updated") == []


def test_completing_twice_and_reopening_twice_change_nothing_more(desk: Desk) -> None:
    task = desk.make()
    first = desk.ask("POST", f"/{task['id']}/complete").json()
    assert desk.ask("POST", f"/{task['id']}/complete", {}).json() == first
    opened = desk.ask("POST", f"/{task['id']}/reopen").json()
    assert desk.ask("POST", f"/{task['id']}/reopen").json() == opened
    assert opened["task"]["completed_at"] is None
    assert (opened["task"]["progress"], opened["task"]["version"]) == (0, 3)
    assert len(desk.told("task.completed")) == 1


# ---- who sees what ----


def test_who_created_it_and_who_has_to_do_it_see_a_task_and_others_do_not(desk: Desk) -> None:
    mine = desk.make("mine")
    given = desk.make("given", assignee=BEN.id)
    assert desk.titles(BEN) == ["given"]
    assert sorted(desk.titles(BOSS)) == ["given", "mine"]
    assert desk.ask("GET", f"/{given['id']}", who=BEN).status_code == 200
    assert desk.ask("GET", "/stats", who=BEN).json()["total"] == 1
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
        there = desk.ask(method, f"/{mine['id']}{path}", body, who=BEN)
        absent = desk.ask(method, f"/{UNKNOWN}{path}", body, who=BEN)
        assert (there.status_code, absent.status_code) == (404, 404), (method, path)
        # Word for word what is said of a task that never was.
        assert there.json()["error"]["message"] == absent.json()["error"]["message"].replace(
            UNKNOWN, mine["id"]
        )
    assert desk.get(mine["id"]) == mine


@pytest.mark.parametrize(("who", "status"), [(None, 401), (GUEST, 403)], ids=["anonymous", "guest"])
def test_nobody_and_guests_are_turned_away_everywhere(
    sqlite_desk: Desk, who: Principal | None, status: int
) -> None:
    for path, methods in sqlite_desk.app.openapi()["paths"].items():
        for method in methods:
            below = path.removeprefix("/api/v1/tasks")
            for name in ("{task_id}", "{needs_id}", "{comment_id}", "{row_id}"):
                below = below.replace(name, UNKNOWN)
            assert sqlite_desk.ask(method.upper(), below, who=who).status_code == status, path


def test_who_has_to_do_a_task_cannot_delete_it(desk: Desk) -> None:
    task = desk.make(assignee=BEN.id)
    assert desk.ask("DELETE", f"/{task['id']}", who=BEN).status_code == 403
    assert desk.ask("DELETE", f"/{task['id']}", who=BOSS).status_code == 200


# ---- versions ----


def test_if_match_protects_a_change_from_what_was_not_seen(desk: Desk) -> None:
    task = desk.make()
    path = f"/{task['id']}"
    first = desk.ask("PUT", path, {"title": "one"}, headers={"If-Match": '"1"'})
    second = desk.ask("PUT", path, {"title": "two"}, headers={"If-Match": '"1"'})
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["error"]["code"] == "PRECONDITION_FAILED"
    assert desk.get(task["id"])["title"] == "one"
    assert desk.ask("PUT", path, {"title": "three"}).json()["task"]["version"] == 3
    for tag, status in (
        ('W/"3"', 412),
        ("3", 412),
        ("nonsense", 412),
        (f'"{2**64}"', 412),
        ('"9", "3"', 200),
        ("*", 200),
    ):
        answer = desk.ask("POST", f"{path}/complete", headers={"If-Match": tag})
        assert answer.status_code == status, tag
    assert desk.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412
    assert desk.ask("GET", path, headers={"If-None-Match": '"4"'}).status_code == 304
    assert desk.ask("GET", path, headers={"If-None-Match": '"3"'}).status_code == 200


def test_every_version_is_in_the_history_with_who_and_what(desk: Desk) -> None:
    task = desk.make(assignee=BEN.id)
    desk.clock.advance(60)
    desk.ask("PUT", f"/{task['id']}", {"title": "New", "due_date": "2026-12-01"}, who=BEN)
    desk.ask("POST", f"/{task['id']}/complete")
    body = desk.ask("GET", f"/{task['id']}/history", limit=2).json()
    last, middle = body["history"]
    assert (middle["version"], middle["changed_by"]) == (2, BEN.id)
    assert middle["changed_at"] == "2026-11-02T07:31:00Z"
    assert middle["changes"] == [
        {"field": "title", "old": "Sweep the yard", "new": "New"},
        {"field": "due_date", "old": None, "new": "2026-12-01T23:59:59.000000Z"},
    ]
    assert {"field": "status", "old": "pending", "new": "completed"} in last["changes"]
    rest = desk.ask("GET", f"/{task['id']}/history", cursor=body["next_cursor"]).json()
    assert [entry["version"] for entry in rest["history"]] == [1]
    assert rest["next_cursor"] is None


# ---- comments, subtasks, dependencies ----


def test_comments_are_read_in_their_order_and_deleted_by_who_wrote_them(desk: Desk) -> None:
    task = desk.make(assignee=BEN.id)
    path = f"/{task['id']}/comments"
    for number in range(3):
        who = BEN if number == 1 else ANA
        assert desk.ask("POST", path, {"text": f"c{number}"}, who=who).status_code == 201
    page = desk.ask("GET", path, limit=2).json()
    assert [comment["text"] for comment in page["comments"]] == ["c0", "c1"]
    rest = desk.ask("GET", path, cursor=page["next_cursor"]).json()
    assert [comment["text"] for comment in rest["comments"]] == ["c2"]
    of_ben = page["comments"][1]["id"]
    assert desk.ask("DELETE", f"{path}/{of_ben}").status_code == 403
    assert desk.ask("DELETE", f"{path}/{of_ben}", who=BEN).status_code == 200
    assert desk.ask("DELETE", f"{path}/{of_ben}", who=BEN).status_code == 404


def test_a_task_has_parts_and_is_never_part_of_itself(desk: Desk) -> None:
    house = desk.make("house")
    roof = desk.make("roof", parent_id=house["id"])
    tile = desk.make("tile", parent_id=roof["id"])
    parts = desk.ask("GET", f"/{house['id']}/subtasks").json()["subtasks"]
    assert [part["title"] for part in parts] == ["roof"]
    for child, parent in ((house, tile), (house, house), (roof, tile)):
        answer = desk.ask("PUT", f"/{child['id']}", {"parent_id": parent["id"]})
        assert answer.status_code == 409
    assert desk.ask("DELETE", f"/{house['id']}").status_code == 409
    assert desk.ask("POST", "", {"title": "x", "parent_id": UNKNOWN}).status_code == 404
    assert (
        desk.ask("POST", "", {"title": "x", "parent_id": house["id"]}, who=BEN).status_code == 404
    )
    deep = tile
    while (answer := desk.ask("POST", "", {"title": "x", "parent_id": deep["id"]})).is_success:
        deep = answer.json()["task"]
    assert answer.status_code == 409
    assert "nested" in answer.json()["error"]["message"]


def test_a_task_waits_for_those_it_depends_on_unless_forced(desk: Desk) -> None:
    paint, sand = desk.make("paint"), desk.make("sand")
    path = f"/{paint['id']}/dependencies/{sand['id']}"
    assert desk.ask("PUT", path).json()["task"]["version"] == 2
    assert desk.ask("PUT", path).json()["task"]["version"] == 2
    shown = desk.ask("GET", f"/{sand['id']}/dependencies").json()
    assert [task["title"] for task in shown["needed_by"]] == ["paint"]
    refused = desk.ask("POST", f"/{paint['id']}/complete")
    assert refused.status_code == 409
    assert desk.ask("PUT", f"/{paint['id']}", {"status": "completed"}).status_code == 409
    assert desk.ask("PUT", f"/{sand['id']}/dependencies/{paint['id']}").status_code == 409
    assert desk.ask("PUT", f"/{sand['id']}/dependencies/{sand['id']}").status_code == 409
    forced = desk.ask("POST", f"/{paint['id']}/complete", {"force": True})
    assert forced.json()["task"]["status"] == "completed"
    desk.ask("POST", f"/{paint['id']}/reopen")
    desk.ask("POST", f"/{sand['id']}/complete")
    assert desk.ask("POST", f"/{paint['id']}/complete").status_code == 200
    assert desk.ask("DELETE", path).status_code == 200
    assert desk.ask("DELETE", path).status_code == 404


def test_what_one_may_not_see_of_the_dependencies_is_only_counted(desk: Desk) -> None:
    own = desk.make("own", assignee=BEN.id)
    secret = desk.make("secret")
    desk.ask("PUT", f"/{own['id']}/dependencies/{secret['id']}")
    answer = desk.ask("GET", f"/{own['id']}/dependencies", who=BEN)
    assert answer.json() == {"depends_on": [], "needed_by": [], "hidden": 1}
    assert secret["id"] not in answer.text


# ---- events ----


def test_each_change_is_told_to_its_subscribers_in_the_same_transaction(desk: Desk) -> None:
    task = desk.make(priority="urgent", due_date="2026-12-01T00:00:00Z")
    desk.ask("PUT", f"/{task['id']}", {"title": "New"})
    desk.clock.advance(90)
    desk.ask("POST", f"/{task['id']}/complete")
    desk.ask("DELETE", f"/{task['id']}")
    (created,) = desk.told("task.created")
    assert created["task_id"] == task["id"]
    assert (created["due_at"], created["source"]) == ("2026-12-01T00:00:00Z", None)
    assert {job.queue for job in desk.jobs("task.created")} == {"reports", "analytics"}
    (updated,) = desk.told("task.updated")
    assert (updated["changed"], updated["version"]) == (["title"], 2)
    (completed,) = desk.told("task.completed")
    assert (completed["seconds_open"], completed["close_incident"]) == (90, False)
    (deleted,) = desk.told("task.deleted")
    assert deleted["deleted_by"] == ANA.id


def test_a_hint_that_cannot_be_sent_costs_no_task(desk: Desk) -> None:
    desk.queues.offline = True
    task = desk.make()
    assert desk.get(task["id"]) == task
    assert len(desk.jobs("task.created")) == 2


# ---- many at once ----


def test_of_many_changes_some_may_fail_and_the_rest_is_done(desk: Desk) -> None:
    first, second = desk.make("first"), desk.make("second")
    foreign = desk.make("foreign", BEN)
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
    body = desk.ask("POST", "/bulk", {"operations": operations}).json()
    statuses = [item["status"] for item in body["items"]]
    assert statuses == [201, 200, 412, 200, 404, 200, 400, 400, 200, 404, 400]
    assert (body["succeeded"], body["failed"]) == (5, 6)
    assert sorted(desk.titles()) == ["second", "third"]
    assert desk.titles(BEN) == ["foreign"]


def test_more_than_a_hundred_at_once_are_refused(desk: Desk) -> None:
    operations = [{"op": "create", "task": {"title": "x"}}] * 101
    assert desk.ask("POST", "/bulk", {"operations": operations}).status_code == 400
    assert desk.list()["total"] == 0
    answer = desk.ask("POST", "/bulk", {"operations": operations[:100]})
    assert answer.json()["succeeded"] == 100


# ---- the same request again ----


def test_a_request_with_a_key_is_done_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "a-1"}
    first = desk.ask("POST", "", {"title": "x"}, headers=headers)
    second = desk.ask("POST", "", {"title": "x"}, headers=headers)
    assert (first.json(), first.status_code) == (second.json(), second.status_code)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["etag"] == '"1"'
    other = desk.ask("POST", "", {"title": "y"}, headers=headers)
    assert other.status_code == 409
    assert desk.ask("POST", "", {"title": "x"}, headers=headers, who=BEN).status_code == 201
    assert desk.titles() == ["x"]
    assert len(desk.told("task.created")) == 2
    desk.clock.advance(timedelta(hours=24, seconds=1).total_seconds())
    assert desk.ask("POST", "", {"title": "y"}, headers=headers).status_code == 201


def test_a_key_is_free_again_when_its_request_failed(desk: Desk) -> None:
    headers = {"Idempotency-Key": "k"}
    bad = {"title": "x", "parent_id": UNKNOWN}
    assert desk.ask("POST", "", bad, headers=headers).status_code == 404
    assert desk.ask("POST", "", {"title": "x"}, headers=headers).status_code == 201


def test_every_post_honours_a_key(desk: Desk) -> None:
    task = desk.make()
    for path, body in (
        (f"/{task['id']}/complete", {}),
        (f"/{task['id']}/reopen", None),
        (f"/{task['id']}/comments", {"text": "c"}),
        ("/bulk", {"operations": [{"op": "create", "task": {"title": "b"}}]}),
    ):
        headers = {"Idempotency-Key": path}
        first = desk.ask("POST", path, body, headers=headers)
        second = desk.ask("POST", path, body, headers=headers)
        assert first.is_success
        assert first.json() == second.json(), path
        assert second.headers["idempotency-replayed"] == "true", path
    assert len(desk.ask("GET", f"/{task['id']}/comments").json()["comments"]) == 1
    assert desk.list()["total"] == 2
