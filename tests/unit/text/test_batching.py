from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_text.batching import TOKEN_BUDGET, bucket_length, bucket_rows, plan_batches

LENGTHS = st.lists(st.integers(1, 256), max_size=400)


def test_no_texts_give_no_batches() -> None:
    assert plan_batches([], 2, 256) == []


@given(LENGTHS, st.integers(1, 8))
def test_each_text_is_in_one_batch_that_fits_it(lengths: list[int], streams: int) -> None:
    batches = plan_batches(lengths, streams, 256)
    assert sorted(text for batch in batches for text in batch.texts) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch.texts) <= batch.rows
        assert max(lengths[text] for text in batch.texts) <= batch.length <= 256


@given(LENGTHS, st.integers(1, 8))
def test_a_batch_keeps_to_the_budget(lengths: list[int], streams: int) -> None:
    for batch in plan_batches(lengths, streams, 256):
        assert batch.rows * batch.length <= TOKEN_BUDGET


@given(LENGTHS)
def test_texts_of_similar_length_share_a_batch(lengths: list[int]) -> None:
    ordered = [lengths[t] for batch in plan_batches(lengths, 2, 256) for t in batch.texts]
    assert ordered == sorted(lengths, reverse=True)


def test_there_are_few_shapes() -> None:
    shapes = {
        (batch.rows, batch.length)
        for length in range(1, 257)
        for count in (1, 2, 5, 17, 100, 1000)
        for batch in plan_batches([length] * count, 2, 256)
    }
    assert len(shapes) < 150


def test_little_work_is_divided_among_the_streams() -> None:
    assert len(plan_batches([16] * 32, 2, 256)) == 2
    assert len(plan_batches([16] * 4, 2, 256)) == 1


@pytest.mark.parametrize(
    ("length", "bucket"), [(1, 8), (8, 8), (9, 16), (64, 64), (65, 80), (129, 160), (256, 256)]
)
def test_lengths_are_rounded_up(length: int, bucket: int) -> None:
    assert bucket_length(length, 256) == bucket


def test_no_row_exceeds_the_network_s_limit() -> None:
    assert bucket_length(20, 20) == 20


@pytest.mark.parametrize(
    ("rows", "bucket"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (9, 12), (13, 16)]
)
def test_rows_are_rounded_up(rows: int, bucket: int) -> None:
    assert bucket_rows(rows) == bucket
