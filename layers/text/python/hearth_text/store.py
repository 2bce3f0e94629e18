"""Loads models when they are first asked for, and lets go of the idle when memory is short."""

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
    """Not in memory: it is loaded when it is asked for."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    """The last attempt to load it failed; the next request tries again."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A model in memory.

    Attributes:
        value: What answers.
        sha256: Of its files.
        detail: What computes it and how, for people.
        memory_bytes: What it takes, roughly.
    """

    value: T
    sha256: str
    detail: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What the store knows of one model.

    Attributes:
        state_ms: For how long it has been in this state, milliseconds; 0 for cold.
        load_ms: How long the last successful load took, milliseconds.
        error: Why the last one failed.
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
    """Models by name; safe in several threads at once.

    A model that somebody still works with stays in memory until they have done, also when the store
    has let go of it.

    Args:
        loaders: Name → what loads it; raises HearthError where it cannot.
        max_bytes: The models in memory take no more; those not used longest go first.
        patience_s: Seconds for which a request waits while another one loads the model.
        clock: Seconds.
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
        """The model, loaded if need be.

        Raises:
            NotFound: There is none of that name.
            ModelUnavailable: It is not installed, broken, or larger than all memory for models.
            ModelFailed: It was loaded and answers nonsense.
            Unavailable: Another request is still loading it.
        """
        with self._changed:
            entry = self._entries.get(name)
            if entry is None:
                known = ", ".join(sorted(self._entries))
                raise NotFound(f"model {name[:100]!r} is not known; there is {known}")
            free = self._changed.wait_for(
                lambda: entry.status.state is not ModelState.LOADING, self._patience_s
            )
            if not free:
                raise Unavailable(f"model {name} is still being loaded; try again in a few seconds")
            self._entries.move_to_end(name)
            if entry.loaded is not None:
                return entry.loaded
            self._turn(entry, ModelStatus(name, ModelState.LOADING, load_ms=entry.status.load_ms))
        return self._load(entry)

    def status(self) -> list[ModelStatus]:
        """Of each model, by name; loads nothing."""
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
