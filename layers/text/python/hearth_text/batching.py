"""Which texts go through a network together.

A batch costs its rows times its longest text, so texts of like length go together, as many as make
about 1,024 tokens: more do not fit the processor's cache, and take a third longer. A network
prepares itself anew for every shape that it has not seen (5 to 13 ms), so that lengths and rows are
rounded up to one of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOKEN_BUDGET: Final = 1024
_SMALLEST_SHARE: Final = 128
"""Below so many tokens a batch is not split between streams: starting it would cost as much."""
_STEPS: Final = ((64, 8), (128, 16), (1 << 30, 32))
"""Up to a length, rounded up to a multiple of."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that go together.

    Attributes:
        texts: Their places in the caller's list.
        rows: At least as many; the rest is padding.
        length: Tokens in a row.
    """

    texts: tuple[int, ...]
    rows: int
    length: int


def plan_batches(lengths: Sequence[int], streams: int, max_length: int) -> list[Batch]:
    """Batches that hold each text once, the longest texts first.

    Args:
        lengths: Tokens of each text, 1 to `max_length`.
        streams: Batches that run at a time; little work is shared out among them.
        max_length: The longest row that the network takes.
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
