"""Supervises what the runtime does by itself, so that nothing of it ends in silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hearth_runtime.observe.logs import LogStream

BACK_OFF_S = (0.5, 60.0)
STABLE_S = 10.0  # a task that has run for so long since its last error counts as well again


@dataclass(slots=True)
class _Task:
    """One task: what it does, and its last error with the times (monotonic, s) around it."""

    work: Callable[[], Awaitable[None]]
    running: asyncio.Task[None] | None = None
    error: str | None = None
    failures: int = 0
    restarted_at: float | None = None


class BackgroundTasks:
    """Runs tasks until they return; one that raises is logged and started again with back-off."""

    def __init__(
        self,
        logs: LogStream,
        *,
        back_off_s: tuple[float, float] = BACK_OFF_S,
        stable_s: float = STABLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logs = logs
        self._back_off_s = back_off_s
        self._stable_s = stable_s
        self._clock = clock
        self._tasks: dict[str, _Task] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` under a name that `failures` and the log tell."""
        task = self._tasks[name] = _Task(work)
        task.running = asyncio.create_task(self._keep(name, task), name=name)

    async def stop(self) -> None:
        """Cancel every task and wait until it has ended."""
        running = [task.running for task in self._tasks.values() if task.running is not None]
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._tasks.clear()

    def failures(self) -> dict[str, str]:
        """Name and error of each task that waits for its restart or has only just been started."""
        return {
            name: task.error
            for name, task in self._tasks.items()
            if task.error is not None and not self._is_stable(task)
        }

    def _is_stable(self, task: _Task) -> bool:
        return task.restarted_at is not None and self._clock() - task.restarted_at >= self._stable_s

    async def _keep(self, name: str, task: _Task) -> None:
        first, most = self._back_off_s
        while True:
            try:
                await task.work()
            except Exception as error:  # whatever it was, the next attempt may succeed
                if self._is_stable(task):
                    task.failures = 0
                task.error = f"{type(error).__name__}: {error}"
            else:
                task.error = None
                return
            task.failures += 1
            task.restarted_at = None
            pause = min(first * 2 ** min(task.failures - 1, 16), most)
            self._logs.write(
                "ERROR",
                "a background task failed",
                task=name,
                error=task.error,
                failures=task.failures,
                restart_in_s=pause,
            )
            await asyncio.sleep(pause)
            task.restarted_at = self._clock()
