"""The reranker's network, against another runtime that is given the pairs by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hearth.errors import InvalidInput, ModelFailed, ModelUnavailable, TimedOut
from hearth_text.cross_encoder import MAX_TOKENS, CrossEncoder
from hearth_text.model_folders import Running, load_cross_encoder
from tests.support.tiny_text_models import write_cross_encoder, write_t5

RUNNING = Running(streams=2, precision="float32")
QUERY = "turn on the light"
TEXTS = [
    "kitchen lamp",
    "why does heating run at night ?",
    "",
    "door",
    "is it a reranker , yes . " * 8,
    "kitchen lamp",
]


def reference(folder: Path, query: str, texts: list[str], *, types: bool = True) -> NDArray[Any]:
    """Logits (texts, labels) of ONNX Runtime, one unpadded pair at a time."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    rows = []
    for text in texts:
        first = tokenizer.encode(query, add_special_tokens=False).ids
        second = tokenizer.encode(text, add_special_tokens=False).ids
        start, stop = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        ids = np.array([[start, *first, stop, *second, stop]])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        if types:
            inputs["token_type_ids"] = np.array([[0] * (len(first) + 2) + [1] * (len(second) + 1)])
        rows.append(session.run(None, inputs)[0][0])
    return np.array(rows)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> CrossEncoder:
    return load_cross_encoder(tiny, RUNNING).value


@pytest.mark.parametrize("ir", [False, True])
@pytest.mark.parametrize("types", [False, True])
def test_a_pair_has_the_score_of_another_runtime(tmp_path: Path, ir: bool, types: bool) -> None:
    twin = write_cross_encoder(tmp_path / "twin", types=types)
    folder = write_cross_encoder(tmp_path / "model", ir=ir, types=types)
    answer = load_cross_encoder(folder, RUNNING).value.score(QUERY, TEXTS)
    expected = reference(twin, QUERY, TEXTS, types=types)[:, 0]
    assert answer.logits == pytest.approx(expected, abs=1e-4)
    assert answer.truncated == ()
    assert np.ptp(expected) > 0.05, "the network tells texts apart"


def test_query_and_text_are_distinguished(encoder: CrossEncoder) -> None:
    there = encoder.score("kitchen lamp", ["door open"]).logits
    back = encoder.score("door open", ["kitchen lamp"]).logits
    assert abs(there - back) > 1e-3


def test_of_two_labels_the_second_means_relevant(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "two", labels=2)
    logits = reference(folder, QUERY, TEXTS)
    answer = load_cross_encoder(folder, RUNNING).value.score(QUERY, TEXTS)
    assert answer.logits == pytest.approx(logits[:, 1] - logits[:, 0], abs=1e-4)


def test_a_pair_longer_than_512_tokens_is_truncated_and_reported(encoder: CrossEncoder) -> None:
    long = "kitchen lamp " * MAX_TOKENS
    answer = encoder.score(QUERY, ["door", long, long + "night"])
    assert answer.truncated == (1, 2)
    assert answer.logits[1] == pytest.approx(answer.logits[2], abs=1e-5)


def test_no_texts_give_no_scores(encoder: CrossEncoder) -> None:
    assert encoder.score(QUERY, []).logits.shape == (0,)


def test_an_unpaired_surrogate_is_refused_and_the_next_query_works(encoder: CrossEncoder) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        encoder.score(QUERY, ["good", "\ud800"])
    assert encoder.score(QUERY, ["door"]).logits.shape == (1,)


def test_the_work_ends_at_its_time_limit(encoder: CrossEncoder) -> None:
    with pytest.raises(TimedOut, match="send fewer"):
        encoder.score(QUERY, TEXTS, time_left_s=lambda: 0.0)


words = st.sampled_from(["turn", "on", "the", "light", "kitchen", "lamp", "door", "open", "night"])
texts = st.lists(words, min_size=0, max_size=40).map(" ".join)


@given(questions=st.lists(st.tuples(texts, st.lists(texts, max_size=12)), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None)
def test_queries_at_the_same_time_never_mix_their_scores(
    encoder: CrossEncoder, questions: list[tuple[str, list[str]]]
) -> None:
    alone = [encoder.score(query, many).logits for query, many in questions]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda question: encoder.score(*question).logits, questions)
        for expected, found in zip(alone, together, strict=True):
            assert found == pytest.approx(expected, abs=1e-4)


def test_an_answer_names_its_files_by_their_hash(tmp_path: Path) -> None:
    same = [load_cross_encoder(write_cross_encoder(tmp_path / n), RUNNING).sha256 for n in "ab"]
    other = load_cross_encoder(write_cross_encoder(tmp_path / "c", seed=9), RUNNING).sha256
    assert same[0] == same[1] != other
    assert len(other) == 64


def test_a_classifier_with_three_labels_is_not_a_reranker(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(ModelFailed, match="no reranker"):
        load_cross_encoder(folder, RUNNING)


def test_a_network_with_other_inputs_is_refused_by_their_names(tmp_path: Path) -> None:
    folder = write_t5(tmp_path / "t5")
    (folder / "decoder_model.onnx").rename(folder / "model.onnx")
    with pytest.raises(ModelFailed, match="encoder_hidden_states"):
        load_cross_encoder(folder, RUNNING)


def test_an_empty_folder_is_reported_with_the_expected_files(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"openvino_model\.xml"):
        load_cross_encoder(tmp_path / "none", RUNNING)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_broken_file_is_named(tmp_path: Path, file: str) -> None:
    folder = write_cross_encoder(tmp_path / "broken")
    (folder / file).write_bytes(b"{not a model")
    with pytest.raises(ModelFailed, match=file):
        load_cross_encoder(folder, RUNNING)
