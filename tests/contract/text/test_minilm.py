"""The real all-MiniLM-L6-v2: its float32 to the last digits, the INT8 variants by a tolerance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth.errors import InvalidInput, TimedOut
from hearth.processor import has_bfloat16
from hearth_text.models import Variant
from tests.support.text_models import minilm

# What sentence-transformers 6.2 on PyTorch 2.13 (float32) makes of these texts, the first numbers.
# tests/performance/embeddings.py compares all numbers of more texts.
CANONICAL = {
    "Hello world": [-0.0344772, 0.0310232, 0.0067350, 0.0261090, -0.0393620],
    "turn the porch light on": [0.0594241, -0.0100240, 0.0295497, 0.0417578, 0.0409416],
    "Is the garage open, and who left it so?": [
        *(0.0484281, 0.0570510, -0.0066794, 0.0269825, 0.0514523),
    ],
    "日本語 и English": [-0.0076609, 0.0579245, 0.0576579, -0.0783613, -0.0617963],
    "A red bicycle " * 60: [-0.0464413, -0.0017168, -0.0322718, -0.0441431, -0.0885745],
    "ERR 0x80070005 at line 118": [-0.0841122, 0.0714663, -0.0273195, 0.0069595, -0.0359376],
}
OWN = (
    "Somebody left the cellar door open and the alarm is on.",
    "the boiler used eleven kilowatt hours yesterday",
    "Warum ist es im Wintergarten so kalt?",
    "OK",
    "A worker on the scaffold took his helmet off to wipe his forehead, and put it on again.",
    "sensor.loft_temperature is unavailable since 04:15",
    "Which of the two cameras saw the white van first?",
    "Order gloves, size nine, twelve pairs.",
)


@pytest.mark.parametrize("text", CANONICAL, ids=lambda text: text[:20])
def test_float32_gives_the_canonical_values(text: str) -> None:
    (vector,) = minilm(Variant.FLOAT32).value.embed([text])
    np.testing.assert_allclose(vector[:5], CANONICAL[text], atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "mean", "least"),
    [(Variant.FLOAT32, 1 - 1e-6, 1 - 1e-6), (Variant.WEIGHTS_INT8, 0.998, 0.995),
     (Variant.INT8, 0.995, 0.98)],
)  # fmt: skip
def test_a_variant_is_as_faithful_as_it_says(variant: Variant, mean: float, least: float) -> None:
    exact = minilm(Variant.FLOAT32).value.embed(OWN)
    cosines = np.sum(minilm(variant).value.embed(OWN) * exact, axis=1)
    assert cosines.mean() >= mean, cosines
    assert cosines.min() >= least, cosines


def test_the_answer_names_the_arithmetic_that_the_processor_allows() -> None:
    chosen = "bfloat16" if has_bfloat16() else "float32"
    assert f" {chosen}, 2 streams of one thread" in minilm(Variant.WEIGHTS_INT8).detail


def test_no_texts_are_no_vectors() -> None:
    found = minilm().value.encode([])
    assert found.vectors.shape == (0, 384)
    assert (found.tokens, found.truncated) == ((), ())


def test_padding_and_neighbours_change_nothing() -> None:
    model = minilm(Variant.FLOAT32).value
    together = model.embed([*OWN, "long " * 200])
    for text, vector in zip(OWN, together, strict=False):
        np.testing.assert_allclose(model.embed([text])[0], vector, atol=1e-5)


def test_the_mask_keeps_padding_out_of_the_mean() -> None:
    """As the network is asked to leave out a token, so it does."""
    model = minilm(Variant.FLOAT32).value
    ids = np.array([[101, 7592, 2088, 102, 0, 0, 0, 0]], np.int32)
    padded = model._infer(ids, (ids > 0).astype(np.int32))
    exact = model._infer(ids[:, :4], np.ones((1, 4), np.int32))
    np.testing.assert_allclose(padded, exact, atol=1e-5)


def test_256_tokens_are_read_and_what_is_longer_is_told() -> None:
    model = minilm(Variant.FLOAT32).value
    found = model.encode(["word " * 254, "word " * 255, "word " * 900])
    assert (found.tokens, found.truncated) == ((256, 256, 256), (1, 2))
    np.testing.assert_allclose(found.vectors[1], found.vectors[2], atol=1e-6)


def test_half_a_surrogate_pair_is_named_by_its_place() -> None:
    with pytest.raises(InvalidInput, match="text 1 holds half of a surrogate pair at character 2"):
        minilm().value.embed(["fine", "ab\ud800"])


def test_work_ends_when_its_time_is_used_up_and_the_next_works() -> None:
    model = minilm().value
    left = iter([1.0, 1.0, 0.0])
    with pytest.raises(TimedOut, match="send fewer"):
        model.encode(["word " * 200] * 100, time_left_s=lambda: next(left, 0.0))
    assert model.embed(["next"]).shape == (1, 384)


REQUESTS = st.lists(
    st.lists(st.sampled_from([*OWN, "word " * 40, "x", "?"]), min_size=1, max_size=30),
    min_size=2,
    max_size=6,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(REQUESTS)
def test_requests_at_once_never_mix_their_answers(requests: list[list[str]]) -> None:
    model = minilm(Variant.FLOAT32).value
    with ThreadPoolExecutor(len(requests)) as callers:
        answers = list(callers.map(model.embed, requests))
    for texts, vectors in zip(requests, answers, strict=True):
        alone = np.stack([ALONE.setdefault(text, model.embed([text])[0]) for text in texts])
        np.testing.assert_allclose(vectors, alone, atol=1e-5)


ALONE: dict[str, np.ndarray] = {}
