"""Shares a small machine's memory out among the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .functions import FunctionSpec

LEAST_MB = 128  # a Python with boto3 and SQLAlchemy takes 60 to 90


def limited(
    functions: Sequence[FunctionSpec], total_mb: int, replicas: Mapping[str, int] | None = None
) -> tuple[FunctionSpec, ...]:
    """The functions with limits that together take at most `total_mb`.

    On AWS a function's memory also buys its share of a processor, so the template gives more than
    is needed. At home all limits shrink alike, and none grows.

    Args:
        replicas: Instances at most, by short name; 1 for a function not named.

    Raises:
        ValueError: One would get less than a function needs to start.
    """
    counts = replicas or {}
    wanted = sum(spec.memory_mb * counts.get(spec.short_name, 1) for spec in functions)
    if wanted <= total_mb:
        return tuple(functions)
    shrunk = tuple(
        replace(spec, memory_mb=int(spec.memory_mb * total_mb / wanted)) for spec in functions
    )
    least = min(shrunk, key=lambda spec: spec.memory_mb)
    if least.memory_mb < LEAST_MB:
        before = min(spec.memory_mb for spec in functions)
        enough = -(-LEAST_MB * wanted // before)
        raise ValueError(
            f"{total_mb} MB for all functions leaves {least.short_name} {least.memory_mb} MB, and"
            f" {LEAST_MB} are needed: give {enough} MB, or fewer replicas."
        )
    return shrunk
