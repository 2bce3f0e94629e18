"""The token bucket of a route."""

from __future__ import annotations

from hearth_runtime.http.gateway import TokenBucket
from hearth_runtime.template.model import Throttle


def test_a_burst_passes_and_then_the_rate_decides() -> None:
    now = [0.0]
    bucket = TokenBucket(Throttle(rate=10, burst=3), lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_burst_of_zero_lets_nothing_through() -> None:
    assert not TokenBucket(Throttle(rate=100, burst=0), lambda: 1e9).take()
