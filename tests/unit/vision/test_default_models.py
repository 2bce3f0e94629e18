"""The person detector that Hearth brings: how its graph is read, how wide images are searched."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hearth.errors import InvalidInput, ModelFailed
from hearth_vision import tiled_detector
from hearth_vision.conversion.frozen_graph import read_graph
from hearth_vision.conversion.ssdlite_graph import ssdlite_model
from hearth_vision.default_models import PERSONS
from hearth_vision.detections import Detections
from hearth_vision.detector import DetectorConfig
from hearth_vision.loading import load_detector
from hearth_vision.tiled_detector import tiles


def varint(number: int) -> bytes:
    out = b""
    while True:
        number, low = number >> 7, number & 127
        out += bytes([low | (128 if number else 0)])
        if not number:
            return out


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def constant(name: str, tensor: bytes) -> bytes:
    attribute = field(1, b"value") + field(2, field(8, tensor))
    return field(1, field(1, name.encode()) + field(2, b"Const") + field(5, attribute))


def test_constants_of_a_frozen_graph_are_read() -> None:
    shape = field(2, field(2, field(1, 2)) + field(2, field(1, 2)))
    numbers = np.arange(4, dtype=np.float32)
    graph = read_graph(
        constant("whole", field(1, 1) + shape + field(4, numbers.tobytes()))
        + constant("one", field(1, 1) + shape + field(5, struct.pack("<f", 7)))
        + constant("negative", field(1, 3) + field(7, varint((1 << 64) - 5)))
    )
    assert graph["whole"].attributes["value"].tolist() == [[0, 1], [2, 3]]
    assert graph["one"].attributes["value"].tolist() == [[7, 7], [7, 7]]
    assert graph["negative"].attributes["value"].tolist() == -5


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x0b\x00", b"plain text that is no graph", b"\x0a\xff"]
)
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        ssdlite_model(read_graph(data), "MIT")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), ()),
        ((640, 480), ()),
        ((1080, 1920), ((0, 1280), (640, 1920))),
        ((300, 900), ((0, 600), (300, 900))),
    ],
)
def test_only_wide_images_are_searched_in_halves(
    size: tuple[int, int], expected: tuple[tuple[int, int], ...]
) -> None:
    assert tiles(*size) == expected


def boxes(*rows: tuple[float, ...]) -> Detections:
    array = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(array[:, :4], array[:, 4], np.zeros(len(array), np.int64))


class Answers:
    """In place of the network: what it finds on the whole, the left and the right half."""

    def __init__(self, *views: Detections) -> None:
        self.views = views

    def detect(self, images: Iterator[np.ndarray]) -> list[Detections]:
        assert [image.shape for image in images] == [(90, 300, 3), (90, 200, 3), (90, 200, 3)]
        return list(self.views)


def merged(monkeypatch: pytest.MonkeyPatch, *views: Detections) -> list[list[float]]:
    detector = object.__new__(tiled_detector.TiledPersonDetector)
    monkeypatch.setattr(detector, "_config", DetectorConfig(), raising=False)
    monkeypatch.setattr(detector, "_detector", Answers(*views), raising=False)
    [found] = detector.detect([np.zeros((90, 300, 3), np.uint8)])
    return [[round(float(n)) for n in box] for box in found.boxes]


def test_a_person_whom_two_views_show_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    views = (
        boxes((110, 10, 140, 80, 0.6)),
        boxes((111, 9, 141, 80, 0.9)),
        boxes((11, 10, 40, 81, 0.8)),
    )
    assert merged(monkeypatch, *views) == [[111, 9, 141, 80]]


def test_a_part_of_a_person_counts_only_where_no_view_shows_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = boxes((170, 10, 200, 80, 0.99))
    whole = boxes((70, 10, 130, 80, 0.5))
    assert merged(monkeypatch, boxes(), part, whole) == [[170, 10, 230, 80]]
    assert merged(monkeypatch, boxes(), part, boxes()) == [[170, 10, 200, 80]]


def test_a_file_that_is_another_is_refused_and_none_is_the_fallback(tmp_path: Path) -> None:
    assert load_detector(DetectorConfig(default_models=tmp_path)).info.method == "opencv-hog"
    (tmp_path / f"{PERSONS.name}.onnx").write_bytes(b"another")
    with pytest.raises(ModelFailed, match="scripts/models"):
        load_detector(DetectorConfig(default_models=tmp_path))
