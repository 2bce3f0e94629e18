"""Entities grounded in the registry of a home."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from functions.embeddings.extraction.extractor import Extractor
from functions.embeddings.extraction.finds import Found, without_overlaps
from functions.embeddings.extraction.registry import Entry, Registry

HOME = Registry(
    [
        Entry("kitchen", "Kitchen", "area"),
        Entry("lounge", "Living Room", "area", aliases=("lounge",)),
        Entry("light.kitchen", "Kitchen Lamp", "device", "light", "Kitchen"),
        Entry("light.lounge", "Living Room Lamp", "device", "light", "lounge"),
        Entry("vacuum.one", "Vacuum Cleaner", "device", "vacuum", aliases=("Roomba",)),
        Entry("switch.coffee", "Coffee Machine", "device", "switch"),
        Entry("light.hall", "Flurlicht größer", "device", "light"),
        Entry("light.jp", "台所の照明", "device", "light"),
    ]
)
ENGLISH = frozenset({"good", "night", "in", "the", "light", "my"})


class Language:
    """Stands for a model: knows a few words, and that a hoover is a vacuum cleaner."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.axes: dict[str, int] = {}

    def knows(self, word: str) -> bool:
        return word in ENGLISH

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        same = {"hoover": "Vacuum Cleaner"}
        rows = np.zeros((len(texts), 1000), np.float32)
        for row, text in enumerate(texts):
            self.axes.setdefault(same.get(text, text), len(self.axes))
            rows[row, self.axes[same.get(text, text)]] = 1
        return rows


def told(text: str, registry: Registry = HOME) -> list[tuple[str, str, str]]:
    """(words, what they mean, method) of each find with a confidence of 0.8."""
    return [
        (
            text[found.start : found.end],
            found.found.entry.id if found.found.entry else str(found.found.value),
            found.found.method,
        )
        for found in Extractor().extract(text, registry, Language())
        if found.found.confidence >= 0.8
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("turn it off", []),
        ("the KITCHEN lamp", [("KITCHEN lamp", "light.kitchen", "exact")]),
        ("livingroom lamps", [("livingroom lamps", "light.lounge", "exact")]),
        (
            "the kitchen's roomba",
            [("kitchen's", "kitchen", "exact"), ("roomba", "vacuum.one", "exact")],
        ),
        ("flurlicht grosser", [("flurlicht grosser", "light.hall", "exact")]),
        ("台所の照明をつけて", [("台所の照明", "light.jp", "exact")]),
        ("start the machine", [("machine", "switch.coffee", "partial")]),
        ("start the washing machine", []),
        ("the kichen", [("kichen", "kitchen", "fuzzy")]),
        ("vacum cleanr", [("vacum cleanr", "vacuum.one", "fuzzy")]),
        (
            "vaccuum cleaner in the Lounge",
            [("vaccuum cleaner", "vacuum.one", "fuzzy"), ("Lounge", "lounge", "exact")],
        ),
    ],
)
def test_names_of_the_registry_are_found_with_their_positions(
    text: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(text) == expected


def test_a_word_of_the_language_is_not_a_misspelled_name() -> None:
    registry = Registry([Entry("light", "Light", "device")])
    assert told("good night", registry) == []
    assert told("good lihgt", registry) == [("lihgt", "light", "fuzzy")]


def test_a_shared_name_means_the_device_of_the_area_that_is_mentioned() -> None:
    assert ("lamp", "light.lounge", "exact") in told("the lamp in the living room")


def test_a_shared_name_alone_is_shared_confidence_and_alternatives() -> None:
    (located,) = Extractor().extract("lamp on", HOME)
    assert located.found.confidence == 0.5
    assert located.found.entry is not None
    assert located.found.entry.id == "light.kitchen"
    assert [entry.id for entry in located.found.alternatives] == ["light.lounge"]


def test_another_word_for_a_device_is_found_by_its_meaning() -> None:
    assert told("my hoover") == [("hoover", "vacuum.one", "embedding")]


def test_the_names_of_a_registry_are_embedded_once() -> None:
    model, extractor = Language(), Extractor()
    for _ in range(3):
        extractor.extract("my hoover", HOME, model)
    assert model.asked.count("Vacuum Cleaner") == 1


def test_words_that_are_explained_otherwise_are_not_embedded() -> None:
    model = Language()
    Extractor().extract("turn on the kitchen lamp at seven pm", HOME, model)
    assert model.asked == []


def test_of_overlapping_finds_the_one_that_explains_more_stays() -> None:
    short = Found(0, 1, "exact", 1.0)
    long = Found(0, 2, "fuzzy", 0.9)
    apart = Found(2, 3, "embedding", 0.8)
    assert without_overlaps([], []) == []
    assert without_overlaps([apart, short, long], [4, 4, 4]) == [long, apart]


NAMES = st.text(min_size=1, max_size=12)


@given(text=st.text(max_size=60), names=st.lists(NAMES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_spans_lie_in_the_text_in_order_and_apart(text: str, names: list[str]) -> None:
    registry = Registry(Entry(str(n), name, "device") for n, name in enumerate(names))
    end = 0
    for located in Extractor().extract(text, registry):
        assert end <= located.start < located.end <= len(text)
        assert 0 < located.found.confidence <= 1
        end = located.end


@given(
    before=st.text(alphabet="äß😀界\u0301 ,.\n", max_size=8),
    after=st.text(alphabet="äß😀界 ,.\n", max_size=8),
)
@settings(deadline=None)
def test_a_name_is_found_between_any_characters(before: str, after: str) -> None:
    text = f"{before} Kitchen Lamp {after}"
    hits = [f for f in Extractor().extract(text, HOME) if f.found.method == "exact"]
    assert [text[hit.start : hit.end] for hit in hits] == ["Kitchen Lamp"]
