"""Many at once on one database: SQLite with its one writer, PostgreSQL with many."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.tasks.schemas import CompletionIn, TaskChangesIn, TaskIn
from functions.tasks.task import Actor
from hearth.errors import Conflict, HearthError
from tests.contract.tasks.harness import ANA, Harness

ME = Actor(ANA.id)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives, or its error's code, when all begin together."""
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        gate.wait()
        try:
            results[number] = calls[number]()
        except HearthError as error:
            results[number] = error.code

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_concurrent_changes_of_one_version_one_wins(harness: Harness) -> None:
    task = harness.make()

    def change(number: int) -> Callable[[], Any]:
        changes = TaskChangesIn(title=f"by {number}")
        return lambda: (
            harness.services.tasks.update(ME, task["id"], changes, frozenset({1})).task.title
        )

    results = at_once(*map(change, range(6)))
    assert Counter(results)["PRECONDITION_FAILED"] == 5
    (winner,) = set(results) - {"PRECONDITION_FAILED"}
    assert (harness.get(task["id"])["title"], harness.get(task["id"])["version"]) == (winner, 2)


def test_concurrent_changes_without_if_match_are_all_made_one_after_the_other(
    harness: Harness,
) -> None:
    task = harness.make()

    def change(number: int) -> Callable[[], Any]:
        changes = TaskChangesIn(title=f"by {number}")
        return lambda: harness.services.tasks.update(ME, task["id"], changes).task.version

    assert sorted(at_once(*map(change, range(6)))) == [2, 3, 4, 5, 6, 7]
    history = harness.ask("GET", f"/{task['id']}/history").json()["history"]
    assert [entry["version"] for entry in history] == [7, 6, 5, 4, 3, 2, 1]


def test_a_repeated_task_that_many_complete_at_once_has_one_next_occurrence(
    harness: Harness,
) -> None:
    task = harness.make(due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=DAILY")
    calls = [
        lambda: harness.services.tasks.complete(ME, task["id"], CompletionIn())[0].task.next_id
    ] * 6
    results = at_once(*calls)
    assert len(set(results)) == 1
    assert harness.list()["total"] == 2
    assert len(harness.events("task.completed")) == 1


def test_a_key_that_is_sent_many_times_at_once_makes_one_task(harness: Harness) -> None:
    calls = [lambda: harness.services.tasks.create(ME, TaskIn(title="x"), "the-key")[0].id] * 6
    assert len(set(at_once(*calls))) == 1
    assert harness.list()["total"] == 1


def test_a_report_that_is_told_many_times_at_once_makes_one_task(harness: Harness) -> None:
    jobs = harness.report_ready("r1")
    at_once(*[lambda: harness.deliver(*jobs)] * 4)
    assert len(harness.events("task.created")) == 1


def test_edges_that_close_a_circle_together_are_not_all_added(harness: Harness) -> None:
    tasks = [harness.make(str(number)) for number in range(4)]
    # Each joins two that no other names: without a common lock none would see the circle.
    at_once(
        *[
            lambda a=a, b=b: harness.services.relations.add_dependency(
                ME, tasks[a]["id"], tasks[b]["id"]
            )
            for a, b in ((0, 1), (2, 3))
        ]
    )
    results = at_once(
        *[
            lambda a=a, b=b: (
                harness.services.relations.add_dependency(
                    ME, tasks[a]["id"], tasks[b]["id"]
                ).task.version
            )
            for a, b in ((1, 2), (3, 0))
        ]
    )
    assert Counter(results)["CONFLICT"] == 1


def test_an_import_that_runs_twice_at_once_makes_each_task_once(harness: Harness) -> None:
    data = b"uid,title\r\n" + b"".join(b"u%d,t%d\r\n" % (n, n) for n in range(10))
    results = at_once(
        *[lambda: harness.services.bulk.import_file(ME, "csv", data)[0].failed] * 3,
    )
    assert results == [0, 0, 0]
    assert harness.list()["total"] == 10


def reaches(edges: set[tuple[int, int]], start: int, goal: int) -> bool:
    """Whether a path leads from `start` to `goal`, by what is known to be slow and right."""
    paths = {start}
    for _ in range(len(edges) + 1):
        paths |= {b for a, b in edges if a in paths}
    return goal in paths


@pytest.fixture
def six(sqlite_harness: Harness) -> tuple[Harness, list[str]]:
    return sqlite_harness, [sqlite_harness.make(str(number))["id"] for number in range(6)]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=15))
def test_dependencies_never_form_a_circle(
    six: tuple[Harness, list[str]], wanted: list[tuple[int, int]]
) -> None:
    harness, ids = six
    edges: set[tuple[int, int]] = set()
    for a, b in wanted:
        if reaches(edges, b, a):
            with pytest.raises(Conflict):
                harness.services.relations.add_dependency(ME, ids[a], ids[b])
        else:
            harness.services.relations.add_dependency(ME, ids[a], ids[b])
            edges.add((a, b))
    for a, b in edges:
        harness.services.relations.delete_dependency(ME, ids[a], ids[b])
