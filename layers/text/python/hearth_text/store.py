"""Loads models at their first use, and evicts the least recently used when memory is short."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from hearth.errors import HearthError, ModelFailed, ModelUnavailable, NotFound, Unavailable

T = TypeVar("T")


class ModelState(StrEnum):
    COLD = "cold"
    """Not in memory; loaded at its next use."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    """The last attempt to load it failed; the next request retries."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A model in memory.

    Attributes:
        value: The loaded model.
        sha256: Of the model's files.
        detail: Backend and precision, for people.
        memory_bytes: Its approximate memory.
    """

    value: T
    sha256: str
    detail: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The state of one model.

    Attributes:
        state_ms: Time in this state, milliseconds; 0 for cold.
        load_ms: Duration of the last successful load, milliseconds.
        error: Why the last load failed.
    """

    name: str
    state: ModelState = ModelState.COLD
    state_ms: float = 0.0
    load_ms: float | None = None
    sha256: str | None = None
    detail: str | None = None
    memory_bytes: int = 0
    error: str | None = None


class _Entry(Generic[T]):
    def __init__(self, name: str, load: Callable[[], Loaded[T]]) -> None:
        self.load = load
        self.loaded: Loaded[T] | None = None
        self.status = ModelStatus(name)
        self.since = 0.0


class ModelStore(Generic[T]):
    """Models by name; thread-safe.

    A model that is in use stays in memory until the work is done, also when the store has evicted
    it.

    Args:
        loaders: The function that loads each model, by name; raises HearthError.
        max_bytes: Memory limit of all loaded models; the least recently used are evicted first.
        patience_s: Seconds for which a request waits while another one loads the model.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        loaders: Mapping[str, Callable[[], Loaded[T]]],
        max_bytes: int,
        *,
        patience_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._patience_s = patience_s
        self._clock = clock
        self._changed = threading.Condition()
        self._entries = OrderedDict((name, _Entry(name, load)) for name, load in loaders.items())

    def get(self, name: str) -> Loaded[T]:
        """Return a model, loading it if necessary.

        Raises:
            NotFound: The model does not exist.
            ModelUnavailable: The model is not installed, broken, or larger than the memory limit.
            ModelFailed: The model was loaded and its answers are not valid.
            Unavailable: Another request is still loading the model.
        """
        with self._changed:
            entry = self._entries.get(name)
            if entry is None:
                known = ", ".join(sorted(self._entries))
                raise NotFound(f"model {name[:100]!r} does not exist; there is {known}")
            free = self._changed.wait_for(
                lambda: entry.status.state is not ModelState.LOADING, self._patience_s
            )
            if not free:
                raise Unavailable(f"model {name} is still being loaded; retry after a few seconds")
            self._entries.move_to_end(name)
            if entry.loaded is not None:
                return entry.loaded
            self._turn(entry, ModelStatus(name, ModelState.LOADING, load_ms=entry.status.load_ms))
        return self._load(entry)

    def status(self) -> list[ModelStatus]:
        """Return the status of each model, by name, without loading any."""
        with self._changed:
            now = self._clock()
            return [
                replace(
                    entry.status,
                    state_ms=0.0
                    if entry.status.state is ModelState.COLD
                    else (now - entry.since) * 1000,
                )
                for _, entry in sorted(self._entries.items())
            ]

    def _load(self, entry: _Entry[T]) -> Loaded[T]:
        name = entry.status.name
        began = self._clock()
        try:
            loaded = entry.load()
            if loaded.memory_bytes > self._max_bytes:
                raise ModelUnavailable(
                    f"model {name} takes {loaded.memory_bytes >> 20} MiB and models may take "
                    f"{self._max_bytes >> 20}; give them more memory"
                )
        except BaseException as error:
            reason = error.message if isinstance(error, HearthError) else type(error).__name__
            with self._changed:
                self._turn(entry, ModelStatus(name, ModelState.FAILED, error=reason))
            if isinstance(error, HearthError) or not isinstance(error, Exception):
                raise
            raise ModelFailed(f"model {name} cannot be loaded ({reason}); see the log") from error
        with self._changed:
            entry.loaded = loaded
            status = ModelStatus(
                name,
                ModelState.READY,
                load_ms=(self._clock() - began) * 1000,
                sha256=loaded.sha256,
                detail=loaded.detail,
                memory_bytes=loaded.memory_bytes,
            )
            self._turn(entry, status)
            self._make_room(entry)
        return loaded

    def _make_room(self, keep: _Entry[T]) -> None:
        for entry in list(self._entries.values()):
            used = sum(other.status.memory_bytes for other in self._entries.values())
            if used <= self._max_bytes:
                return
            if entry is not keep and entry.loaded is not None:
                entry.loaded = None
                self._turn(entry, ModelStatus(entry.status.name, load_ms=entry.status.load_ms))

    def _turn(self, entry: _Entry[T], status: ModelStatus) -> None:
        entry.status = status
        entry.since = self._clock()
        self._changed.notify_all()
