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
from functions.analytics.repository.events import EventRow, add_events, forget, roll_up
from functions.analytics.repository.tables import events_table, rollups_table
from tests.support.events import load_event
from tests.support.fakes import LambdaContext

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Desk

NOW = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
BEGINS = datetime(2026, 10, 24, tzinfo=UTC)


def rows(table: Any, desk: Desk) -> int:
    return int(
        desk.db.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one())
    )


@dataclass(frozen=True)
class Step:
    """Something that happens to the tables: events come in, or one step of a roll-up."""

    add: tuple[EventRow, ...] = ()
    roll: int = 0
    forget: int = 0
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
        st.builds(Step, forget=st.integers(1, 12), dies=st.booleans()),
    ),
    max_size=10,
)


@pytest.fixture
def answers(desk: Desk) -> Any:
    """What the API says of everything that can be asked for."""

    def ask() -> list[Any]:
        return [
            desk.get(
                "/usage",
                granularity="hour",
                start_date="2026-10-24",
                end_date="2026-10-26",
                metric=["a", "b"],
            ),
            desk.get(
                "/usage", granularity="day", start_date="2026-10-24", timezone="Asia/Kathmandu"
            ),
            desk.get("/usage", granularity="month", start_date="2026-10-24"),
            desk.get("/errors", start_date="2026-10-24"),
            desk.get("/errors", start_date="2026-10-24", end_date="2026-10-26", service="tasks"),
            desk.get("/dashboard"),
        ]

    return ask


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps)
def test_every_answer_is_that_of_a_list_of_events(
    desk: Desk, answers: Any, story: list[Step]
) -> None:
    clear(desk)
    told: dict[str, EventRow] = {}
    forgotten = False
    for step in story:
        before = None if step.add else answers()
        # An id is known for as long as its event is kept, a month; so long nobody waits here.
        new = tuple(row for row in step.add if not (forgotten and row.key in told))
        happens(desk, replace(step, add=new))
        forgotten = forgotten or step.forget > 0
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


def clear(desk: Desk) -> None:
    def delete(tx: Any) -> None:
        for table in (events_table, rollups_table):
            tx.execute(table.delete())

    desk.db.write(delete)


def happens(desk: Desk, step: Step) -> None:
    def work(tx: Any) -> None:
        add_events(tx, step.add)
        if step.roll:
            roll_up(tx, step.roll)
        if step.forget:
            forget(tx, NOW, step.forget)
        if step.dies:
            raise Died

    try:
        desk.db.write(work)
    except Died:
        assert step.dies


def test_with_nothing_to_do_a_run_does_nothing(desk: Desk) -> None:
    report = desk.rollup.run(lambda: 60.0)
    assert report.model_dump() == {"rolled": 0, "forgotten": 0, "out_of_time": False}


def test_single_events_are_forgotten_a_month_after_they_came_and_their_sum_is_not(
    desk: Desk,
) -> None:
    desk.happen("a", "2025-01-01T00:00:00Z", event_id="old")
    desk.roll_up()
    assert (rows(events_table, desk), rows(rollups_table, desk)) == (1, 1)  # it came just now
    desk.clock.advance(30 * 86400 + 1)
    desk.roll_up()
    assert (rows(events_table, desk), rows(rollups_table, desk)) == (0, 1)
    found = desk.usage(granularity="month", start_date="2025-01-01", end_date="2025-01-01")
    assert found == {"2025-01-01T00:00:00+01:00": 1}


def test_what_is_not_rolled_up_is_never_forgotten(desk: Desk) -> None:
    desk.happen("a", "2026-11-02T07:00:00Z")
    assert desk.db.write(lambda tx: forget(tx, datetime(2099, 1, 1, tzinfo=UTC), 10)) == 0
    assert rows(events_table, desk) == 1


def test_a_run_out_of_time_leaves_the_rest_to_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "BATCH", 2)
    for n in range(5):
        desk.happen("a", f"2026-11-02T0{n}:00:00Z")
    left = iter([1.0, 0.0, 0.0])
    report = desk.rollup.run(lambda: next(left))
    assert (report.rolled, report.out_of_time) == (2, True)
    assert desk.get("/usage")["total"] == 5
    report = desk.rollup.run(lambda: 60.0)
    assert (report.rolled, report.out_of_time) == (3, False)
    assert desk.get("/usage")["total"] == 5


def test_two_runs_at_once_count_each_event_once(desk: Desk) -> None:
    for _ in range(4):
        desk.record(*({"event_type": f"t{n % 7}"} for n in range(100)))
    workers = [
        threading.Thread(
            target=lambda: [desk.db.write(partial(roll_up, limit=50)) for _ in range(10)]
        )
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    desk.roll_up()
    assert desk.get("/usage")["total"] == 400
    total = select(func.sum(rollups_table.c.events))
    assert desk.db.read(lambda tx: tx.execute(total).scalar_one()) == 400


def test_the_schedule_s_event_starts_it(desk: Desk) -> None:
    desk.happen("a", "2026-11-02T07:00:00Z")
    handler = make_rollup_handler(desk.rollup)
    answer = handler(load_event("analytics/scheduler_every_hour"), LambdaContext(remaining_s=55))
    assert answer == {"rolled": 1, "forgotten": 0, "out_of_time": False}
