from __future__ import annotations

import hashlib

import pytest

from functions.reports.evidence import fetch_picture, jpeg_size
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


def test_a_picture_with_the_recorded_hash_is_verified() -> None:
    store = MemoryStore({"evidence/a.jpg": jpeg()})
    picture = fetch_picture(store, "memory", evidence(digest(jpeg())))
    assert picture.data == jpeg()
    assert "verified against the hash" in picture.statement


def test_a_picture_without_a_recorded_hash_is_shown_as_not_verified() -> None:
    picture = fetch_picture(MemoryStore({"evidence/a.jpg": jpeg()}), "memory", evidence())
    assert picture.data == jpeg()
    assert "not verified" in picture.statement


def test_a_changed_picture_is_withheld_and_both_hashes_are_named() -> None:
    store = MemoryStore({"evidence/a.jpg": jpeg(64, 48)})
    picture = fetch_picture(store, "memory", evidence(digest(jpeg())))
    assert picture.data is None
    assert digest(jpeg()) in picture.statement
    assert digest(jpeg(64, 48)) in picture.statement


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "names none"),
        (evidence(), "does not exist"),
        (evidence(bucket="elsewhere"), "not in this system's bucket"),
    ],
    ids=["none", "missing", "foreign"],
)
def test_an_absent_picture_is_named_as_absent(given: Evidence | None, words: str) -> None:
    picture = fetch_picture(MemoryStore(), "memory", given)
    assert picture.data is None
    assert words in picture.statement


def test_a_file_that_is_no_jpeg_is_not_shown() -> None:
    picture = fetch_picture(MemoryStore({"evidence/a.jpg": b"GIF89a"}), "memory", evidence())
    assert picture.data is None
    assert "not a complete" in picture.statement


def test_a_picture_over_the_limit_is_not_read() -> None:
    store = MemoryStore({"evidence/a.jpg": bytes(11 * 1024 * 1024)})
    picture = fetch_picture(store, "memory", evidence())
    assert picture.data is None
    assert "larger than 10 MB" in picture.statement


def test_a_store_that_does_not_answer_is_no_missing_picture() -> None:
    with pytest.raises(Unavailable):
        fetch_picture(MemoryStore(offline=True), "memory", evidence())
