"""Health of the functions, the queues and the services below them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from functions.analytics.machine import Load
from functions.analytics.repository import ledger
from functions.analytics.schemas import HealthOut, MachineOut, QueueHealth, ServiceHealth, State
from hearth.cloudwatch import FunctionFigures
from hearth.db import Database
from hearth.errors import HearthError
from hearth.ids import utc_now
from hearth.ledger.queues import QueueDepth

T = TypeVar("T")

_HOUR = timedelta(hours=1)
DEGRADED_RATE = 0.05
"""Share of failed invocations above which a function is degraded."""
UNHEALTHY_RATE = 0.5
LATE = timedelta(minutes=5)
"""Age of due work after which a queue is degraded: the sweep has announced it again in vain."""
STUCK = timedelta(hours=1)
WARN_AT = {"cpu": 80, "memory": 85, "disk": 85}
CRITICAL_AT = {"cpu": 90, "memory": 95, "disk": 95}
CACHED_S = 20.0
"""Seconds for which a result is cached: each request to CloudWatch costs money on AWS."""


class Metrics(Protocol):
    def functions(
        self, names: Sequence[str], begins: datetime, ends: datetime
    ) -> Mapping[str, FunctionFigures]: ...


class Depths(Protocol):
    def depths(self) -> Mapping[str, QueueDepth | None]: ...


class Gauge(Protocol):
    def load(self) -> Load: ...


class HealthCheck:
    """Checks everything; whatever does not answer is reported as unhealthy.

    Args:
        metrics: Returns the client of CloudWatch, built at its first use.
        queues: Returns the client of the queues, built at its first use.
        machine: Measures the machine that runs this function.
        functions: The names of all functions.
        clock: A monotonic clock, in seconds, for the age of the cached result.
    """

    def __init__(
        self,
        db: Database,
        metrics: Callable[[], Metrics],
        queues: Callable[[], Depths],
        machine: Gauge,
        functions: Sequence[str],
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._metrics = metrics
        self._queues = queues
        self._machine = machine
        self._functions = functions
        self._now = now
        self._clock = clock
        self._last: tuple[float, HealthOut] | None = None

    def check(self) -> HealthOut:
        """Return the health, at most 20 seconds old. Never raises for what it checks."""
        if self._last is not None and self._clock() - self._last[0] < CACHED_S:
            return self._last[1]
        answer = self._check()
        self._last = self._clock(), answer
        return answer

    def _check(self) -> HealthOut:
        now = self._now()
        # Includes the hour before, because the current hour has little data at its beginning.
        since = now.replace(minute=0, second=0, microsecond=0) - _HOUR
        figures, metrics = _measure(
            "metrics",
            lambda: self._metrics().functions(self._functions, since, since + 2 * _HOUR),
        )
        depths, queues = _measure("queues", lambda: self._queues().depths())
        jobs, database = _measure("database", lambda: self._db.read(ledger.job_counts))
        late, _ = _measure("database", lambda: self._db.read(lambda tx: ledger.backlogs(tx, now)))
        load = self._machine.load()
        services = [
            *(_function(name, (figures or {}).get(name)) for name in self._functions),
            database,
            metrics,
            queues,
        ]
        waiting = _queues(depths or {}, late or [], now)
        return HealthOut(
            status=_worst_of(
                [service.status for service in services]
                + [queue.status for queue in waiting]
                + [_machine_state(load)]
            ),
            metrics=MachineOut(cpu=load.cpu, memory=load.memory, disk=load.disk),
            services=services,
            queues=waiting,
            jobs=jobs or {},
            since=since,
            checked_at=now,
        )


def _measure(name: str, question: Callable[[], T]) -> tuple[T | None, ServiceHealth]:
    """Return the answer of a service, and the service's health."""
    began = time.perf_counter()
    answer: T | None = None
    message = None
    try:
        answer = question()
    except HearthError as error:
        message = error.message
    took = round((time.perf_counter() - began) * 1000, 3)
    state: State = "healthy" if message is None else "unhealthy"
    return answer, ServiceHealth(name=name, status=state, latency_ms=took, message=message)


def _function(name: str, figures: FunctionFigures | None) -> ServiceHealth:
    if figures is None:
        return ServiceHealth(name=name, status="unknown", latency_ms=0)
    rate = figures.errors / figures.invocations if figures.invocations else None
    state: State = "healthy"
    if rate is None:
        state = "idle"
    elif rate >= UNHEALTHY_RATE:
        state = "unhealthy"
    elif rate > DEGRADED_RATE:
        state = "degraded"
    if figures.throttles and state != "unhealthy":
        state = "degraded"
    return ServiceHealth(
        name=name,
        status=state,
        latency_ms=figures.p95_ms or 0,
        p50_ms=figures.p50_ms,
        p95_ms=figures.p95_ms,
        invocations=figures.invocations,
        errors=figures.errors,
        throttles=figures.throttles,
        error_rate=rate,
    )


def _queues(
    depths: Mapping[str, QueueDepth | None], late: Sequence[ledger.Backlog], now: datetime
) -> list[QueueHealth]:
    # The ledger knows since when work waits; a queue holds notifications, which may be lost.
    waiting = {backlog.queue: backlog for backlog in late}
    answer = []
    for name in sorted({*depths, *waiting}):
        depth, backlog = depths.get(name), waiting.get(name)
        age = max(timedelta(), now - backlog.oldest) if backlog else None
        state: State = "healthy"
        if age is not None and age > LATE:
            state = "unhealthy" if age > STUCK else "degraded"
        elif name in depths and depth is None:
            state = "unhealthy"
        answer.append(
            QueueHealth(
                name=name,
                status=state,
                messages=depth.ready if depth else None,
                messages_in_flight=depth.in_flight if depth else None,
                jobs_waiting=backlog.jobs if backlog else 0,
                oldest_seconds=age.total_seconds() if age is not None else None,
            )
        )
    return answer


def _machine_state(load: Load) -> State:
    in_use = {"cpu": load.cpu, "memory": load.memory, "disk": load.disk}
    if any(in_use[name] >= limit for name, limit in CRITICAL_AT.items()):
        return "unhealthy"
    return (
        "degraded" if any(in_use[name] >= limit for name, limit in WARN_AT.items()) else "healthy"
    )


def _worst_of(states: Iterable[State]) -> State:
    found = set(states)
    if "unhealthy" in found:
        return "unhealthy"
    return "degraded" if found & {"degraded", "unknown"} else "healthy"
