"""Keeps the instances of one function: starts them for work, replaces the dead, stops the idle."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hearth_runtime.launchers.process import Launcher
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.observe.metrics import Metrics

from .functions import (
    EngineStopping,
    FunctionSpec,
    FunctionState,
    FunctionStatus,
    TooManyRequests,
)
from .instance import STOPPED, Instance, Invocation
from .memory_limits import MemoryBudget

BACK_OFF_S = (0.5, 30.0)  # first and longest pause after an instance that could not start
RETURN_LIMIT_S = 10.0  # from an answer to the next poll; the poll follows in microseconds


class Supervisor:
    """One per function.

    An instance is started when an event waits and no instance will be free by itself: the ones
    that start or that have just answered count as free. Events wait in the order they came.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        *,
        launcher: Launcher,
        budget: MemoryBudget,
        logs: LogStream,
        metrics: Metrics,
        replicas: int,
        idle_s: float,
        max_queue: int,
        region: str,
        init_timeout_s: float,
    ) -> None:
        self.spec = spec
        self._launcher = launcher
        self._budget = budget
        self._logs = logs
        self._metrics = metrics
        self._counters = metrics.function(spec.short_name)
        self._replicas = replicas
        self._idle_s = idle_s
        self._max_queue = max_queue
        self._region = region
        self._init_timeout_s = init_timeout_s
        self._waiting: deque[Invocation] = deque()
        self._instances: list[Instance] = []
        self._runs: set[asyncio.Task[None]] = set()
        self._started = 0  # instances so far, for their names
        self._stopping = False
        self._init_failures = 0
        self._silent_ends = 0
        self._init_error = b""
        self._pause_until = 0.0  # time.monotonic
        self._invocations = 0
        self._errors = 0
        self._last_error: str | None = None
        self._last_used: datetime | None = None

    @property
    def instances(self) -> Sequence[Instance]:
        """Those whose processes run, start or end."""
        return self._instances

    def submit(self, invocation: Invocation) -> None:
        """Take an invocation; its future gets the answer.

        Raises:
            TooManyRequests: The queue is full, or the reserved concurrency is used up.
            EngineStopping: No new work is taken.
        """
        if self._stopping:
            raise EngineStopping("The runtime is stopping; invoke again when it is up.")
        self._admit()
        self._last_used = datetime.now(UTC)
        self._waiting.append(invocation)
        self._dispatch()

    def forget(self, invocation: Invocation) -> None:
        """Drop an invocation that nobody waits for any more, if it has not begun."""
        if invocation in self._waiting:
            self._waiting.remove(invocation)

    def tick(self) -> None:
        """Regular look, about twice a second: memory, idleness, hung processes, a pause's end."""
        now = time.monotonic()
        self._dispatch()
        for instance in list(self._instances):
            instance.measure()
            resting = now - instance.since
            if instance.idle and resting > self._idle_s and not self._waiting:
                instance.terminate()
            elif instance.state == "returning" and resting > RETURN_LIMIT_S:
                instance.kill("Runtime.ExitError", "it answered but never asked for the next event")

    def recycle(self) -> None:
        """Have the next event taken by a new instance: the code of these is out of date.

        Idle ones and those that start end at once, busy ones when they have answered. What waits
        goes on waiting, and a pause after failed starts is over: the new code may start.
        """
        self._init_failures, self._silent_ends, self._pause_until = 0, 0, 0.0
        for instance in list(self._instances):
            instance.recycle()

    def status(self) -> FunctionStatus:
        """What it does now."""
        living = [instance for instance in self._instances if instance.process is not None]
        return FunctionStatus(
            name=self.spec.name,
            short_name=self.spec.short_name,
            state=self._state(),
            pids=tuple(instance.process.pid for instance in living if instance.process),
            replicas=self._replicas,
            instances=Counter(
                "idle" if instance.state == "returning" else instance.state
                for instance in self._instances
            ),
            queued=len(self._waiting),
            invocations=self._invocations,
            errors=self._errors,
            last_error=self._last_error,
            rss_mb=sum(instance.memory.now_mb for instance in living),
            last_used=self._last_used,
        )

    def retry(self) -> None:
        """Memory may have become free: start what waits."""
        self._dispatch()

    async def stop(self, grace_s: float) -> None:
        """Take no new work, give what runs `grace_s` seconds, then end every process."""
        self._stopping = True
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                waiting.answer.set_exception(
                    EngineStopping("The runtime stopped before the function took this event.")
                )
        for instance in self._instances:
            if instance.state != "busy":
                instance.terminate()
        if self._runs and grace_s > 0:
            await asyncio.wait(self._runs, timeout=grace_s)
        for instance in list(self._instances):
            instance.kill(*STOPPED)
        if self._runs:
            await asyncio.wait(self._runs)

    # ---- Pool: what an instance tells ----

    def ready(self, instance: Instance) -> None:
        self._init_failures, self._silent_ends, self._pause_until = 0, 0, 0.0
        if self._stopping:
            instance.terminate()
        else:
            self._dispatch()
        self._budget.freed()

    def ended(self, instance: Instance, error: Mapping[str, Any] | None) -> None:
        self._invocations += 1
        if error is not None:
            self._errors += 1
            self._last_error = f"{error.get('errorType')}: {error.get('errorMessage')}"[:500]

    def init_failed(self, instance: Instance, error: bytes, *, explained: bool) -> None:
        """
        Args:
            error: What callers are answered.
            explained: Whether the function said why, or we ended it. A process that just
                disappears (killed from outside, say) is replaced at once, as AWS runs a failed
                init once more; the waiting callers learn nothing of it.
        """
        if not explained and self._silent_ends < self._replicas:
            self._silent_ends += 1
            return
        first, longest = BACK_OFF_S
        pause = min(longest, first * 2.0 ** min(self._init_failures, 16))
        self._init_failures += 1
        self._init_error = error
        self._pause_until = time.monotonic() + pause
        detail = json.loads(error)
        self.ended(instance, detail)
        self._invocations -= 1  # no invocation ended, but its error is worth showing
        self._logs.write(
            "ERROR",
            f"{detail.get('errorType')}: {detail.get('errorMessage')}",
            function=self.spec.short_name,
            instance=instance.name,
            next_start_in_s=pause,
        )
        self._dispatch()

    def gone(self, instance: Instance) -> None:
        self._instances.remove(instance)
        self._dispatch()
        self._budget.freed()

    # ---- decisions ----

    def _admit(self) -> None:
        reserved = self.spec.reserved_concurrency
        in_flight = len(self._waiting) + self._count("busy")
        if reserved is not None and in_flight >= reserved:
            self._counters.throttled()
            raise TooManyRequests(
                f"{self.spec.name} has a reserved concurrency of {reserved}, which is used up; "
                "invoke again later.",
                "ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        if len(self._waiting) >= self._max_queue:
            self._counters.throttled()
            raise TooManyRequests(
                f"{self._max_queue} invocations of {self.spec.name} wait already; "
                "invoke again later."
            )

    def _dispatch(self) -> None:
        # The most recently used one first, so that the others can fall asleep.
        idle = sorted(
            (instance for instance in self._instances if instance.idle),
            key=lambda instance: instance.since,
        )
        while self._waiting and idle:
            first = self._waiting[0]
            left = first.answer.done()  # its caller has gone
            if left or idle.pop().hand_over(first):
                self._waiting.popleft()
        self._scale()

    def _scale(self) -> None:
        if self._stopping:
            return
        if self._pause_until > time.monotonic():
            if not any(i.idle or i.coming or i.state == "busy" for i in self._instances):
                # Callers learn at once why the function does not start; nobody hangs.
                while self._waiting:
                    self._waiting.popleft().fail(self._init_error)
            return
        coming = sum(instance.coming for instance in self._instances)
        missing = min(len(self._waiting) - coming, self._replicas - len(self._instances))
        if missing <= 0:
            self._budget.withdraw(self)
        for _ in range(missing):
            if not self._may_start():
                return
            self._started += 1
            self._counters.cold_starts.inc()
            instance = Instance(
                self.spec,
                f"{self.spec.short_name}-{self._started}",
                pool=self,
                launcher=self._launcher,
                logs=self._logs,
                metrics=self._metrics,
                counters=self._counters,
                region=self._region,
                init_timeout_s=self._init_timeout_s,
            )
            self._instances.append(instance)
            run = asyncio.get_running_loop().create_task(instance.run())
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)

    def _may_start(self) -> bool:
        waited = self._budget.waits(self)
        if self._budget.admits(self):
            return True
        if not waited:
            self._logs.write(
                "WARNING",
                f"it waits for {self.spec.memory_mb} MB; others take (MB): {self._budget.taken()}",
                function=self.spec.short_name,
            )
        return False

    def _count(self, state: str) -> int:
        return sum(instance.state == state for instance in self._instances)

    def _state(self) -> FunctionState:
        if self._count("busy"):
            return "busy"
        if self._count("idle") or self._count("returning"):
            return "idle"
        if self._pause_until > time.monotonic() and self._init_failures:
            return "backing_off"
        return "starting" if self._count("starting") else "cold"
