"""Background tasks of the runtime: none ends in silence."""

from __future__ import annotations

import asyncio

from hearth_runtime.engine.background import BackgroundTasks
from tests.unit.runtime_edges.fakes import MemoryLogs, until


class Clock:
    """Monotonic seconds that stand until they are moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_task_that_fails_is_logged_shown_and_started_again() -> None:
    async def scenario() -> None:
        logs, clock = MemoryLogs(), Clock()
        background = BackgroundTasks(logs, back_off_s=(0.01, 0.02), stable_s=10, clock=clock)
        began = 0

        async def work() -> None:
            nonlocal began
            began += 1
            if began <= 3:
                raise OSError(28, "No space left on device")
            await asyncio.Event().wait()

        background.start("sweep", work)
        background.start("other", asyncio.Event().wait)  # type: ignore[arg-type]
        await until(lambda: began == 4)
        assert background.failures() == {"sweep": "OSError: [Errno 28] No space left on device"}
        clock.seconds = 10
        assert background.failures() == {}
        assert [
            (r["level"], r["task"], r["failures"], r["restart_in_s"]) for r in logs.records
        ] == [("ERROR", "sweep", 1, 0.01), ("ERROR", "sweep", 2, 0.02), ("ERROR", "sweep", 3, 0.02)]
        await background.stop()
        assert background.failures() == {}

    asyncio.run(scenario())


def test_a_task_that_returns_has_ended_and_one_that_is_cancelled_is_no_failure() -> None:
    async def scenario() -> None:
        logs = MemoryLogs()
        background = BackgroundTasks(logs)
        cancelled = asyncio.Event()
        ended = asyncio.Event()

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async def end() -> None:
            ended.set()

        background.start("long", wait)
        background.start("short", end)
        await ended.wait()
        await asyncio.sleep(0)
        await background.stop()
        assert cancelled.is_set()
        assert logs.records == []

    asyncio.run(scenario())
