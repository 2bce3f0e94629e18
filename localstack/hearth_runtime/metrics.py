"""Prometheus metrics: the functions' own (from EMF lines) and the runtime's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry


class Metrics:
    """`registry` is open to other parts of the runtime (gateway, pollers)."""

    registry: CollectorRegistry

    def render(self) -> bytes:
        """The registry in Prometheus' text format."""
        raise NotImplementedError
