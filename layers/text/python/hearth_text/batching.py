"""Plans batches: which texts go through a network together.

A batch costs its rows times its longest text, so texts of similar length go together, up to about
1,024 tokens: more do not fit into the processor's cache and take a third longer. A network
prepares itself for every new shape (5 to 13 ms), so lengths and rows are rounded up to one of a
few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOKEN_BUDGET: Final = 1024
_SMALLEST_SHARE: Final = 128
"""Minimum tokens of a batch that is split between streams: starting a smaller one costs as much."""
_STEPS: Final = ((64, 8), (128, 16), (1 << 30, 32))
"""(Up to this length, round up to a multiple of this)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that go through the network together.

    Attributes:
        texts: Their indices in the caller's list.
        rows: At least as many as there are texts; the rest is padding.
        length: The number of tokens in a row.
    """

    texts: tuple[int, ...]
    rows: int
    length: int


def plan_batches(lengths: Sequence[int], streams: int, max_length: int) -> list[Batch]:
    """Plan batches that contain each text once, the longest texts first.

    Args:
        lengths: The number of tokens of each text, 1 to `max_length`.
        streams: Number of parallel batches; little work is divided among them.
        max_length: The longest row that the network accepts.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    share = -(-sum(lengths) // streams)
    budget = min(TOKEN_BUDGET, max(_SMALLEST_SHARE, share))
    batches: list[Batch] = []
    begin = 0
    while begin < len(order):
        length = bucket_length(lengths[order[begin]], max_length)
        most = max(1, budget // length)
        texts = tuple(order[begin : begin + most])
        batches.append(Batch(texts, min(bucket_rows(len(texts)), max(most, len(texts))), length))
        begin += len(texts)
    return batches


def bucket_length(length: int, max_length: int) -> int:
    """`length` rounded up: to a multiple of 8 to 64, of 16 to 128, of 32 above."""
    step = next(step for limit, step in _STEPS if length <= limit)
    return min(max_length, -(-length // step) * step)


def bucket_rows(rows: int) -> int:
    """`rows` rounded up to a power of two, or to one and a half times one."""
    power = 1 << max(0, rows - 1).bit_length()
    return power * 3 // 4 if power >= 4 and rows <= power * 3 // 4 else power
