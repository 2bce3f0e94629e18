"""The engine: takes invocations of any function and runs them on supervised instances."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hearth_runtime.launchers.process import Launcher
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.observe.metrics import Metrics

from .functions import (
    EVENT_PAYLOAD_LIMIT,
    SYNC_PAYLOAD_LIMIT,
    EngineStopping,
    FunctionNotFound,
    FunctionSpec,
    FunctionStatus,
    InvokeResult,
    PayloadTooLarge,
    TooManyRequests,
)
from .instance import Invocation
from .memory_limits import MemoryBudget
from .supervisor import Supervisor

TICK_S = 0.5
THROTTLE_PAUSE_S = (1.0, 60.0)  # first and longest wait of a throttled event, doubling


class Engine:
    """Runs functions. One per runtime; use it from the event loop that called `start`."""

    def __init__(
        self,
        functions: Sequence[FunctionSpec],
        *,
        launcher: Launcher,
        logs: LogStream,
        metrics: Metrics,
        replicas: Mapping[str, int] | None = None,
        memory_mb: int | None = None,
        idle_s: float = 300,
        max_queue: int = 1000,
        init_timeout_s: float = 10,
        region: str = "us-east-1",
        event_retry_delays_s: Sequence[float] = (60, 120),
    ) -> None:
        """
        Args:
            functions: All functions of the stack.
            replicas: Instances at most, by short or physical name; 1 for a function not named.
            memory_mb: What the instances of all functions may take together; None means no bound.
            idle_s: Seconds without work after which an instance is stopped.
            max_queue: Invocations that may wait, for each function; also events that may wait.
            init_timeout_s: Seconds from start to the first poll, on top of the time-out.
            event_retry_delays_s: Pauses before a failed event is tried again; Lambda's by default.
        """
        self.region = region
        self._logs = logs
        self._metrics = metrics
        self._max_queue = max_queue
        self._retry_delays_s = tuple(event_retry_delays_s)
        self._by_name: dict[str, Supervisor] = {}
        self._supervisors: list[Supervisor] = []
        self._events: set[asyncio.Task[None]] = set()
        self._events_by_function: Counter[str] = Counter()
        self._ticking: asyncio.Task[None] | None = None
        self._stopping = False
        counts = dict(replicas or {})
        budget = MemoryBudget(memory_mb)
        for spec in functions:
            count = counts.pop(spec.short_name, counts.pop(spec.name, 1))
            if count < 1:
                raise ValueError(f"replicas of {spec.short_name} is {count}; give 1 or more")
            supervisor = Supervisor(
                spec,
                launcher=launcher,
                budget=budget,
                logs=logs,
                metrics=metrics,
                replicas=count,
                idle_s=idle_s,
                max_queue=max_queue,
                region=region,
                init_timeout_s=init_timeout_s,
            )
            budget.join(supervisor)
            self._supervisors.append(supervisor)
            self._by_name |= {spec.short_name: supervisor, spec.name: supervisor}
        if counts:
            known = ", ".join(sorted(spec.short_name for spec in functions))
            raise ValueError(f"replicas names no function: {', '.join(counts)}; there are {known}")

    async def start(self) -> None:
        """Begin to look after instances. Functions start when they are first used."""
        self._metrics.watch(self.status)
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self, grace_s: float = 10) -> None:
        """Refuse new work, let what runs finish for `grace_s` seconds, end every process."""
        self._stopping = True
        for task in (*self._events, *filter(None, [self._ticking])):
            task.cancel()
        if self._events:
            self._logs.write("WARNING", "events were dropped", count=len(self._events))
        await asyncio.gather(*(supervisor.stop(grace_s) for supervisor in self._supervisors))
        await asyncio.gather(*self._events, *filter(None, [self._ticking]), return_exceptions=True)

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_id: str | None = None,
    ) -> InvokeResult:
        """Invoke by short or physical name and wait for the answer.

        Args:
            payload: JSON, at most 6 MB.
            client_context: JSON, what context.client_context is made from.
            request_id: Made if not given.
            trace_id: X-Ray's header; a sampled-out one is made if not given.

        Raises:
            FunctionNotFound, PayloadTooLarge, TooManyRequests, EngineStopping.
        """
        supervisor = self._find(function)
        if len(payload) > SYNC_PAYLOAD_LIMIT:
            raise _too_large(payload, SYNC_PAYLOAD_LIMIT, "RequestResponse")
        invocation = Invocation(
            request_id=request_id or str(uuid.uuid4()),
            payload=payload,
            client_context=_one_line(client_context) if client_context else None,
            trace_id=_one_line(trace_id) if trace_id else _trace_id(),
            answer=asyncio.get_running_loop().create_future(),
        )
        supervisor.submit(invocation)
        try:
            return await invocation.answer
        finally:
            if invocation.answer.cancelled():
                supervisor.forget(invocation)

    def invoke_event(
        self, function: str, payload: bytes, *, client_context: str | None = None
    ) -> str:
        """Queue an event (InvocationType Event); returns its request id.

        The queue is memory: an event is a hint, and a stop of the runtime drops it. A function
        error is retried twice after Lambda's pauses, throttling until it passes. The outcome is
        logged.

        Raises:
            FunctionNotFound, PayloadTooLarge, TooManyRequests, EngineStopping.
        """
        supervisor = self._find(function)
        if self._stopping:
            raise EngineStopping("The runtime is stopping; invoke again when it is up.")
        if len(payload) > EVENT_PAYLOAD_LIMIT:
            raise _too_large(payload, EVENT_PAYLOAD_LIMIT, "Event")
        name = supervisor.spec.short_name
        if self._events_by_function[name] >= self._max_queue:
            raise TooManyRequests(f"{self._max_queue} events of {name} wait already; try later.")
        request_id = str(uuid.uuid4())
        task = asyncio.get_running_loop().create_task(
            self._run_event(name, payload, client_context, request_id)
        )
        self._events.add(task)
        self._events_by_function[name] += 1
        task.add_done_callback(lambda done: self._event_over(name, done))
        return request_id

    def recycle(self, functions: Iterable[str] | None = None) -> None:
        """Have new instances take the next events, because code has changed.

        Args:
            functions: Short or physical names; None means all.

        Raises:
            FunctionNotFound: One is none, and none of them was recycled.
        """
        names = [spec.name for spec in self.specs()] if functions is None else functions
        for supervisor in [self._find(name) for name in names]:
            supervisor.recycle()

    def check(self, function: str) -> FunctionSpec:
        """The function's description (DryRun). Raises FunctionNotFound."""
        return self._find(function).spec

    def specs(self) -> list[FunctionSpec]:
        """All functions, in the template's order."""
        return [supervisor.spec for supervisor in self._supervisors]

    def status(self) -> list[FunctionStatus]:
        """Every function as it is now."""
        return [supervisor.status() for supervisor in self._supervisors]

    def _find(self, function: str) -> Supervisor:
        if (supervisor := self._by_name.get(function)) is None:
            known = ", ".join(spec.short_name for spec in self.specs()) or "none"
            raise FunctionNotFound(f"Function not found: {function[:200]}; there are: {known}")
        return supervisor

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for supervisor in self._supervisors:
                try:
                    supervisor.tick()
                except Exception as error:  # the others must be looked after all the same
                    self._logs.write(
                        "ERROR",
                        f"supervision failed: {error!r}",
                        function=supervisor.spec.short_name,
                    )

    async def _run_event(
        self, function: str, payload: bytes, client_context: str | None, request_id: str
    ) -> None:
        for attempt, pause in enumerate((*self._retry_delays_s, None), start=1):
            result = await self._attempt(function, payload, client_context, request_id)
            if result.function_error is None:
                self._logs.write(
                    "INFO", "event done", function=function, request_id=request_id, attempt=attempt
                )
                return
            self._logs.write(
                "WARNING" if pause is not None else "ERROR",
                "event failed" if pause is not None else "event failed for the last time",
                function=function,
                request_id=request_id,
                attempt=attempt,
                next_try_in_s=pause,
                error=result.payload[:2000].decode("utf-8", "replace"),
            )
            if pause is not None:
                await asyncio.sleep(pause)

    async def _attempt(
        self, function: str, payload: bytes, client_context: str | None, request_id: str
    ) -> InvokeResult:
        pause, longest = THROTTLE_PAUSE_S
        while True:
            try:
                return await self.invoke(
                    function, payload, client_context=client_context, request_id=request_id
                )
            except TooManyRequests:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    def _event_over(self, function: str, task: asyncio.Task[None]) -> None:
        self._events.discard(task)
        self._events_by_function[function] -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logs.write("ERROR", f"event dropped: {error}", function=function)


def _too_large(payload: bytes, limit: int, kind: str) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{len(payload)} byte payload is too large for the {kind} invocation type "
        f"(limit {limit} bytes)"
    )


def _one_line(text: str) -> str:
    """It travels in a header; a line end in it would begin another one."""
    return " ".join(text.splitlines())


def _trace_id() -> str:
    """An X-Ray header that says "not sampled": nothing here collects traces."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Sampled=0"
