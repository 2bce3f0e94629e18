"""Schedules while the machine's clock is set: nothing is missed, nothing is doubled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from hearth_runtime.clock import ClockSteps, log_clock_steps
from hearth_runtime.engine.background import BackgroundTasks
from hearth_runtime.engine.functions import InvokeResult
from hearth_runtime.records import JsonRecords
from hearth_runtime.sources.schedules import Schedules
from hearth_runtime.template.model import Schedule
from tests.unit.runtime_edges.fakes import FakeEngine, MemoryLogs

START = datetime(2026, 11, 21, 11, 59, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STEPS = [-2 * HOUR, -DAY, HOUR, DAY, -90 * DAY, timedelta(minutes=-7)]


class Machine:
    """A machine whose time passes when it sleeps, and whose clock is set after some seconds."""

    def __init__(self, start: datetime, steps: dict[float, timedelta]) -> None:
        self.passed_s = 0.0
        self._start = start
        self._steps = steps

    def now(self) -> datetime:
        steps = (step for at_s, step in self._steps.items() if at_s <= self.passed_s)
        return sum(steps, self._start + timedelta(seconds=self.passed_s))

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds
        await asyncio.sleep(0)


class Recorder(FakeEngine):
    """Records at which second of the machine's life each run began."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self.runs_s: list[float] = []
        self.walls: list[datetime] = []

    async def invoke(
        self, function: str, payload: bytes, *, request_id: str | None = None
    ) -> InvokeResult:
        self.runs_s.append(self._machine.passed_s)
        self.walls.append(self._machine.now())
        return await super().invoke(function, payload, request_id=request_id)


def live(
    folder: Path,
    expression: str,
    steps: dict[float, timedelta],
    seconds: float,
    start: datetime = START,
) -> Recorder:
    """Run one schedule for so many seconds of the machine's life."""

    async def main() -> Recorder:
        machine = Machine(start, steps)
        engine = Recorder(machine)
        background = BackgroundTasks(MemoryLogs())
        schedules = Schedules(
            [Schedule("S", "f", expression, "scheduler")],
            engine,
            MemoryLogs(),
            JsonRecords(folder / "schedules.json"),
            region="r",
            account="1",
            now=machine.now,
            elapsed=lambda: machine.passed_s,
            sleep=machine.sleep,
        )
        schedules.start(background)
        while machine.passed_s < seconds:
            before_s = machine.passed_s
            for _ in range(10):
                await asyncio.sleep(0)
            if machine.passed_s == before_s:
                break  # there is no next run
        await background.stop()
        return engine

    return asyncio.run(main())


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("expression", ["rate(1 minute)", "cron(* * * * ? *)"])
def test_a_minutely_schedule_keeps_its_pace(
    tmp_path: Path, expression: str, step: timedelta
) -> None:
    runs = live(tmp_path, expression, {615: step, 1815: -step, 2415: step}, 3600).runs_s
    gaps = [later - earlier for earlier, later in pairwise(runs)]
    assert min(gaps) >= 30, gaps
    assert max(gaps) <= 90, gaps
    assert 57 <= len(runs) <= 62


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_an_hourly_rate_keeps_its_interval(tmp_path: Path, step: timedelta) -> None:
    runs = live(tmp_path, "rate(1 hour)", {5000: step}, 6 * 3600 + 30).runs_s
    assert runs == pytest.approx([3600 * n for n in range(1, 7)], abs=11)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_daily_schedule_runs_once_a_day_whatever_the_clock_does(
    tmp_path: Path, step: timedelta
) -> None:
    """Half an hour after its run the clock is set."""
    three = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    lived = live(tmp_path, "cron(0 3 * * ? *)", {3600: step}, 5 * 86_400, three)
    gaps = [later - earlier for earlier, later in pairwise(lived.runs_s)]
    assert min(gaps) >= 43_200, gaps
    assert max(gaps) <= 1.5 * 86_400, gaps
    assert {wall.hour for wall in lived.walls[2:]} == {3}


def test_what_the_clock_skipped_runs_once_and_soon(tmp_path: Path) -> None:
    """At half past two it becomes half past three."""
    start = datetime(2026, 11, 21, 2, tzinfo=UTC)
    lived = live(tmp_path, "cron(0 3 * * ? *)", {1800: HOUR}, 90_000, start)
    assert lived.runs_s == pytest.approx([1800, 86_400], abs=11)


def test_irregular_times_that_the_clock_shows_again_are_not_repeated(tmp_path: Path) -> None:
    """At ten past it becomes five to: minutes 0 and 5 have been."""
    start = datetime(2026, 11, 21, 11, 59, tzinfo=UTC)
    steps = {660: timedelta(minutes=-15)}
    lived = live(tmp_path, "cron(0,5 * * * ? *)", steps, 3 * 3600, start)
    assert [(wall.hour, wall.minute) for wall in lived.walls] == [
        (12, 0),
        (12, 5),
        (13, 0),
        (13, 5),
        (14, 0),
        (14, 5),
    ]


def test_a_single_time_that_the_clock_shows_again_is_not_repeated(tmp_path: Path) -> None:
    lived = live(tmp_path, "at(2026-11-21T12:00:00)", {600: -HOUR}, 10_000)
    assert len(lived.runs_s) == 1


def test_a_step_is_measured_against_the_time_that_passed() -> None:
    machine = Machine(START, {100: -HOUR, 200: timedelta(seconds=4)})
    steps = ClockSteps(machine.now, lambda: machine.passed_s)
    machine.passed_s = 90
    assert not steps.take()
    machine.passed_s = 110
    assert steps.seen() == -HOUR
    assert steps.take() == -HOUR
    assert not steps.seen()
    machine.passed_s = 210  # slewed
    assert not steps.take()


def test_a_step_is_logged_once() -> None:
    machine = Machine(START, {12: -2 * HOUR, 32: DAY})
    logs = MemoryLogs()

    async def main() -> None:
        steps = ClockSteps(machine.now, lambda: machine.passed_s)
        watching = asyncio.create_task(log_clock_steps(logs, steps, machine.sleep))
        for _ in range(100):
            await asyncio.sleep(0)
        watching.cancel()

    asyncio.run(main())
    assert [(r["level"], r["message"], r["seconds"]) for r in logs.records] == [
        ("WARNING", "the clock was set back", 7200),
        ("WARNING", "the clock was set forward", 86_400),
    ]
