from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hearth.errors import ModelFailed, ModelUnavailable, NotFound, Unavailable
from hearth_text.store import Loaded, ModelState, ModelStore

MB = 1 << 20


@dataclass
class Shelf:
    """Models of 100 MB, and how often each was loaded."""

    loads: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def loader(self, name: str, size: int = 100 * MB) -> Callable[[], Loaded[str]]:
        def load() -> Loaded[str]:
            self.loads.append(name)
            self.seconds += 0.25
            return Loaded(f"the model {name}", "ab" * 32, "by hand", size)

        return load

    def store(self, *names: str, max_mb: int = 250) -> ModelStore[str]:
        loaders = {name: self.loader(name) for name in names}
        return ModelStore(loaders, max_mb * MB, clock=lambda: self.seconds)


def states(store: ModelStore[str]) -> dict[str, ModelState]:
    return {status.name: status.state for status in store.status()}


def test_a_model_is_loaded_once_at_its_first_use() -> None:
    shelf = Shelf()
    store = shelf.store("a", "b")
    assert states(store) == {"a": ModelState.COLD, "b": ModelState.COLD}
    assert store.get("a") is store.get("a")
    assert shelf.loads == ["a"]
    assert states(store) == {"a": ModelState.READY, "b": ModelState.COLD}


def test_the_status_reports_load_time_and_time_in_state() -> None:
    shelf = Shelf()
    store = shelf.store("a")
    store.get("a")
    shelf.seconds += 2
    (status,) = store.status()
    assert (status.load_ms, status.state_ms) == (250, 2000)
    assert (status.sha256, status.detail, status.memory_bytes) == ("ab" * 32, "by hand", 100 * MB)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="'c' does not exist; there is a, b"):
        Shelf().store("a", "b").get("c")


def test_the_least_recently_used_model_is_evicted() -> None:
    shelf = Shelf()
    store = shelf.store("a", "b", "c")
    for name in ("a", "b", "a", "c"):
        store.get(name)
    assert states(store) == {
        "a": ModelState.READY,
        "b": ModelState.COLD,
        "c": ModelState.READY,
    }
    store.get("b")
    assert shelf.loads == ["a", "b", "c", "b"]
    assert states(store)["a"] is ModelState.COLD


def test_an_evicted_model_still_works_for_its_holder() -> None:
    store = Shelf().store("a", "b", max_mb=150)
    held = store.get("a")
    store.get("b")
    assert held.value == "the model a"


def test_a_model_larger_than_the_memory_limit_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable, match="takes 100 MiB and models may take 50"):
        Shelf().store("a", max_mb=50).get("a")


def test_a_failure_is_reported_and_the_next_request_retries() -> None:
    outcomes = iter([ModelFailed("it is broken"), RuntimeError("native"), None])

    def load() -> Loaded[str]:
        if error := next(outcomes):
            raise error
        return Loaded("fine", "", "", 1)

    store = ModelStore({"a": load}, MB)
    with pytest.raises(ModelFailed, match="it is broken"):
        store.get("a")
    (status,) = store.status()
    assert (status.state, status.error) == (ModelState.FAILED, "it is broken")
    with pytest.raises(ModelFailed, match="RuntimeError"):
        store.get("a")
    assert store.get("a").value == "fine"
    assert store.status()[0].error is None


def test_concurrent_requests_wait_for_one_load() -> None:
    may_end, began = threading.Event(), threading.Event()
    loads: list[int] = []

    def load() -> Loaded[str]:
        loads.append(1)
        began.set()
        assert may_end.wait(10)
        return Loaded("fine", "", "", 1)

    store = ModelStore({"a": load}, MB)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(store.get("a").value)) for _ in "12345"]
    for thread in threads:
        thread.start()
    assert began.wait(10)
    assert states(store) == {"a": ModelState.LOADING}
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert (found, loads) == (["fine"] * 5, [1])


def test_a_request_that_waited_too_long_for_a_load_is_told_to_retry() -> None:
    may_end, began = threading.Event(), threading.Event()

    def load() -> Loaded[str]:
        began.set()
        assert may_end.wait(10)
        return Loaded("fine", "", "", 1)

    store = ModelStore({"a": load}, MB, patience_s=0.01)
    thread = threading.Thread(target=store.get, args=("a",))
    thread.start()
    assert began.wait(10)
    with pytest.raises(Unavailable, match="still being loaded"):
        store.get("a")
    may_end.set()
    thread.join(10)
    assert store.get("a").value == "fine"
