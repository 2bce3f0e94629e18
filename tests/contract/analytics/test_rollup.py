"""A roll-up changes no answer, whenever it runs, dies or is doubled."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from functions.analytics import rollup as rollup_module
from functions.analytics.handler import make_rollup_handler
from functions.analytics.repository.events import EventRow, add_events, delete_expired, roll_up
from functions.analytics.repository.tables import events_table, rollups_table
from tests.support.events import load_event
from tests.support.fakes import LambdaContext

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness

NOW = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
BEGINS = datetime(2026, 10, 24, tzinfo=UTC)


def rows(table: Any, harness: Harness) -> int:
    return int(
        harness.db.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one())
    )


@dataclass(frozen=True)
class Step:
    """Something that happens to the tables: events come in, or one step of a roll-up."""

    add: tuple[EventRow, ...] = ()
    roll: int = 0
    delete_expired: int = 0
    dies: bool = False


class Died(Exception):
    """The process was killed before the commit."""


numbers = st.integers(0, 40)
events = st.builds(
    lambda n, offset, kind, service, severity: EventRow(
        key=f"user/x/{n}",
        event_type=kind,
        service=service,
        severity=severity,
        user_id=None,
        metadata={},
        at=BEGINS + offset,
        received_at=BEGINS + offset,
    ),
    numbers,
    st.timedeltas(timedelta(), NOW - BEGINS - timedelta(seconds=1)),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "tasks"]),
    st.sampled_from(["", "warning", "error"]),
)
steps = st.lists(
    st.one_of(
        st.builds(Step, add=st.lists(events, min_size=1, max_size=8).map(tuple)),
        st.builds(Step, roll=st.integers(1, 12), dies=st.booleans()),
        st.builds(Step, delete_expired=st.integers(1, 12), dies=st.booleans()),
    ),
    max_size=10,
)


@pytest.fixture
def answers(harness: Harness) -> Any:
    """What the API says of everything that can be asked for."""

    def ask() -> list[Any]:
        return [
            harness.get(
                "/usage",
                granularity="hour",
                start_date="2026-10-24",
                end_date="2026-10-26",
                metric=["a", "b"],
            ),
            harness.get(
                "/usage", granularity="day", start_date="2026-10-24", timezone="Asia/Kathmandu"
            ),
            harness.get("/usage", granularity="month", start_date="2026-10-24"),
            harness.get("/errors", start_date="2026-10-24"),
            harness.get("/errors", start_date="2026-10-24", end_date="2026-10-26", service="tasks"),
            harness.get("/dashboard"),
        ]

    return ask


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps)
def test_every_answer_is_that_of_a_list_of_events(
    harness: Harness, answers: Any, story: list[Step]
) -> None:
    clear(harness)
    told: dict[str, EventRow] = {}
    forgotten = False
    for step in story:
        before = None if step.add else answers()
        # An id is known for as long as its event is kept, a month; so long nobody waits here.
        new = tuple(row for row in step.add if not (forgotten and row.key in told))
        happens(harness, replace(step, add=new))
        forgotten = forgotten or step.delete_expired > 0
        for row in new:
            told.setdefault(row.key, row)
        if before is not None:
            assert answers() == before
    found = answers()
    for usage, kinds in ((found[0], ("a", "b")), (found[1], None), (found[2], None)):
        assert usage["usage"] == expected(usage, told, kinds)
    assert found[1]["total"] == found[2]["total"] == len(told)
    bad = [row for row in told.values() if row.severity]
    assert {
        (one["type"], one["service"], one["severity"]): (
            one["count"],
            datetime.fromisoformat(one["first_seen"]),
            datetime.fromisoformat(one["last_seen"]),
        )
        for one in found[3]["errors"]
    } == {
        group: (len(times), min(times), max(times))
        for group in {(row.event_type, row.service, row.severity) for row in bad}
        if (times := [r.at for r in bad if (r.event_type, r.service, r.severity) == group])
    }


def expected(usage: Any, told: dict[str, EventRow], kinds: tuple[str, ...] | None) -> list[Any]:
    """The series, counted event by event between the timestamps that were given."""
    series = [p for p in usage["usage"] if p["metric"] == usage["usage"][0]["metric"]]
    edges = [datetime.fromisoformat(point["timestamp"]) for point in series]
    edges.append(datetime.fromisoformat(usage["end"]))
    return [
        {
            "timestamp": point["timestamp"],
            "metric": kind or "all",
            "count": sum(
                edges[n] <= row.at < edges[n + 1] and kind in (None, row.event_type)
                for row in told.values()
            ),
        }
        for kind in kinds or (None,)
        for n, point in enumerate(series)
    ]


def clear(harness: Harness) -> None:
    def delete(tx: Any) -> None:
        for table in (events_table, rollups_table):
            tx.execute(table.delete())

    harness.db.write(delete)


def happens(harness: Harness, step: Step) -> None:
    def work(tx: Any) -> None:
        add_events(tx, step.add)
        if step.roll:
            roll_up(tx, step.roll)
        if step.delete_expired:
            delete_expired(tx, NOW, step.delete_expired)
        if step.dies:
            raise Died

    try:
        harness.db.write(work)
    except Died:
        assert step.dies


def test_with_nothing_to_do_a_run_does_nothing(harness: Harness) -> None:
    report = harness.rollup.run(lambda: 60.0)
    assert report.model_dump() == {"rolled": 0, "forgotten": 0, "out_of_time": False}


def test_single_events_are_deleted_after_a_month_and_their_sums_stay(
    harness: Harness,
) -> None:
    harness.happen("a", "2025-01-01T00:00:00Z", event_id="old")
    harness.roll_up()
    assert (rows(events_table, harness), rows(rollups_table, harness)) == (1, 1)  # it came just now
    harness.clock.advance(30 * 86400 + 1)
    harness.roll_up()
    assert (rows(events_table, harness), rows(rollups_table, harness)) == (0, 1)
    found = harness.usage(granularity="month", start_date="2025-01-01", end_date="2025-01-01")
    assert found == {"2025-01-01T00:00:00+01:00": 1}


def test_events_that_are_not_rolled_up_are_never_deleted(harness: Harness) -> None:
    harness.happen("a", "2026-11-02T07:00:00Z")
    assert (
        harness.db.write(lambda tx: delete_expired(tx, datetime(2099, 1, 1, tzinfo=UTC), 10)) == 0
    )
    assert rows(events_table, harness) == 1


def test_a_run_out_of_time_leaves_the_rest_to_the_next(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "BATCH", 2)
    for n in range(5):
        harness.happen("a", f"2026-11-02T0{n}:00:00Z")
    left = iter([1.0, 0.0, 0.0])
    report = harness.rollup.run(lambda: next(left))
    assert (report.rolled, report.out_of_time) == (2, True)
    assert harness.get("/usage")["total"] == 5
    report = harness.rollup.run(lambda: 60.0)
    assert (report.rolled, report.out_of_time) == (3, False)
    assert harness.get("/usage")["total"] == 5


def test_concurrent_runs_count_each_event_once(harness: Harness) -> None:
    for _ in range(4):
        harness.record(*({"event_type": f"t{n % 7}"} for n in range(100)))
    workers = [
        threading.Thread(
            target=lambda: [harness.db.write(partial(roll_up, limit=50)) for _ in range(10)]
        )
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    harness.roll_up()
    assert harness.get("/usage")["total"] == 400
    total = select(func.sum(rollups_table.c.events))
    assert harness.db.read(lambda tx: tx.execute(total).scalar_one()) == 400


def test_the_schedule_s_event_starts_it(harness: Harness) -> None:
    harness.happen("a", "2026-11-02T07:00:00Z")
    handler = make_rollup_handler(harness.rollup)
    answer = handler(load_event("analytics/scheduler_every_hour"), LambdaContext(remaining_s=55))
    assert answer == {"rolled": 1, "forgotten": 0, "out_of_time": False}
