"""Schedules across restarts, and the events that they send."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.engine.background import BackgroundTasks
from hearth_runtime.engine.functions import TooManyRequests
from hearth_runtime.records import JsonRecords
from hearth_runtime.sources.schedules import Schedules, scheduled_event
from hearth_runtime.template.model import Schedule
from tests.unit.runtime_edges.fakes import Answer, FakeEngine, MemoryLogs, failure, until

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTELY = Schedule("S", "f", "rate(1 minute)", "scheduler")


class Clock:
    """A clock that stands until time passes (`now`) or it is `set`."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self._set_by = timedelta(0)

    def __call__(self) -> datetime:
        return self.now

    def elapsed(self) -> float:
        return (self.now - self._set_by).timestamp()

    def set(self, step: timedelta) -> None:
        self.now += step
        self._set_by += step


def run(
    folder: Path,
    clock: Clock,
    *answers: Answer,
    schedule: Schedule = MINUTELY,
    wait_s: float = 0.05,
) -> FakeEngine:
    """One life of a runtime; returns what it invoked."""

    async def main() -> FakeEngine:
        engine = FakeEngine(*answers)
        background = BackgroundTasks(MemoryLogs())
        schedules = Schedules(
            [schedule],
            engine,
            MemoryLogs(),
            JsonRecords(folder / "schedules.json"),
            region="r",
            account="1",
            now=clock,
            elapsed=clock.elapsed,
            retry_delays_s=(0.0, 0.0),
        )
        schedules.start(background)
        await asyncio.sleep(wait_s)
        await background.stop()
        return engine

    return asyncio.run(main())


def test_a_new_schedule_counts_from_its_first_start(tmp_path: Path) -> None:
    assert run(tmp_path, Clock()).events == []


def test_a_missed_run_is_caught_up_once(tmp_path: Path) -> None:
    clock = Clock()
    run(tmp_path, clock)
    clock.now += timedelta(hours=5)
    engine = run(tmp_path, clock)
    assert [event["time"] for event in engine.events] == ["2026-11-21T12:01:00Z"]
    assert run(tmp_path, clock).events == []
    clock.now += timedelta(minutes=1)
    assert len(run(tmp_path, clock).events) == 1


def test_a_run_on_time_keeps_the_rhythm(tmp_path: Path) -> None:
    clock = Clock()
    run(tmp_path, clock)
    clock.now = NOON + timedelta(seconds=75)  # 15 s late
    assert len(run(tmp_path, clock).events) == 1
    clock.now = NOON + timedelta(seconds=120)
    assert len(run(tmp_path, clock).events) == 1


def test_a_changed_expression_starts_anew(tmp_path: Path) -> None:
    clock = Clock()
    run(tmp_path, clock)
    clock.now += timedelta(hours=1)
    changed = Schedule("S", "f", "rate(2 minutes)", "scheduler")
    assert run(tmp_path, clock, schedule=changed).events == []


def test_a_one_time_schedule_runs_once_in_all_lives(tmp_path: Path) -> None:
    once = Schedule("S", "f", "at(2026-11-21T12:30:00)", "scheduler")
    clock = Clock()
    assert run(tmp_path, clock, schedule=once).events == []
    clock.now += timedelta(hours=1)
    assert len(run(tmp_path, clock, schedule=once).events) == 1
    assert run(tmp_path, clock, schedule=once).events == []


def test_a_disabled_schedule_does_not_run(tmp_path: Path) -> None:
    off = Schedule("S", "f", "rate(1 minute)", "scheduler", enabled=False)
    clock = Clock()
    run(tmp_path, clock, schedule=off)
    clock.now += timedelta(hours=1)
    assert run(tmp_path, clock, schedule=off).events == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"S": 1}', '{"S": {"since": "never"}}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "schedules.json").write_text(content)
    assert run(tmp_path, Clock()).events == []


def test_a_clock_that_was_set_back_does_not_stop_the_schedule(tmp_path: Path) -> None:
    clock = Clock(NOON + timedelta(days=400))
    run(tmp_path, clock)
    clock.now = NOON
    run(tmp_path, clock)  # due a minute from now, not in 400 days
    recorded = json.loads((tmp_path / "schedules.json").read_text())
    assert recorded["S"]["since"] > NOON.isoformat()


