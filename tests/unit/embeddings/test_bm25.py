"""BM25 against its formula, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.embeddings.reranking.bm25 import bm25


def test_no_texts_give_no_scores() -> None:
    assert bm25("lamp", []).shape == (0,)


@pytest.mark.parametrize("query", ["", "xyzzy", "???"])
def test_a_query_without_matching_words_scores_zero(query: str) -> None:
    assert bm25(query, ["the lamp", "", "door"]).tolist() == [0.0, 0.0, 0.0]


def test_the_score_is_that_of_the_formula() -> None:
    # Two of three texts hold "lamp"; the texts have 1, 3 and 2 words, two on average.
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    first = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2))
    second = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert bm25("Lamps!", ["lamp", "LAMP lamp on", "front door"]) == pytest.approx(
        [first, second, 0.0]
    )


def test_rare_words_count_more_and_long_texts_less() -> None:
    scores = bm25("porch lamp", ["a porch", "a lamp", "the lamp", "one lamp"])
    assert scores[0] > scores[1]
    short, long = bm25("lamp", ["lamp", "lamp " + "and more " * 10])
    assert short > long


@given(texts=st.lists(st.text("ab c", max_size=12), max_size=8), query=st.text("ab c", max_size=8))
def test_scores_are_never_negative_and_follow_their_texts(texts: list[str], query: str) -> None:
    scores = bm25(query, texts)
    assert (scores >= 0).all()
    assert np.allclose(bm25(query, texts[::-1])[::-1], scores)
