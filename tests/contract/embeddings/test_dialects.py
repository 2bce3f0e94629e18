"""OpenAI's dialect and that of text-embeddings-inference, request by request."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np
import pytest

from tests.contract.embeddings.conftest import Harness
from tests.support.text_models import minilm

MODEL = "all-MiniLM-L6-v2"


def openai(harness: Harness, given: Any, **more: Any) -> tuple[int, Any]:
    return harness.call("POST", "/v1/embeddings", {"input": given, "model": MODEL, **more})


def test_one_text_or_several_are_answered_in_order(harness: Harness) -> None:
    one, several = openai(harness, "light")[1], openai(harness, ["light", "door"])[1]
    assert [item["index"] for item in several["data"]] == [0, 1]
    assert one["data"][0]["embedding"] == several["data"][0]["embedding"]
    assert several["object"] == "list"
    assert several["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert several["model"] == MODEL
    assert several["model_sha256"] == minilm().sha256


def test_base64_is_the_same_vector_to_the_last_bit(harness: Harness) -> None:
    _, body = openai(harness, "light", encoding_format="base64")
    packed = np.frombuffer(base64.b64decode(body["data"][0]["embedding"]), "<f4")
    np.testing.assert_array_equal(packed, minilm().value.embed(["light"])[0])


@pytest.mark.parametrize(
    "given",
    [[], "", [""], ["x"] * 1001, 5, None, {"text": "x"}, [[]], [[], []], [1, "x"], [True], [1.5]],
    ids=lambda given: f"{given!s:.20}",
)
def test_a_value_that_is_neither_text_nor_texts_is_a_400(harness: Harness, given: Any) -> None:
    status, body = openai(harness, given)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_arrays_of_tokens_are_refused_with_what_to_send_instead(harness: Harness) -> None:
    for tokens in ([101, 2422, 102], [[101, 2422, 102]]):
        status, body = openai(harness, tokens)
        assert status == 400
        assert "send the text" in body["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "field"), [("POST", "/v1/embeddings", "input"), ("POST", "/embed", "inputs")]
)
def test_the_first_reason_is_the_true_one(
    harness: Harness, method: str, path: str, field: str
) -> None:
    def reason(given: Any) -> Any:
        body = {field: given, "model": MODEL}
        return harness.call(method, path, body)[1]["error"]["message"]

    assert f"body.{field}.2: String should have at least 1 character" in reason(["a", "b", "", "d"])
    assert f"body.{field}.1: Input should be a valid string" in reason(["a", None])
    assert "at most 1000 items after validation, not 1500" in reason(["text"] * 1500)
    assert "must be a text, or a list of texts" in reason(7)


@pytest.mark.parametrize("more", [{}, {"truncate": True}])
def test_documents_of_llama_index_are_truncated(harness: Harness, more: dict[str, Any]) -> None:
    document = ("The porch light is on. " * 200)[:4350]
    status, vectors, headers = tei(harness, [document, document[:1500]], **more)
    assert (status, headers["x-truncated"]) == (200, "0,1")
    assert vectors[0] == vectors[1]
    assert openai(harness, document)[1]["truncated"] == [0]


def test_a_text_of_a_megabyte_is_truncated_and_said_to_be(harness: Harness) -> None:
    began = time.perf_counter()
    for text in ("word " * 200_000, "x" * 1_000_000, "x" + " " * 1_000_000):
        status, _, headers = tei(harness, text)
        assert (status, headers["x-truncated"]) == (200, "0")
    assert time.perf_counter() - began < 10


def test_a_hundred_and_fifty_texts_are_served(harness: Harness) -> None:
    status, vectors, _ = tei(harness, [f"light {number}" for number in range(150)])
    assert (status, np.shape(vectors)) == (200, (150, 384))


def test_dimensions_are_those_of_the_model(harness: Harness) -> None:
    assert openai(harness, "x", dimensions=384)[0] == 200
    status, body = openai(harness, "x", dimensions=256)
    assert status == 400
    assert "384" in body["error"]["message"]


def test_a_model_of_openai_is_a_404(harness: Harness) -> None:
    status, _ = openai(harness, "x", model="text-embedding-3-small")
    assert status == 404


def test_the_models_are_listed(harness: Harness) -> None:
    _, body = harness.call("GET", "/v1/models")
    assert [model["id"] for model in body["data"]] == [MODEL]
    for name in (MODEL, f"sentence-transformers/{MODEL}"):
        assert harness.call("GET", f"/v1/models/{name}") == (200, body["data"][0])
    assert harness.call("GET", "/v1/models/gpt-4")[0] == 404


def tei(harness: Harness, given: Any, **more: Any) -> tuple[int, Any, dict[str, str]]:
    return harness.whole("POST", "/embed", {"inputs": given, **more})


def test_tei_answers_a_list_of_vectors_for_one_text_too(harness: Harness) -> None:
    for given, count in (("light", 1), (["light", "door"], 2)):
        status, body, headers = tei(harness, given)
        assert (status, np.shape(body)) == (200, (count, 384))
        assert headers["x-model-sha256"] == minilm().sha256
        assert harness.call("POST", "/", {"inputs": given}) == (200, body)


def test_tei_truncates_and_reports_it_unless_forbidden(harness: Harness) -> None:
    long = "word " * 300
    assert tei(harness, ["short", long])[2]["x-truncated"] == "1"
    assert tei(harness, long, truncate=True)[0] == 200
    status, body, _ = tei(harness, ["short", long], truncate=False)
    assert (status, body["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize("direction", ["right", "Right"])
def test_the_direction_of_truncation_is_written_in_both_ways(
    harness: Harness, direction: str
) -> None:
    assert tei(harness, "word " * 300, truncation_direction=direction)[2]["x-truncated"] == "0"


@pytest.mark.parametrize(
    "more", [{"truncation_direction": "left"}, {"prompt_name": "query"}, {"dimensions": 10}]
)
def test_tei_refuses_options_that_it_would_have_to_ignore(
    harness: Harness, more: dict[str, Any]
) -> None:
    assert tei(harness, "x", **more)[0] == 400


def test_tei_describes_the_model(harness: Harness) -> None:
    harness.embed("x")
    _, body = harness.call("GET", "/info")
    assert body["model_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert body["model_sha"] == minilm().sha256
    assert body["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (body["max_input_length"], body["max_client_batch_size"]) == (256, 1000)