@pytest.mark.parametrize("error", [failure(), TooManyRequests("busy")])
def test_a_failed_run_is_tried_three_times(tmp_path: Path, error: Exception) -> None:
    daily = Schedule("S", "f", "rate(1 day)", "scheduler")
    clock = Clock()
    run(tmp_path, clock, schedule=daily)
    clock.now += timedelta(hours=24)
    assert len(run(tmp_path, clock, error, schedule=daily).events) == 3


def test_a_run_that_was_cut_off_is_repeated(tmp_path: Path) -> None:
    async def endless(_: dict[str, Any]) -> bytes:
        await asyncio.sleep(60)
        return b"null"

    clock = Clock()
    run(tmp_path, clock)
    clock.now += timedelta(minutes=1)
    assert len(run(tmp_path, clock, endless).events) == 1
    assert len(run(tmp_path, clock).events) == 1


def test_a_schedule_never_overlaps_itself(tmp_path: Path) -> None:
    clock = Clock()
    run(tmp_path, clock)
    clock.now += timedelta(minutes=1)

    async def slow(_: dict[str, Any]) -> bytes:
        clock.now += timedelta(minutes=10)
        await asyncio.sleep(0.01)
        return b"null"

    engine = run(tmp_path, clock, slow, b"null")
    assert engine.most_running == 1
    assert len(engine.events) == 1  # the ten that fell due meanwhile are left out


def test_the_status_says_when_it_runs_next(tmp_path: Path) -> None:
    async def main() -> None:
        schedules = Schedules(
            [MINUTELY],
            FakeEngine(),
            MemoryLogs(),
            JsonRecords(tmp_path / "s"),
            region="r",
            account="1",
            now=Clock(),
        )
        background = BackgroundTasks(MemoryLogs())
        schedules.start(background)
        await until(lambda: schedules.status()[0]["next_run"] is not None)
        assert schedules.status()[0]["next_run"] == "2026-11-21T12:01:00+00:00"
        await background.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        (
            "rule",
            None,
            {"source": "aws.events", "detail": {}, "resources": ["arn:aws:events:r:1:rule/S"]},
        ),
        (
            "scheduler",
            None,
            {
                "source": "aws.scheduler",
                "detail": "{}",
                "resources": ["arn:aws:scheduler:r:1:schedule/default/S"],
            },
        ),
    ],
)
def test_the_default_event(source: Any, given: str | None, expected: dict[str, Any]) -> None:
    event = json.loads(
        scheduled_event(Schedule("S", "f", "x", source, input=given), NOON, "r", "1", "e")
    )
    assert event == {
        "version": "0",
        "id": "e",
        "detail-type": "Scheduled Event",
        "account": "1",
        "time": "2026-11-21T12:00:00Z",
        "region": "r",
        **expected,
    }


def test_an_input_replaces_the_event_and_the_scheduler_fills_in_its_attributes() -> None:
    text = '{"at": "<aws.scheduler.scheduled-time>", "try": <aws.scheduler.attempt-number>}'
    rule = Schedule("S", "f", "x", "rule", input=text)
    scheduler = Schedule("S", "f", "x", "scheduler", input=text)
    assert scheduled_event(rule, NOON, "r", "1", "e") == text.encode()
    assert json.loads(scheduled_event(scheduler, NOON, "r", "1", "e", 2)) == {
        "at": "2026-11-21T12:00:00Z",
        "try": 2,
    }


def test_a_run_that_cannot_be_recorded_is_followed_by_the_next(tmp_path: Path) -> None:
    """A full disk, or a read-only one: a folder in the file's place."""
    clock = Clock()
    run(tmp_path, clock)
    (tmp_path / "schedules.json").unlink()
    (tmp_path / "schedules.json").mkdir()

    async def main() -> None:
        engine = FakeEngine()
        logs = MemoryLogs()
        background = BackgroundTasks(logs)
        schedules = Schedules(
            [MINUTELY],
            engine,
            logs,
            JsonRecords(tmp_path / "schedules.json"),
            region="r",
            account="1",
            now=clock,
            elapsed=clock.elapsed,
        )
        schedules.start(background)
        clock.now += timedelta(minutes=1)
        await until(lambda: schedules.status()[0]["next_run"] == "2026-11-21T12:02:00+00:00")
        assert len(engine.events) == 1
        assert background.failures() == {}
        await background.stop()
        assert {r["message"] for r in logs.records} == {"runs of schedules were not recorded"}

    asyncio.run(main())
    assert [path.name for path in tmp_path.iterdir()] == ["schedules.json"]
