"""Labels by their descriptions, and the words that are left without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from functions.embeddings.classification.keywords import classify_by_keywords
from functions.embeddings.classification.zero_shot import ZeroShot

AXES = {"north": (1, 0, 0), "up": (0.8, 0.6, 0), "east": (0, 0, 1)}
LABELS = {"first": ("north", "up"), "second": ("east",)}


class Compass:
    """Stands for a model: each description is a direction."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([AXES[text] for text in texts], np.float32)


def test_the_label_of_the_closest_description_wins() -> None:
    model, labels = Compass(), ZeroShot(LABELS, 0.1)
    guess = labels.guess(np.array([0.6, 0.8, 0], np.float32), model)
    assert (guess.label, guess.description) == ("first", "up")
    assert guess.cosine == pytest.approx(0.96)
    assert guess.confidence == pytest.approx(1 / (1 + np.exp(-9.6)))


def test_descriptions_are_embedded_once() -> None:
    model, labels = Compass(), ZeroShot(LABELS, 0.1)
    for _ in range(3):
        labels.guess(np.array([0, 0, 1], np.float32), model)
    assert model.asked == ["north", "up", "east"]


def test_a_text_between_two_labels_has_equal_probabilities() -> None:
    half = np.array([np.sqrt(0.5), 0, np.sqrt(0.5)], np.float32)
    assert ZeroShot(LABELS, 0.05).guess(half, Compass()).confidence == pytest.approx(0.5, abs=1e-3)


@given(x=st.floats(-1, 1), y=st.floats(-1, 1), temperature=st.floats(0.01, 1))
def test_probabilities_sum_to_one(x: float, y: float, temperature: float) -> None:
    guess = ZeroShot(LABELS, temperature).guess(np.array([x, 0, y], np.float32), Compass())
    assert sum(guess.shares.values()) == pytest.approx(1)
    assert guess.confidence == max(guess.shares.values())
    assert guess.shares[guess.label] == guess.confidence


@pytest.mark.parametrize(
    ("text", "category", "words"),
    [
        ("", "convenience", ()),
        ("the clock", "convenience", ()),
        ("consumption", "energy", ("consumption",)),
        ("heats the room, then cooled", "comfort", ("heat", "cooled")),
        ("a powerful lock and a camera", "security", ("lock", "camera")),
        ("power or door", "energy", ("power",)),
        ("clocking in", "convenience", ()),
    ],
)
def test_the_category_with_most_words_wins(
    text: str, category: str, words: tuple[str, ...]
) -> None:
    assert classify_by_keywords(text) == (category, "medium", words)
