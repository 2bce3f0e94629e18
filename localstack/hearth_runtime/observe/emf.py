"""CloudWatch's embedded metric format (EMF) turned into Prometheus metrics.

On AWS, CloudWatch reads metrics out of log lines; here the runtime does. The unit decides the kind:

    Count                     counter, the sum of the values
    Seconds … Microseconds    histogram, in seconds
    Bytes … Terabytes         histogram, in bytes
    anything else             gauge, the last value

A sample's labels are those of one dimension set. Prometheus lets samples of one metric have
different label names, as EMF does, so each set becomes its own series. Both are bounded: metrics
above 200 and series above 200 of one metric are dropped (a request id as a dimension is a mistake).

Format: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""  # noqa: E501  an address has no place to break

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

METRIC_LIMIT = 200
SERIES_LIMIT = 200
LABEL_VALUE_LIMIT = 200  # characters

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[tuple[str, str], ...]

SECONDS = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}
BYTES = {"Bytes": 1.0, "Kilobytes": 1e3, "Megabytes": 1e6, "Gigabytes": 1e9, "Terabytes": 1e12}
SECOND_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BYTE_BUCKETS = tuple(float(4**power) for power in range(4, 16))  # 256 B … 1 GiB


@dataclass(slots=True)
class _Series:
    total: float = 0.0
    count: int = 0
    buckets: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Family:
    name: str
    kind: Kind
    scale: float
    bounds: tuple[float, ...]
    series: dict[Labels, _Series] = field(default_factory=dict)


class EmfCollector(Collector):
    """Keeps what EMF documents said and hands it out when Prometheus asks."""

    def __init__(self) -> None:
        self._families: dict[tuple[str, str, str], _Family] = {}

    def observe(self, document: Mapping[str, Any]) -> bool:
        """Take one document; False when any part of it was malformed or over the bounds."""
        directives = document.get("_aws")
        directives = directives.get("CloudWatchMetrics") if isinstance(directives, dict) else None
        if not isinstance(directives, list):
            return False
        complete = True
        for directive in directives:
            try:
                complete = self._directive(directive, document) and complete
            except (KeyError, TypeError, ValueError, AttributeError):
                complete = False
        return complete

    def collect(self) -> Iterable[Metric]:
        """All families, as Prometheus' client wants them."""
        for family in self._families.values():
            metric = Metric(family.name, "From a function's EMF lines.", family.kind)
            for labels, series in family.series.items():
                _add_samples(metric, family, dict(labels), series)
            yield metric

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not known before functions run."""
        return ()

    def _directive(self, directive: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
        complete = True
        sets = directive.get("Dimensions") or [[]]
        for definition in directive["Metrics"]:
            family = self._family(
                str(directive["Namespace"]), definition["Name"], definition.get("Unit", "None")
            )
            values = document[definition["Name"]]
            for value in values if isinstance(values, list) else [values]:
                for dimensions in sets:
                    labels = tuple(sorted((_snake(d), _label(document[d])) for d in dimensions))
                    complete = _add(family, labels, float(value)) and complete
        return complete

    def _family(self, namespace: str, name: str, unit: str) -> _Family | None:
        family = self._families.get((namespace, name, unit))
        if family is None and len(self._families) < METRIC_LIMIT:
            base = _snake(f"{namespace}_{name}")
            kind, scale, suffix, bounds = _kind(unit)
            family = _Family(base.removesuffix(suffix) + suffix, kind, scale, bounds)
            if any(other.name == family.name for other in self._families.values()):
                family.name += f"_{_snake(unit)}"  # the same name with another unit
            self._families[namespace, name, unit] = family
        return family


def is_emf(line: bytes) -> bool:
    """Whether a log line may be an EMF document; cheap, for every line is asked."""
    return line.startswith(b"{") and b'"_aws"' in line and b'"CloudWatchMetrics"' in line


def _kind(unit: str) -> tuple[Kind, float, str, tuple[float, ...]]:
    if unit in SECONDS:
        return "histogram", SECONDS[unit], "_seconds", SECOND_BUCKETS
    if unit in BYTES:
        return "histogram", BYTES[unit], "_bytes", BYTE_BUCKETS
    if unit == "Count":
        return "counter", 1.0, "", ()
    return "gauge", 1.0, "", ()


def _add(family: _Family | None, labels: Labels, value: float) -> bool:
    if family is None or not math.isfinite(value) or (family.kind == "counter" and value < 0):
        return False
    series = family.series.get(labels)
    if series is None:
        if len(family.series) >= SERIES_LIMIT:
            return False
        series = family.series[labels] = _Series(buckets=[0] * (len(family.bounds) + 1))
    value *= family.scale
    series.count += 1
    if family.kind == "gauge":
        series.total = value
    else:
        series.total += value
    if family.kind == "histogram":
        series.buckets[bisect_left(family.bounds, value)] += 1
    return True


def _add_samples(metric: Metric, family: _Family, labels: dict[str, str], series: _Series) -> None:
    if family.kind == "gauge":
        metric.add_sample(family.name, labels, series.total)
    elif family.kind == "counter":
        metric.add_sample(f"{family.name}_total", labels, series.total)
    else:
        below = 0
        for bound, count in zip((*family.bounds, math.inf), series.buckets, strict=True):
            below += count
            le = "+Inf" if math.isinf(bound) else repr(bound)
            metric.add_sample(f"{family.name}_bucket", {**labels, "le": le}, below)
        metric.add_sample(f"{family.name}_count", labels, series.count)
        metric.add_sample(f"{family.name}_sum", labels, series.total)


def _snake(name: str) -> str:
    """A CamelCase name in Prometheus' alphabet: FramesAnalysed → frames_analysed."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    clean = re.sub(r"[^a-z0-9_]+", "_", words.lower())
    clean = re.sub(r"__+", "_", clean).strip("_")
    return clean if clean and not clean[0].isdigit() else f"m_{clean}"


def _label(value: Any) -> str:
    return str(value)[:LABEL_VALUE_LIMIT]
