"""`POST /api/v1/text/embeddings` on the real model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from functions.embeddings.service import EmbeddingService
from hearth.http.auth import Role
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM
from hearth_text.store import ModelStore
from tests.contract.embeddings.conftest import Harness
from tests.support.callers import caller
from tests.support.text_models import minilm

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/api/v1/text/embeddings"
TEXTS = ("turn the porch light on", "is the garage open?", "a red bicycle")


def test_each_text_has_its_vector_and_the_response_names_the_method(harness: Harness) -> None:
    body = harness.embed(*TEXTS)
    vectors = np.array(body["embeddings"])
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors, minilm().value.embed(TEXTS), atol=1e-7)
    assert body["model_name"] == "all-MiniLM-L6-v2"
    assert body["model_sha256"] == minilm().sha256
    assert body["method"].startswith("int8-weights, openvino ")
    assert body["tokens"] == [7, 7, 5]
    assert body["truncated"] == []
    assert body["processing_time"] > 0


def test_vectors_are_not_normalized_on_request(harness: Harness) -> None:
    (unit,), (mean,) = (
        harness.embed(TEXTS[0], normalize=normalize)["embeddings"] for normalize in (True, False)
    )
    length = float(np.linalg.norm(mean))
    assert abs(length - 1) > 0.1
    np.testing.assert_allclose(np.array(mean) / length, unit, atol=1e-6)


def test_truncated_texts_are_reported(harness: Harness) -> None:
    body = harness.embed("short", "word " * 300, "short again")
    assert body["truncated"] == [1]
    assert body["tokens"][1] == 256


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ([], "texts"),
        (["x"] * 101, "texts"),
        (["fine", "x" * 4001], "texts.1"),
        (["x" * 1_000_000], "texts.0"),
        (["fine", ""], "texts.1"),
        (["fine", 5], "texts.1"),
        (["fine", None], "texts.1"),
        ([["nested"]], "texts.0"),
        ("no list", "texts"),
        (None, "texts"),
        ({"0": "x"}, "texts"),
    ],
    ids=str,
)
def test_a_field_outside_its_limits_is_named_and_the_next_request_works(
    harness: Harness, texts: Any, field: str
) -> None:
    status, body = harness.call("POST", PATH, {"texts": texts})
    assert status == 400
    assert body["error"]["code"] == "VALIDATION_ERROR"
    assert body["error"]["details"][0]["field"] == f"body.{field}"
    assert len(harness.embed("and the next")["embeddings"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"texts": ["\\ud800"]}',
        '{"texts": ["fine", "half \\udc00 pair"]}',
        '{"texts": ["x"], "normalize": "yes"}',
        '{"texts": ["x"], "normalise": true}',
        '{"texts": ["x"]',
        "[]",
        "null",
        "",
    ],
)
def test_an_invalid_request_is_a_400(harness: Harness, body: str) -> None:
    status, answer = harness.call("POST", PATH, body)
    assert status == 400
    assert answer["error"]["code"] == "VALIDATION_ERROR"


def test_more_than_five_megabytes_are_a_413(harness: Harness) -> None:
    status, body = harness.call("POST", PATH, {"texts": ["x" * 5_300_000]})
    assert (status, body["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize(
    "text",
    [
        "null \x00 byte",
        "\x00",
        " ",
        "日本語 и English",
        "🏠🔒",
        "\u0627" * 4000,
        "\u202e\u200b",
        "a\ufffd",
    ],
)
def test_any_other_text_has_a_vector(harness: Harness, text: str) -> None:
    (vector,) = harness.embed(text)["embeddings"]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_a_hundred_of_the_longest_texts_are_answered(harness: Harness) -> None:
    body = harness.embed(*["ab " * 1333] * 100)
    assert len(body["embeddings"]) == 100
    assert body["truncated"] == list(range(100))


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_request_may_name_the_model(harness: Harness, name: str) -> None:
    assert harness.embed("x", model=name)["model_name"] == "all-MiniLM-L6-v2"


def test_an_unknown_model_is_a_404_that_names_the_existing_ones(harness: Harness) -> None:
    status, body = harness.call("POST", PATH, {"texts": ["x"], "model": "text-embedding-3-small"})
    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")
    assert "all-MiniLM-L6-v2" in body["error"]["message"]


def test_a_model_that_is_not_installed_is_a_424_with_the_remedy(tmp_path: Path) -> None:
    store = ModelStore({MINILM.name: lambda: load_embedder(tmp_path, MINILM)}, 1 << 30)
    harness = Harness(EmbeddingService(store, tmp_path, 25))
    status, body = harness.call("POST", PATH, {"texts": ["x"]})
    assert (status, body["error"]["code"]) == (424, "MODEL_UNAVAILABLE")
    assert "scripts/models" in body["error"]["message"]
    assert harness.call("GET", "/api/v1/text/health")[0] == 424
    (model,) = harness.call("GET", "/api/v1/text/models/status")[1]["models"]
    assert model["state"] == "failed"
    assert "scripts/models" in model["error"]


def test_a_request_over_its_time_limit_is_a_504_and_the_next_one_works(harness: Harness) -> None:
    ticks = iter([0.0, 30.0, 31.0, 32.0])

    def clock() -> float:
        return next(ticks)

    models = ModelStore({MINILM.name: minilm}, 1 << 30)
    hurried = Harness(EmbeddingService(models, Path(), 25, clock=clock))
    status, body = hurried.call("POST", PATH, {"texts": ["x"]})
    assert (status, body["error"]["code"]) == (504, "TIMED_OUT")
    assert len(harness.embed("and the next")["embeddings"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PATH, {"texts": ["x"]}),
        ("GET", "/api/v1/text/models/status", None),
        ("GET", "/api/v1/text/health", None),
        ("POST", "/v1/embeddings", {"input": "x", "model": "all-MiniLM-L6-v2"}),
        ("GET", "/v1/models", None),
        ("POST", "/embed", {"inputs": "x"}),
        ("GET", "/info", None),
    ],
)
def test_guests_and_unauthenticated_callers_are_refused(
    harness: Harness, method: str, path: str, body: Any
) -> None:
    assert harness.call(method, path, body, caller(Role.USER))[0] == 200
    assert harness.call(method, path, body, caller(Role.GUEST))[0] == 403
    assert harness.call(method, path, body, None)[0] == 401


def test_the_status_loads_no_model_and_reports_what_is_ready() -> None:
    loads: list[str] = []

    def load() -> Any:
        loads.append("minilm")
        return minilm()

    harness = Harness(
        EmbeddingService(ModelStore({MINILM.name: load}, 1 << 30), Path("models"), 25)
    )
    status: Callable[[], Any] = lambda: harness.call("GET", "/api/v1/text/models/status")[1]  # noqa: E731
    before = status()
    assert (before["initialized"], before["embedding_loaded"], loads) == (False, False, [])
    assert before["models"][0]["state"] == "cold"
    harness.embed("x")
    after = status()
    assert (after["initialized"], after["embedding_loaded"], loads) == (True, True, ["minilm"])
    assert after["models"][0]["sha256"] == minilm().sha256
    assert after["models"][0]["load_ms"] is not None
