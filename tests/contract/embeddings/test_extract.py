"""`POST /api/v1/text/extract`, with the real model where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_stage import TextStage, with_minilm

PATH = "/api/v1/text/extract"
HOME = {
    "areas": [
        {"id": "kitchen", "name": "Kitchen"},
        {"id": "hall", "name": "Hallway"},
        {"id": "living_room", "name": "Living Room", "aliases": ["lounge"]},
    ],
    "devices": [
        {"id": "light.kitchen", "name": "Kitchen Light", "area": "kitchen"},
        {"id": "light.living_room", "name": "Living Room Light", "area": "Living Room"},
        {"id": "vacuum.rob", "name": "Vacuum Cleaner", "aliases": ["Roomba"]},
        {"id": "media_player.tv", "name": "Television"},
        {"name": "Air Conditioner", "domain": "climate"},
    ],
}
"""Sentences of ours, so that what must hold is asserted without anybody else's."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """No model at all."""
    return TextStage(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TextStage:
    """The real MiniLM."""
    return TextStage(with_minilm(tmp_path_factory.mktemp("real")))


def extracted(stage: TextStage, query: str, **changes: Any) -> Any:
    status, answer = stage.post(PATH, {"query": query, "registry": HOME} | changes)
    assert status == 200, answer
    return answer


def named(answer: Any) -> list[tuple[str, Any, str]]:
    """(words, id or value, method) of each entity."""
    return [
        (one["text"], one["value"] if one["id"] is None else one["id"], one["extraction_method"])
        for one in answer["entities"]
    ]


def test_the_entities_of_a_command_are_extracted(bare: TextStage) -> None:
    query = "Dim the kichen lights to thirty percent at half past nine pm for an hour"
    answer = extracted(bare, query)
    assert named(answer) == [
        ("kichen lights", "light.kitchen", "fuzzy"),
        ("thirty percent", 30.0, "rule"),
        ("half past nine pm", "21:30", "rule"),
        ("an hour", 3600.0, "rule"),
    ]
    light = answer["entities"][0]
    assert (light["name"], light["type"], light["domain"]) == ("Kitchen Light", "device", "light")
    assert query[light["start"] : light["end"]] == light["text"]
    assert answer["confidence_scores"]["Kitchen Light"] == light["confidence"]
    assert "embedding" not in answer["methods"]
    assert "is not installed" in answer["fallback_reason"]
    assert answer["model_used"] is None


def test_the_model_finds_other_words_and_leaves_words_of_the_language(real: TextStage) -> None:
    answer = extracted(real, "start the aircon and the telly, good night")
    assert answer["model_used"] == "all-MiniLM-L6-v2"
    assert answer["fallback_reason"] is None
    assert "embedding" in answer["methods"]
    assert not any(one["text"] == "night" for one in answer["entities"])
    found = extracted(real, "switch on the TV in the corridor")
    assert named(found) == [
        ("TV", "media_player.tv", "embedding"),
        ("corridor", "hall", "embedding"),
    ]
    assert found["entities"][1]["type"] == "area"


def test_a_device_without_an_id_is_identified_by_name_and_domain(bare: TextStage) -> None:
    (device,) = extracted(bare, "air conditioner on")["entities"]
    assert (device["name"], device["domain"], device["id"]) == ("Air Conditioner", "climate", None)


def test_finds_below_the_requested_confidence_are_left_out(bare: TextStage) -> None:
    assert named(extracted(bare, "light on")) == []
    (light,) = extracted(bare, "light on", confidence_threshold=0.5)["entities"]
    assert light["confidence"] == 0.5
    assert light["alternatives"] == [{"id": "light.living_room", "name": "Living Room Light"}]
    inside = extracted(bare, "light on in the lounge")
    assert ("light", "light.living_room", "exact") in named(inside)


def test_without_a_registry_values_are_found(real: TextStage) -> None:
    answer = extracted(real, "at 7:30 for 5 minutes", registry={})
    assert [one["type"] for one in answer["entities"]] == ["time", "duration"]
    assert answer["fallback_reason"] == "the registry is empty"


def test_positions_are_code_points(bare: TextStage) -> None:
    query = "👩‍👩‍👧 e\u0301 ﷽ roomba"
    (one,) = extracted(bare, query)["entities"]
    assert query[one["start"] : one["end"]] == "roomba"


def test_a_request_over_its_time_limit_is_a_504(tmp_path: Path) -> None:
    stage = TextStage(with_minilm(tmp_path), inference_timeout_s=1e-6)
    status, answer = stage.post(PATH, {"query": "the corridor", "registry": HOME})
    assert (status, answer["error"]["code"]) == (504, "TIMED_OUT")


BAD: list[tuple[dict[str, Any], int]] = [
    ({"query": ""}, 400),
    ({"query": "x" * 2001}, 400),
    ({"query": None}, 400),
    ({"confidence_threshold": 1.1}, 400),
    ({"confidence_threshold": "high"}, 400),
    ({"registry": []}, 400),
    ({"registry": {"rooms": []}}, 400),
    ({"registry": {"areas": [{"name": ""}]}}, 400),
    ({"registry": {"areas": [{"name": "x" * 101}]}}, 400),
    ({"registry": {"areas": [{"name": "x", "aliases": ["y"] * 21}]}}, 400),
    ({"registry": {"areas": [{"name": "x"}] * 1001}}, 400),
    ({"registry": {"areas": [{"name": "x"}] * 600, "devices": [{"name": "x"}] * 401}}, 413),
    ({"registry": {"devices": [{"name": "x", "aliases": ["y"] * 20}] * 100}}, 413),
]


@pytest.mark.parametrize(("changes", "status"), BAD)
def test_an_invalid_request_is_refused_and_the_next_one_works(
    bare: TextStage, changes: dict[str, Any], status: int
) -> None:
    found, answer = bare.post(PATH, {"query": "roomba", "registry": HOME} | changes)
    assert found == status
    assert answer["error"]["message"]
    assert named(extracted(bare, "roomba")) == [("roomba", "vacuum.rob", "exact")]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
homes = st.fixed_dictionaries(
    {
        "areas": st.lists(st.fixed_dictionaries({"name": texts, "id": texts}), max_size=4),
        "devices": st.lists(
            st.fixed_dictionaries(
                {"name": texts}, optional={"area": texts, "aliases": st.lists(texts, max_size=3)}
            ),
            max_size=4,
        ),
    }
)


@given(query=texts, home=homes)
@settings(max_examples=80, deadline=None)
def test_any_registry_and_text_is_answered(
    bare: TextStage, query: str, home: dict[str, Any]
) -> None:
    answer = extracted(bare, query, registry=home, confidence_threshold=0)
    end = 0
    for one in answer["entities"]:
        assert end <= one["start"] < one["end"]
        assert query[one["start"] : one["end"]] == one["text"]
        end = one["end"]


@given(words=st.permutations(["roomba", "Kitchen Light", "TV", "lounge", "at noon", "50 %"]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_words_does_not_change_the_entities(bare: TextStage, words: list[str]) -> None:
    found = {one[0] for one in named(extracted(bare, " and ".join(words)))}
    assert found == {"roomba", "Kitchen Light", "lounge", "noon", "50 %"}


def test_the_recorded_request_is_answered(bare: TextStage) -> None:
    status, answer = bare.send("http_api_extract")
    assert status == 200
    assert [one["type"] for one in answer["entities"]] == ["device", "number", "time"]
