"""Shares of a small machine's memory."""

from __future__ import annotations

import pytest

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.engine.memory_limits import LEAST_MB, limited


def specs(*memory_mb: int) -> list[FunctionSpec]:
    return [
        FunctionSpec(f"hearth-f{n}", f"f{n}", "f.main.handler", memory_mb=memory)
        for n, memory in enumerate(memory_mb)
    ]


@pytest.mark.parametrize(
    ("memory_mb", "limits"),
    [
        ([], []),
        ([512], [204]),
        ([512, 2048], [204, 819]),  # the sum is the budget's to keep
        ([256, LEAST_MB, 64], [LEAST_MB, LEAST_MB, 64]),  # none grows
    ],
)
def test_limits_are_a_share_of_the_templates(memory_mb: list[int], limits: list[int]) -> None:
    assert [spec.memory_mb for spec in limited(specs(*memory_mb), 1000)] == limits


def test_too_little_is_said_with_what_would_be_enough() -> None:
    with pytest.raises(
        ValueError, match=r"f1 alone may take 819 MB, which is more than 818 .* give 819 MB or more"
    ):
        limited(specs(512, 2048), 818)
    assert limited(specs(512, 2048), 819)
