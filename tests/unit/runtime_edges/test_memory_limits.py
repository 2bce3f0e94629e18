"""Shares of a small machine's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.functions import FunctionSpec
from hearth_runtime.memory_limits import LEAST_MB, limited


def specs(*memory_mb: int) -> list[FunctionSpec]:
    return [
        FunctionSpec(f"hearth-f{n}", f"f{n}", "f.main.handler", memory_mb=memory)
        for n, memory in enumerate(memory_mb)
    ]


@pytest.mark.parametrize(
    ("memory_mb", "total_mb", "replicas", "limits"),
    [
        ([], 100, {}, []),
        ([512], 512, {}, [512]),
        ([512, 2048], 4000, {}, [512, 2048]),  # none grows
        ([512, 2048], 1280, {}, [256, 1024]),
        ([512, 512], 1000, {"f1": 3}, [250, 250]),
        ([512], 128, {}, [128]),
    ],
)
def test_limits_shrink_in_proportion(
    memory_mb: list[int], total_mb: int, replicas: dict[str, int], limits: list[int]
) -> None:
    shared = limited(specs(*memory_mb), total_mb, replicas)
    assert [spec.memory_mb for spec in shared] == limits


@given(st.lists(st.integers(128, 10_240), max_size=30), st.integers(1, 100_000))
def test_together_they_never_take_more(memory_mb: list[int], total_mb: int) -> None:
    try:
        shared = limited(specs(*memory_mb), total_mb)
    except ValueError as error:
        enough = int(str(error).partition("give ")[2].split()[0])
        assert enough > total_mb
        shared = limited(specs(*memory_mb), enough)  # what the message tells is enough
        total_mb = enough
    assert sum(spec.memory_mb for spec in shared) <= total_mb
    assert all(spec.memory_mb >= min(LEAST_MB, *memory_mb) for spec in shared)


def test_too_little_is_said_with_what_would_be_enough() -> None:
    with pytest.raises(ValueError, match="leaves f0 100 MB, and 128 are needed: give 641 MB"):
        limited(specs(512, 2051), 501)
