"""Lists against an oracle that filters and sorts in Python, on both engines."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.tasks.harness import ANA, BEN, Harness

Task = dict[str, Any]
RANK = {"low": 1, "medium": 2, "high": 3, "urgent": 4}
NEVER = "9999"


@pytest.fixture
def many(harness: Harness) -> tuple[Harness, list[Task]]:
    """Sixty tasks with some of everything; some made in the same microsecond."""
    chance = random.Random(7)
    tasks = []
    for number in range(60):
        if number % 3:
            harness.clock.advance(60)
        task = harness.make(
            f"Task {number} {chance.choice(['Straße', 'garden', 'roof_50%'])}",
            description=chance.choice(["", "with a ladder", "100% sure"]),
            status=chance.choice(["pending", "in_progress", "blocked"]),
            priority=chance.choice(list(RANK)),
            category=chance.choice(["home", "work"]),
            tags=chance.sample(["a", "ab", "c%", "d_"], chance.randrange(3)),
            assignee=chance.choice([None, BEN.id]),
            due_date=chance.choice([None, f"2026-11-{1 + number % 9:02}T12:00:00Z"]),
        )
        if number % 5 == 0:
            task = harness.ask("POST", f"/{task['id']}/complete").json()["task"]
        tasks.append(task)
    harness.make("of somebody else", BEN)
    return harness, tasks


def text(task: Task) -> str:
    parts = [task["title"], task["description"], task["category"], *task["tags"]]
    return "\n".join(parts).casefold()


CASES: list[tuple[dict[str, Any], Callable[[Task], bool]]] = [
    ({}, lambda t: True),
    ({"status": "pending"}, lambda t: t["status"] == "pending"),
    ({"status": ["blocked", "completed"]}, lambda t: t["status"] in ("blocked", "completed")),
    ({"status": "cancelled"}, lambda t: False),
    ({"priority": ["urgent", "low"]}, lambda t: t["priority"] in ("urgent", "low")),
    ({"category": "work"}, lambda t: t["category"] == "work"),
    ({"category": "wor"}, lambda t: False),
    ({"assignee": BEN.id}, lambda t: t["assignee"] == BEN.id),
    ({"tags": "a"}, lambda t: "a" in t["tags"]),
    ({"tags": ["a", "ab"]}, lambda t: {"a", "ab"} <= set(t["tags"])),
    ({"tags": "%"}, lambda t: False),
    ({"tags": "C%"}, lambda t: "c%" in t["tags"]),
    ({"search": "STRASSE"}, lambda t: "strasse" in text(t)),
    ({"search": "50% roof"}, lambda t: "50%" in text(t) and "roof" in text(t)),
    ({"search": "k_1"}, lambda t: False),
    ({"search": "' OR 1=1 --"}, lambda t: False),
    ({"search": "ladder", "status": "pending", "tags": "a"}, lambda t: (
        "ladder" in text(t) and t["status"] == "pending" and "a" in t["tags"])),
    ({"due_before": "2026-11-04T12:00:00Z"}, lambda t: (t["due_date"] or NEVER) < "2026-11-04T12"),
    ({"due_after": "2026-11-04T12:00:00Z"}, lambda t: (t["due_date"] or "") >= "2026-11-04T12"),
    ({"overdue": "true"}, lambda t: (
        t["status"] != "completed" and (t["due_date"] or NEVER) < "2026-11-02T08")),
    ({"priority": "high", "status": "pending", "category": "home", "assignee": BEN.id}, lambda t: (
        t["priority"] == "high" and t["status"] == "pending" and t["category"] == "home"
        and t["assignee"] == BEN.id)),
]  # fmt: skip


def key_of(sort: str) -> Callable[[Task], tuple[Any, str]]:
    def key(task: Task) -> tuple[Any, str]:
        if sort == "priority":
            return RANK[task["priority"]], task["id"]
        # The wire leaves zero fractions out; whole seconds sort before their fractions as text.
        return (task[sort] or NEVER).replace("Z", ""), task["id"]

    return key


def test_every_filter_and_sort_gives_what_the_oracle_gives(
    many: tuple[Harness, list[Task]],
) -> None:
    harness, tasks = many
    for query, holds in CASES:
        expected = [task["id"] for task in tasks if holds(task)]
        for sort in ("created_at", "updated_at", "due_date", "priority"):
            for order in ("asc", "desc"):
                page = harness.list(**query, sort=sort, order=order, limit=100)
                found = [task["id"] for task in page["tasks"]]
                wanted = [task for task in tasks if task["id"] in set(expected)]
                wanted.sort(key=key_of(sort), reverse=order == "desc")
                assert found == [task["id"] for task in wanted], (query, sort, order)
                assert page["total"] == len(expected), query


@pytest.mark.parametrize("query", [{}, {"search": "task"}, {"status": "pending"}], ids=str)
def test_pages_by_number_and_by_cursor_are_the_same(
    many: tuple[Harness, list[Task]], query: dict[str, str]
) -> None:
    harness, _ = many
    for sort in ("created_at", "due_date", "priority"):
        whole = [task["id"] for task in harness.list(**query, sort=sort, limit=100)["tasks"]]
        by_number: list[str] = []
        by_cursor: list[str] = []
        cursor: dict[str, str] = {}
        for number in range(1, 10):
            page = harness.list(**query, sort=sort, limit=7, page=number)
            by_number += [task["id"] for task in page["tasks"]]
            assert page["total_pages"] == -(-len(whole) // 7)
            assert page["has_prev"] is (number > 1)
            if cursor or number == 1:
                following = harness.list(**query, sort=sort, limit=7, **cursor)
                by_cursor += [task["id"] for task in following["tasks"]]
                assert following["page"] == number
                cursor = {"cursor": following["next_cursor"]} if following["has_next"] else {}
        assert by_number == by_cursor == whole


def test_a_cursor_of_another_list_is_refused(harness: Harness) -> None:
    for number in range(3):
        harness.make(str(number))
    cursor = harness.list(limit=1)["next_cursor"]
    assert harness.ask("GET", cursor=cursor, sort="priority").status_code == 400
    assert harness.ask("GET", cursor=cursor, order="asc").status_code == 400
    assert harness.ask("GET", cursor=cursor[:-4]).status_code == 400


def test_stats_are_those_of_an_oracle(many: tuple[Harness, list[Task]]) -> None:
    harness, tasks = many
    stats = harness.ask("GET", "/stats").json()
    for field, counted in (("status", "by_status"), ("priority", "by_priority")):
        for name, number in stats[counted].items():
            assert number == sum(task[field] == name for task in tasks)
    late = f"{harness.clock():%Y-%m-%dT%H:%M:%SZ}"
    assert stats["overdue"] == sum(
        task["status"] != "completed" and (task["due_date"] or NEVER) < late for task in tasks
    )
    assert stats["completion_rate"] == pytest.approx(12 / 60)
    assert stats["average_completion_time_hours"] == 0.0
    assert harness.ask("GET", "/stats", who=BEN).json()["total"] == 1 + sum(
        task["assignee"] == BEN.id for task in tasks
    )


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.sampled_from(["create", "delete shown", "delete next", "change"]), max_size=8
    ),
    sort=st.sampled_from(["created_at", "priority", "due_date"]),
    order=st.sampled_from(["asc", "desc"]),
    limit=st.integers(1, 4),
)
def test_no_task_is_missed_or_shown_twice_while_others_come_and_go(
    sqlite_harness: Harness, steps: list[str], sort: str, order: str, limit: int
) -> None:
    harness = sqlite_harness
    for task in harness.list(limit=100)["tasks"]:
        harness.ask("DELETE", f"/{task['id']}")
    for number in range(8):
        harness.make(
            str(number), priority=list(RANK)[number % 4], due_date=f"2026-12-0{1 + number % 3}"
        )
    stay = {task["id"] for task in harness.list(limit=100)["tasks"]}
    shown: list[str] = []
    cursor: dict[str, str] = {}
    steps = list(steps)
    while True:
        page = harness.list(sort=sort, order=order, limit=limit, **cursor)
        shown += [task["id"] for task in page["tasks"]]
        if not page["has_next"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        match steps.pop() if steps else None:
            case "create":
                harness.make("new", priority="high")
            case "delete shown":
                gone = shown[-1]  # the very task that the cursor names
                harness.ask("DELETE", f"/{gone}")
                stay.discard(gone)
            case "delete next":
                gone = harness.list(sort=sort, order=order, limit=1, **cursor)["tasks"][0]["id"]
                harness.ask("DELETE", f"/{gone}")
                stay.discard(gone)
            case "change":
                harness.ask("PUT", f"/{shown[0]}", {"description": "changed"})
    assert len(shown) == len(set(shown))
    assert stay <= set(shown)
    assert harness.list(ANA)["total"] >= len(stay)
