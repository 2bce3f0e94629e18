"""`POST /api/v1/text/rerank` and text-embeddings-inference's `POST /rerank`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_stage import TextStage, with_minilm
from tests.support.tiny_text_models import write_cross_encoder

PATH = "/api/v1/text/rerank"
QUERY = "it is too dark outside"
CANDIDATES: list[dict[str, Any]] = [
    {"description": "Start the coffee machine at seven", "id": 1},
    {"description": "Turn the porch light on at dusk", "nested": {"tags": ["ä", None, 1.5]}},
    {"description": "Lock the front door at night", "score": "mine", "index": -7},
]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """No model at all."""
    return TextStage(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """A cross-encoder of random weights."""
    folder = tmp_path_factory.mktemp("models")
    write_cross_encoder(folder / "tiny")
    return TextStage(folder, reranker_model="tiny")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """The real MiniLM, and no cross-encoder."""
    return TextStage(with_minilm(tmp_path_factory.mktemp("real")))


def asked(stage: TextStage, **changes: Any) -> Any:
    status, answer = stage.post(PATH, {"query": QUERY, "candidates": CANDIDATES} | changes)
    assert status == 200, answer
    return answer


def test_without_a_cross_encoder_a_hybrid_ranks_and_says_so(real: TextStage) -> None:
    answer = asked(real)
    assert answer["ranked_candidates"][0] == CANDIDATES[1]
    assert answer["method"] == "hybrid"
    assert "RERANKER_MODEL" in answer["fallback_reason"]
    assert answer["model_name"] == "all-MiniLM-L6-v2"
    assert len(answer["model_sha256"]) == 64
    assert answer["truncated"] == []


def test_a_hybrid_finds_by_meaning_and_by_words(real: TextStage) -> None:
    texts = ["The sofa in the lounge", "Serial number QX-4711", "A couch for two"]
    candidates = [{"description": text} for text in texts]
    meant = asked(real, query="couch", candidates=candidates)["ranked_candidates"]
    assert {one["description"] for one in meant[:2]} == {texts[0], texts[2]}
    said = asked(real, query="QX-4711", candidates=candidates)["ranked_candidates"]
    assert said[0]["description"] == texts[1]


def test_without_any_model_words_rank_and_the_answer_says_so(bare: TextStage) -> None:
    answer = asked(bare, query="lock the door")
    assert answer["ranked_candidates"][0] == CANDIDATES[2]
    assert answer["method"] == "bm25"
    assert answer["model_name"] is answer["model_sha256"] is None
    assert "RERANKER_MODEL" in answer["fallback_reason"]
    assert "all-MiniLM-L6-v2 is not installed" in answer["fallback_reason"]


def test_a_cross_encoder_answers_alone(reader: TextStage) -> None:
    answer = asked(reader)
    assert answer["method"] == "cross-encoder"
    assert answer["fallback_reason"] is None
    assert answer["model_name"] == "tiny"
    scores = [one["score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


@pytest.mark.parametrize("stage", ["bare", "reader"])
def test_other_fields_are_returned_unchanged(stage: str, request: pytest.FixtureRequest) -> None:
    answer = asked(request.getfixturevalue(stage))
    places = [one["index"] for one in answer["results"]]
    assert sorted(places) == [0, 1, 2]
    assert answer["ranked_candidates"] == [CANDIDATES[place] for place in places]


def test_of_equal_candidates_the_earlier_comes_first(bare: TextStage) -> None:
    same = [{"description": "door", "n": n} for n in range(5)]
    answer = asked(bare, query="door", candidates=same)
    assert [one["index"] for one in answer["results"]] == [0, 1, 2, 3, 4]


def test_no_common_word_is_a_score_of_zero(bare: TextStage) -> None:
    assert {one["score"] for one in asked(bare, query="xyzzy")["results"]} == {0.0}


def test_ten_are_returned_unless_more_are_asked_for(bare: TextStage) -> None:
    many = [{"description": f"lamp {n}"} for n in range(60)]
    assert len(asked(bare, candidates=many)["results"]) == 10
    assert len(asked(bare, candidates=many, top_k=50)["results"]) == 50
    assert len(asked(bare, candidates=many[:3])["results"]) == 3
    assert len(asked(bare, top_k=1)["results"]) == 1
    assert len(asked(bare, top_k=2.0)["results"]) == 2
    assert len(asked(bare, top_k=None)["results"]) == 3


def test_a_truncated_description_is_reported(reader: TextStage) -> None:
    long = [{"description": "lamp"}, {"description": "kitchen " * 499}]
    assert asked(reader, candidates=long)["truncated"] == []
    assert asked(reader, query="turn on " * 20, candidates=long)["truncated"] == [1]


def test_a_broken_cross_encoder_is_reported_and_the_next_best_method_answers(
    tmp_path: Path,
) -> None:
    folder = write_cross_encoder(tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"no model")
    stage = TextStage(tmp_path, reranker_model="broken")
    answer = asked(stage)
    assert answer["method"] == "bm25"
    assert "model.onnx" in answer["fallback_reason"]
    states = stage.get("/api/v1/text/models/status")
    assert {one["name"]: one["state"] for one in states["models"]}["broken"] == "failed"


def test_the_status_tells_whether_the_reranker_is_loaded(tmp_path: Path) -> None:
    write_cross_encoder(tmp_path / "tiny")
    stage = TextStage(tmp_path, reranker_model="tiny")
    before = stage.get("/api/v1/text/models/status")
    assert (before["reranker_model"], before["reranker_loaded"]) == ("tiny", False)
    asked(stage)
    after = stage.get("/api/v1/text/models/status")
    assert after["reranker_loaded"] is True
    assert after["classifier_model"] is None
    (tiny,) = [one for one in after["models"] if one["name"] == "tiny"]
    assert (tiny["state"], len(tiny["sha256"]), tiny["load_ms"] > 0) == ("ready", 64, True)


def test_a_request_over_its_time_limit_is_a_504(tmp_path: Path) -> None:
    write_cross_encoder(tmp_path / "tiny")
    stage = TextStage(tmp_path, reranker_model="tiny", inference_timeout_s=1e-6)
    status, answer = stage.post(PATH, {"query": QUERY, "candidates": CANDIDATES})
    assert (status, answer["error"]["code"]) == (504, "TIMED_OUT")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"query": ""}, "body.query"),
    ({"query": "x" * 2001}, "body.query"),
    ({"query": 7}, "body.query"),
    ({"candidates": []}, "body.candidates"),
    ({"candidates": [{"description": "x"}] * 201}, "body.candidates"),
    ({"candidates": [{"name": "x"}]}, "body.candidates.0.description"),
    ({"candidates": [{"description": "x"}, {"description": ""}]}, "body.candidates.1.description"),
    ({"candidates": [{"description": "x" * 4001}]}, "body.candidates.0.description"),
    ({"candidates": [{"description": None}]}, "body.candidates.0.description"),
    ({"candidates": ["x"]}, "body.candidates.0"),
    ({"top_k": 0}, "body.top_k"),
    ({"top_k": 51}, "body.top_k"),
    ({"top_k": 4}, "body.top_k"),
    ({"top_k": 1.5}, "body.top_k"),
    ({"top": 1}, "body.top"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_an_invalid_field_is_named_and_the_next_request_works(
    bare: TextStage, changes: dict[str, Any], field: str
) -> None:
    status, answer = bare.post(PATH, {"query": QUERY, "candidates": CANDIDATES} | changes)
    assert status == 400
    assert answer["error"]["details"][0]["field"] == field
    asked(bare)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"query": "a", "candidates": [{"description": "b", "x": NaN}]}', "NaN or infinity"),
        ('{"query": "a", "candidates": [{"description": "b", "x": 1e999}]}', "NaN or infinity"),
        ('{"query": "a", "candidates": [{"description": "b", "x": "\\ud800"}]}', "surrogate"),
        ('{"query": "a", "candidates": [{"description": "b", "\\udfff": 1}]}', "unicode"),
        ('{"query": "\\ud800", "candidates": [{"description": "b"}]}', "query"),
        ("[", ""),
        ("7", ""),
    ],
)
def test_values_that_are_not_valid_json_are_refused(bare: TextStage, body: str, said: str) -> None:
    status, answer = bare.post(PATH, body)
    assert status == 400
    assert said in json.dumps(answer)


def test_unauthenticated_callers_are_refused(bare: TextStage) -> None:
    assert bare.post(PATH, {"query": QUERY, "candidates": CANDIDATES}, None)[0] == 401


descriptions = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
payloads = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter("description".__ne__),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text("aä😀", max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("k"), inner),
        max_leaves=5,
    ),
    max_size=3,
)


@given(
    query=descriptions,
    candidates=st.lists(
        st.tuples(descriptions, payloads).map(lambda pair: pair[1] | {"description": pair[0]}),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=60, deadline=None)
def test_every_response_is_an_ordered_part_of_the_request(
    reader: TextStage, query: str, candidates: list[dict[str, Any]]
) -> None:
    answer = asked(reader, query=query, candidates=candidates)
    places = [one["index"] for one in answer["results"]]
    assert len(set(places)) == len(places) == min(10, len(candidates))
    assert answer["ranked_candidates"] == [candidates[place] for place in places]
    scores = [one["score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_the_dialect_of_text_embeddings_inference_ranks_all_texts(reader: TextStage) -> None:
    texts = [str(one["description"]) for one in CANDIDATES]
    status, plain = reader.post("/rerank", {"query": QUERY, "texts": texts})
    assert status == 200
    assert [set(one) for one in plain] == [{"index", "score"}] * 3
    ours = asked(reader)["results"]
    assert [(one["index"], one["score"]) for one in plain] == [
        (one["index"], one["score"]) for one in ours
    ]
    _, full = reader.post(
        "/rerank", {"query": QUERY, "texts": texts, "return_text": True, "raw_scores": True}
    )
    assert [one["text"] for one in full] == [texts[one["index"]] for one in plain]
    assert all(abs(one["score"]) > 1e-9 for one in full)
    assert [one["score"] for one in full] != [one["score"] for one in plain]


def test_the_dialect_refuses_long_texts_only_on_request(reader: TextStage) -> None:
    body = {"query": "turn on " * 20, "texts": ["kitchen " * 499]}
    assert reader.post("/rerank", body | {"truncation_direction": "Right"})[0] == 200
    status, answer = reader.post("/rerank", body | {"truncate": False})
    assert (status, answer["error"]["code"]) == (413, "TOO_LARGE")


def test_the_dialect_takes_documents_of_any_length(reader: TextStage, bare: TextStage) -> None:
    body = {"query": "light " * 600, "texts": ["kitchen", "turn the light on " * 300]}
    for stage in (reader, bare):
        assert stage.post("/rerank", body)[1][0]["index"] == 1


@pytest.mark.parametrize("body", [{"query": "a", "texts": []}, {"query": "a"}, {"texts": ["a"]}])
def test_the_dialect_names_what_is_missing(bare: TextStage, body: dict[str, Any]) -> None:
    assert bare.post("/rerank", body)[0] == 400


def test_the_recorded_requests_are_answered(real: TextStage) -> None:
    status, answer = real.send("http_api_rerank")
    assert status == 200
    assert answer["ranked_candidates"][0]["id"] == "a2"
    status, answer = real.send("http_api_rerank_tei")
    assert status == 200
    assert answer[0]["text"] == "Turn the porch light on at dusk"
