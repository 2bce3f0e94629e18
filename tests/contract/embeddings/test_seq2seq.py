"""The classifier's network, against another runtime that says one answer at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
from openvino import PartialShape, Type
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo
from tokenizers import Tokenizer

from hearth.errors import ModelFailed, ModelUnavailable
from hearth_text.backends.open_vino import OpenVinoProgram
from hearth_text.model_folders import Running, load_seq2seq
from hearth_text.seq2seq import Seq2SeqScorer
from tests.support.tiny_text_models import write_cross_encoder, write_t5

RUNNING = Running(precision="float32")
PROMPT = "why does the heating run at night ?"
ANSWERS = ["energy", "comfort", "security : high", "", "yes no yes no yes"]


def reference(folder: Path, prompt: str, answer: str) -> float:
    """ln p(answer, end | prompt) by ONNX Runtime: token for token, without padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder = onnxruntime.InferenceSession(folder / "encoder_model.onnx")
    decoder = onnxruntime.InferenceSession(folder / "decoder_model.onnx")
    end = tokenizer.token_to_id("</s>")
    ids = np.array([[*tokenizer.encode(prompt, add_special_tokens=False).ids, end]])
    hidden = encoder.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
    said, total = [0], 0.0
    for token in [*tokenizer.encode(answer, add_special_tokens=False).ids, end]:
        inputs = {
            "input_ids": np.array([said]),
            "encoder_hidden_states": hidden,
            "encoder_attention_mask": np.ones_like(ids),
        }
        logits = decoder.run(None, inputs)[0][0, -1].astype(np.float64)
        total += logits[token] - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        said.append(token)
    return total


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_t5(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("ir", [False, True])
def test_an_answer_has_the_probability_of_another_runtime(
    tiny: Path, tmp_path: Path, ir: bool
) -> None:
    model = load_seq2seq(write_t5(tmp_path / "model", ir=ir), RUNNING).value
    expected = [reference(tiny, PROMPT, answer) for answer in ANSWERS]
    assert model.log_probabilities(PROMPT, ANSWERS) == pytest.approx(expected, abs=1e-3)
    assert model.log_probabilities(PROMPT, ANSWERS[::-1]) == pytest.approx(expected[::-1], abs=1e-3)


def test_a_decoder_with_a_state_begins_with_an_empty_one_each_time(tmp_path: Path) -> None:
    """As optimum exports decoders: what they have read stays in them, until it is reset."""
    given = ops.parameter([-1], np.float32, name="input_ids")
    given.output(0).set_names({"input_ids"})
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = PartialShape([1]), Type.f32, "kept"
    kept = Variable(info)
    before = ops.read_value(ops.constant(np.zeros(1, np.float32)), kept)
    total = ops.add(before, ops.reduce_sum(given, ops.constant([0]), keep_dims=True))
    model = openvino.Model([ops.result(total)], [ops.assign(total, kept)], [given], "counter")
    openvino.save_model(model, tmp_path / "counter.xml", compress_to_fp16=False)
    program = OpenVinoProgram(tmp_path / "counter.xml", precision="float32")
    for _ in range(3):
        assert program.run({"input_ids": np.ones(4)})[0].tolist() == [4.0]


def test_the_answer_depends_on_the_prompt(tiny: Path) -> None:
    model: Seq2SeqScorer = load_seq2seq(tiny, RUNNING).value
    one, other = (model.log_probabilities(text, ["energy"]) for text in ("door", "window"))
    assert abs(one - other) > 1e-3


def test_a_folder_without_a_decoder_is_named(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "reranker")
    with pytest.raises(ModelUnavailable, match="model reranker is not installed"):
        load_seq2seq(folder, RUNNING)


def test_a_decoder_that_wants_past_keys_is_refused(tmp_path: Path) -> None:
    folder = write_t5(tmp_path / "swapped")
    (folder / "decoder_model.onnx").write_bytes((folder / "encoder_model.onnx").read_bytes())
    with pytest.raises(ModelFailed, match="takes no past key values"):
        load_seq2seq(folder, RUNNING)


@pytest.mark.parametrize("config", ["{", "[]", json.dumps({"decoder_start_token_id": "x"})])
def test_an_invalid_config_is_reported(tmp_path: Path, config: str) -> None:
    folder = write_t5(tmp_path / "model")
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelFailed, match=r"config\.json|decoder_start_token_id"):
        load_seq2seq(folder, RUNNING)
