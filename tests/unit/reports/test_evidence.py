from __future__ import annotations

import hashlib

import pytest

from functions.reports.evidence_image import fetch_image, jpeg_size
from functions.reports.schemas import Evidence
from hearth.errors import Unavailable
from tests.support.fakes import MemoryStore
from tests.support.report_events import jpeg


def evidence(sha256: str | None = None, bucket: str = "memory") -> Evidence:
    return Evidence(bucket=bucket, key="evidence/a.jpg", sha256=sha256)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"", None),
        (b"\xff\xd8\xff\xd9", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (jpeg(64, 48), (64, 48)),
        (jpeg(64, 48, "L"), (64, 48)),
        (jpeg(64, 48, "CMYK"), None),
        (jpeg()[: len(jpeg()) // 2], None),
        (jpeg()[:30] + b"\xff\xd9", None),
    ],
    ids=["empty", "no frame", "png", "colour", "grey", "cmyk", "truncated", "cut header"],
)
def test_only_a_whole_grey_or_colour_jpeg_has_a_size(
    data: bytes, size: tuple[int, int] | None
) -> None:
    assert jpeg_size(data) == size


def test_an_image_with_the_recorded_hash_is_verified() -> None:
    store = MemoryStore({"evidence/a.jpg": jpeg()})
    image = fetch_image(store, "memory", evidence(digest(jpeg())))
    assert image.data == jpeg()
    assert "verified against the hash" in image.statement


def test_an_image_without_a_recorded_hash_is_shown_as_not_verified() -> None:
    image = fetch_image(MemoryStore({"evidence/a.jpg": jpeg()}), "memory", evidence())
    assert image.data == jpeg()
    assert "not verified" in image.statement


def test_a_changed_image_is_withheld_and_both_hashes_are_named() -> None:
    store = MemoryStore({"evidence/a.jpg": jpeg(64, 48)})
    image = fetch_image(store, "memory", evidence(digest(jpeg())))
    assert image.data is None
    assert digest(jpeg()) in image.statement
    assert digest(jpeg(64, 48)) in image.statement


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "names none"),
        (evidence(), "does not exist"),
        (evidence(bucket="elsewhere"), "not in this system's bucket"),
    ],
    ids=["none", "missing", "foreign"],
)
def test_a_missing_image_is_reported_as_missing(given: Evidence | None, words: str) -> None:
    image = fetch_image(MemoryStore(), "memory", given)
    assert image.data is None
    assert words in image.statement


def test_a_file_that_is_not_a_jpeg_is_not_shown() -> None:
    image = fetch_image(MemoryStore({"evidence/a.jpg": b"GIF89a"}), "memory", evidence())
    assert image.data is None
    assert "not a complete" in image.statement


def test_an_image_over_the_limit_is_not_read() -> None:
    store = MemoryStore({"evidence/a.jpg": bytes(11 * 1024 * 1024)})
    image = fetch_image(store, "memory", evidence())
    assert image.data is None
    assert "larger than 10 MB" in image.statement


def test_a_store_that_does_not_answer_is_not_a_missing_image() -> None:
    with pytest.raises(Unavailable):
        fetch_image(MemoryStore(offline=True), "memory", evidence())
