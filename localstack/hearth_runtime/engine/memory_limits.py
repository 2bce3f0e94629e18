"""Shares a small machine's memory out: a limit for each function, a sum for those awake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from .functions import FunctionSpec
from .instance import Instance

LEAST_MB = 128  # a Python with boto3 and SQLAlchemy takes 60 to 90
HOME_SHARE = 0.4
"""Of the template's memory, which on AWS buys a share of a processor: it is more than is needed."""


class Pool(Protocol):
    """The instances of one function."""

    @property
    def spec(self) -> FunctionSpec: ...
    @property
    def instances(self) -> Sequence[Instance]: ...
    def retry(self) -> None:
        """Memory may have become free: start what waits."""


def limited(functions: Sequence[FunctionSpec], total_mb: int) -> tuple[FunctionSpec, ...]:
    """The functions with the limits they have where memory is short; none grows.

    Args:
        total_mb: What those awake may take together (`MemoryBudget`); each must fit alone.

    Raises:
        ValueError: One does not.
    """
    shrunk = tuple(
        replace(
            spec, memory_mb=min(spec.memory_mb, max(LEAST_MB, int(spec.memory_mb * HOME_SHARE)))
        )
        for spec in functions
    )
    largest = max(shrunk, key=lambda spec: spec.memory_mb, default=None)
    if largest is not None and largest.memory_mb > total_mb:
        raise ValueError(
            f"{largest.short_name} alone may take {largest.memory_mb} MB, which is more than"
            f" {total_mb} MB for all functions: give {largest.memory_mb} MB or more."
        )
    return shrunk


class MemoryBudget:
    """What the instances of all functions may take together, each counted with its limit.

    It counts from its start until its process has gone. Where one more does not fit, idle ones of
    other functions are ended, the longest unused first, and it starts when they have gone. While
    too much is busy it waits, and its callers with it, as they do for a free instance.
    """

    def __init__(self, total_mb: int | None) -> None:
        """
        Args:
            total_mb: None means without bound.
        """
        self._total_mb = total_mb
        self._pools: list[Pool] = []
        self._refused: dict[int, Pool] = {}  # by identity, those that wait longest first

    def join(self, pool: Pool) -> None:
        """Count the instances of one more function."""
        self._pools.append(pool)

    def admits(self, pool: Pool) -> bool:
        """Whether one more instance of this function may start now; if not, `retry` follows."""
        if self._total_mb is None or self._missing(pool) <= 0:
            self._refused.pop(id(pool), None)
            return True
        self._refused.setdefault(id(pool), pool)
        self._make_room(pool)
        return False

    def withdraw(self, pool: Pool) -> None:
        """This function needs no further instance."""
        self._refused.pop(id(pool), None)

    def waits(self, pool: Pool) -> bool:
        """Whether this function was refused and has not been admitted since."""
        return id(pool) in self._refused

    def freed(self) -> None:
        """An instance has gone or has become idle: let those try again that were refused."""
        for pool in list(self._refused.values()):
            pool.retry()

    def taken(self) -> str:
        """What takes how much, for people."""
        counted = [(one.spec, len(one.instances)) for one in self._pools if one.instances]
        return ", ".join(f"{spec.short_name} {spec.memory_mb * count}" for spec, count in counted)

    def _missing(self, pool: Pool) -> int:
        taken = sum(one.spec.memory_mb * len(one.instances) for one in self._pools)
        return taken + pool.spec.memory_mb - (self._total_mb or 0)

    def _make_room(self, pool: Pool) -> None:
        sized = [
            (instance, one.spec.memory_mb) for one in self._pools for instance in one.instances
        ]
        missing = self._missing(pool) - sum(size for one, size in sized if one.leaving)
        idle = sorted(
            ((one, size) for one, size in sized if one.idle), key=lambda pair: pair[0].since
        )
        if missing > sum(size for _, size in idle):
            return  # ending them would not be enough yet
        for instance, size in idle:
            if missing <= 0:
                return
            instance.terminate()
            missing -= size
