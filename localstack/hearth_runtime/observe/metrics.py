"""Prometheus metrics: the functions' own (`emf.py`), and rate, errors, durations of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hearth_runtime.aws.cloudwatch import Activity
from hearth_runtime.engine.functions import FunctionStatus

from .emf import EmfCollector

# Seconds. A no-op takes half a millisecond, an incident report some, a model's first frame seconds.
DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """All metrics of one runtime; `registry` is open to its other parts (gateway, pollers)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._emf = EmfCollector()
        self._emf_lines = Counter(
            "hearth_runtime_metric_lines",
            "EMF lines of functions, by what became of them.",
            ["function", "outcome"],
            registry=self.registry,
        )
        self._invocations = self._counter("invocations", "Invocations that ended.")
        self._throttles = self._counter("throttles", "Invocations refused (429).")
        self._cold_starts = self._counter("cold_starts", "Instances that were started.")
        self._errors = Counter(
            "hearth_runtime_errors",
            "Invocations that ended with a function error.",
            ["function", "error_type"],
            registry=self.registry,
        )
        self._durations = self._histogram("duration_seconds", "Time from event to answer.")
        self.activities: dict[str, Activity] = {}
        self._init = self._histogram("init_seconds", "Time from start to the first poll.")
        self.registry.register(self._emf)

    def function(self, name: str) -> FunctionMetrics:
        """The runtime's metrics of one function, looked up once because they are hot."""
        return FunctionMetrics(
            name,
            self._invocations,
            self._errors,
            self._throttles,
            self._cold_starts,
            self._durations,
            self._init,
            self.activities.setdefault(name, Activity()),
        )

    def watch(self, status: Callable[[], Iterable[FunctionStatus]]) -> None:
        """Make gauges of instances, queue length and memory, read when someone asks."""
        self.registry.register(_StatusCollector(status))

    def observe_emf(self, function: str, document: Mapping[str, Any]) -> None:
        """Take one line of CloudWatch's embedded metric format that a function wrote."""
        outcome = "taken" if self._emf.observe(document) else "refused"
        self._emf_lines.labels(function, outcome).inc()

    def render(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"hearth_runtime_{name}", text, ["function"], registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"hearth_runtime_{name}",
            text,
            ["function"],
            registry=self.registry,
            buckets=DURATION_BUCKETS,
        )


class FunctionMetrics:
    """What the runtime counts about one function."""

    def __init__(
        self,
        name: str,
        invocations: Counter,
        errors: Counter,
        throttles: Counter,
        cold_starts: Counter,
        durations: Histogram,
        init: Histogram,
        activity: Activity,
    ) -> None:
        self._name = name
        self._activity = activity
        self._errors = errors
        self._invocations = invocations.labels(name)
        self._durations = durations.labels(name)
        self._init = init.labels(name)
        self._throttles = throttles.labels(name)
        self.cold_starts = cold_starts.labels(name)

    def ended(self, seconds: float, failed: bool, error_type: object = None) -> None:
        """Count one invocation; `error_type` is what the function reported when it `failed`."""
        self._invocations.inc()
        self._durations.observe(seconds)
        self._activity.ended(seconds, failed)
        if failed:
            # A function chooses the text: bounded, so that it can't flood the label.
            self._errors.labels(self._name, str(error_type or "Unknown")[:80]).inc()

    def throttled(self) -> None:
        """Count one invocation that was refused."""
        self._throttles.inc()
        self._activity.throttled()

    def initialised(self, seconds: float) -> None:
        """Record how long an instance took from start to its first poll."""
        self._init.observe(seconds)


class _StatusCollector(Collector):
    """Gauges made from `Engine.status` when they are asked for, so that none goes stale."""

    def __init__(self, status: Callable[[], Iterable[FunctionStatus]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """One sample a function, and a 1 for the state it is in."""
        instances = GaugeMetricFamily(
            "hearth_runtime_instances", "Processes alive, by state.", labels=["function", "state"]
        )
        queued = GaugeMetricFamily(
            "hearth_runtime_queued", "Invocations that wait.", labels=["function"]
        )
        memory = GaugeMetricFamily(
            "hearth_runtime_memory_bytes", "Resident memory of its instances.", labels=["function"]
        )
        for function in self._status():
            for state, count in function.instances.items():
                instances.add_metric([function.short_name, state], count)
            queued.add_metric([function.short_name], function.queued)
            memory.add_metric([function.short_name], function.rss_mb * 2**20)
        return instances, queued, memory

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would otherwise collect at registration."""
        return ()
