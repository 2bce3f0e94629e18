"""`POST /api/v1/text/classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_stage import TextStage, with_minilm
from tests.support.tiny_text_models import write_t5

PATH = "/api/v1/text/classify"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """No model at all."""
    return TextStage(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """A sequence-to-sequence model of random weights."""
    folder = tmp_path_factory.mktemp("models")
    write_t5(folder / "tiny-t5")
    return TextStage(folder, classifier_model="tiny-t5")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """The real MiniLM, and no sequence-to-sequence model."""
    return TextStage(with_minilm(tmp_path_factory.mktemp("real")))


def classified(stage: TextStage, text: str) -> Any:
    status, answer = stage.post(PATH, {"pattern_description": text})
    assert status == 200, answer
    return answer


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Standby devices draw 80 watts through the night", "energy"),
        ("It gets too warm in the bedroom after midnight", "comfort"),
        ("The gate is open although everybody has left", "security"),
        ("Songs are played in the kitchen during breakfast", "convenience"),
    ],
)
def test_without_a_classifier_descriptions_of_labels_decide(
    real: TextStage, text: str, category: str
) -> None:
    answer = classified(real, text)
    assert answer["category"] == category
    assert answer["method"] == "zero-shot"
    assert answer["model_name"] == "all-MiniLM-L6-v2"
    assert len(answer["model_sha256"]) == 64
    assert "CLASSIFIER_MODEL" in answer["fallback_reason"]
    assert 0.25 < answer["confidence"] <= 1
    assert category in answer["reason"]


def test_danger_has_high_priority_and_music_has_not(real: TextStage) -> None:
    assert classified(real, "Smoke in the kitchen")["priority"] == "high"
    assert classified(real, "Soft music while reading")["priority"] == "low"


def test_a_text_that_fits_several_labels_has_a_lower_confidence(real: TextStage) -> None:
    clear = classified(real, "A burglar broke the lock of the front door")
    vague = classified(real, "Something changes in the afternoon")
    assert clear["confidence"] > vague["confidence"] + 0.2


@pytest.mark.parametrize(
    ("text", "category", "reason"),
    [
        ("Electricity consumption rises", "energy", "it says electricity, consumption"),
        ("the THERMOSTAT is too low", "comfort", "it says thermostat"),
        ("heating and cooling", "comfort", "it says heating, cooling"),
        ("unlocked? the door's locked", "security", "it says door, locked"),
        ("the clock", "convenience", "no word of a category is in it"),
        ("\u0000", "convenience", "no word of a category is in it"),
    ],
)
def test_without_models_keywords_decide(
    bare: TextStage, text: str, category: str, reason: str
) -> None:
    answer = classified(bare, text)
    assert (answer["category"], answer["priority"]) == (category, "medium")
    assert answer["method"] == "keywords"
    assert answer["reason"] == reason
    assert answer["model_name"] is answer["model_sha256"] is None
    assert "is not installed" in answer["fallback_reason"]
    assert answer["confidence"] < 0.8


def test_an_installed_sequence_to_sequence_model_is_asked(asked: TextStage) -> None:
    answer = classified(asked, "why does the heating run at night ?")
    assert answer["method"] == "seq2seq"
    assert answer["fallback_reason"] is None
    assert answer["model_name"] == "tiny-t5"
    assert answer["reason"].startswith(f"tiny-t5 gives {answer['category']} ")
    assert 0.25 <= answer["confidence"] <= 1
    assert 1 / 3 <= answer["priority_confidence"] <= 1
    states = asked.get("/api/v1/text/models/status")
    assert (states["classifier_model"], states["classifier_loaded"]) == ("tiny-t5", True)


def test_a_broken_model_is_reported_and_the_next_best_method_answers(tmp_path: Path) -> None:
    folder = write_t5(tmp_path / "broken")
    (folder / "decoder_model.onnx").unlink()
    answer = classified(TextStage(tmp_path, classifier_model="broken"), "the door")
    assert answer["method"] == "keywords"
    assert "decoder_model" in answer["fallback_reason"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"pattern_description": ""},
        {"pattern_description": "x" * 4001},
        {"pattern_description": 7},
        {"pattern_description": None},
        {"pattern_description": "x", "more": 1},
        '{"pattern_description": "\\ud800"}',
        "{",
    ],
)
def test_an_invalid_request_is_a_400_and_the_next_one_works(bare: TextStage, body: Any) -> None:
    status, answer = bare.post(PATH, body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    classified(bare, "door")


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
@settings(max_examples=60, deadline=None)
def test_every_text_has_a_category_a_priority_and_a_probability(
    asked: TextStage, bare: TextStage, text: str
) -> None:
    for stage in (asked, bare):
        answer = classified(stage, text)
        assert answer["category"] in ("energy", "comfort", "security", "convenience")
        assert answer["priority"] in ("high", "medium", "low")
        assert 0 < answer["confidence"] <= 1


def test_a_megabyte_of_one_word_is_refused_before_a_model_sees_it(real: TextStage) -> None:
    status, _ = real.post(PATH, {"pattern_description": "door " * 200_000})
    assert status == 400


def test_the_recorded_request_is_answered(real: TextStage) -> None:
    status, answer = real.send("http_api_classify")
    assert status == 200
    assert answer["category"] in ("energy", "comfort")
