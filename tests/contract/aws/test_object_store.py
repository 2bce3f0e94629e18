"""What the product relies on in an object store, on every one it is tested or run with."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hearth.aws import client
from hearth.errors import Conflict, NotFound, TooLarge, Unavailable
from hearth.settings import AwsSettings
from hearth.storage import ObjectStore, S3Store
from tests.support.daemons import free_port

if TYPE_CHECKING:
    from tests.contract.aws.conftest import Aws

JPEG = "image/jpeg"


def put_all(store: ObjectStore, *keys: str) -> None:
    for key in keys:
        store.put(key, key.encode(), JPEG)


def keys_of(
    store: ObjectStore,
    prefix: str = "",
    start_after: str | None = None,
    end_before: str | None = None,
) -> list[str]:
    return [item.key for item in store.list(prefix, start_after, end_before)]


def test_an_empty_bucket_lists_nothing(store: ObjectStore) -> None:
    assert keys_of(store) == []


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 5000], ids=["empty", "10 kB"])
def test_an_object_is_read_back_and_its_sha256_returned(store: ObjectStore, data: bytes) -> None:
    assert store.put("frames/gate/a.jpg", data, JPEG) == hashlib.sha256(data).hexdigest()
    assert store.get("frames/gate/a.jpg", max_bytes=10_000) == data


def test_a_second_put_overwrites(store: ObjectStore) -> None:
    store.put("a", b"one", JPEG)
    store.put("a", b"two", JPEG)

    assert store.get("a", 3) == b"two"
    assert keys_of(store) == ["a"]


def test_a_missing_key_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(NotFound, match=r"frames/gate/a\.jpg does not exist"):
        store.get("frames/gate/a.jpg", 1)


def test_an_object_over_the_size_limit_is_rejected_with_both_sizes(store: ObjectStore) -> None:
    store.put("a", b"12345", JPEG)

    assert store.get("a", 5) == b"12345"
    with pytest.raises(TooLarge, match=r"5 bytes; at most 4"):
        store.get("a", 4)


@pytest.mark.parametrize(
    "key",
    [
        "frames/front door/a b.jpg",
        "frames/grüße/日本.jpg",
        "a+b&c=d%20e?f#g.jpg",
        "trailing /",
        "x" * 200 + "/" + "y" * 200,
    ],
)
def test_a_key_is_not_normalized(store: ObjectStore, key: str) -> None:
    store.put(key, b"data", JPEG)

    assert store.get(key, 10) == b"data"
    assert keys_of(store) == [key]
    store.delete(key)
    assert keys_of(store) == []


def test_deleting_a_missing_object_is_not_an_error(store: ObjectStore) -> None:
    store.delete("frames/gate/a.jpg")
    assert keys_of(store) == []


def test_a_listing_has_the_size_and_time_of_each_object(store: ObjectStore) -> None:
    store.put("a", b"12345", JPEG)

    (item,) = store.list("a")

    assert (item.key, item.size) == ("a", 5)
    assert abs(item.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_listing_is_in_the_order_of_utf8_bytes(store: ObjectStore) -> None:
    keys = ["a", "a-b/1", "a/1", "a0/1", "a_b/1", "é", "日"]
    put_all(store, *reversed(keys))

    assert keys_of(store) == keys


@pytest.mark.parametrize(
    ("prefix", "start_after", "end_before", "expected"),
    [
        ("f/a/", None, None, ["f/a/1", "f/a/2", "f/a/3"]),
        ("f/a", None, None, ["f/a/1", "f/a/2", "f/a/3", "f/ab/1"]),
        ("none", None, None, []),
        ("f/a/", "f/a/1", None, ["f/a/2", "f/a/3"]),  # the bound itself is left out
        ("f/a/", "f/a/1.5", None, ["f/a/2", "f/a/3"]),  # and need not exist
        ("f/a/", None, "f/a/3", ["f/a/1", "f/a/2"]),
        ("f/a/", "f/a/1", "f/a/3", ["f/a/2"]),
        ("f/a/", "f/a/3", None, []),
        ("f/a/", "f/a0", None, []),
        ("f/", "f/a0", None, ["f/ab/1", "f/b/1"]),  # how the sweep leaps over a camera
        ("f/a/", "f/", None, ["f/a/1", "f/a/2", "f/a/3"]),
    ],
)
def test_a_listing_respects_its_bounds(
    store: ObjectStore,
    prefix: str,
    start_after: str | None,
    end_before: str | None,
    expected: list[str],
) -> None:
    put_all(store, "e", "f/a/1", "f/a/2", "f/a/3", "f/ab/1", "f/b/1", "g")

    assert keys_of(store, prefix, start_after, end_before) == expected


def test_a_listing_goes_on_beyond_one_page_of_a_thousand(store: ObjectStore) -> None:
    keys = [f"frames/gate/{number:04}" for number in range(1005)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: store.put(key, b"", JPEG), keys))

    assert keys_of(store, "frames/gate/") == keys
    assert keys_of(store, "frames/gate/", start_after=keys[1]) == keys[2:]
    assert keys_of(store, "frames/gate/", end_before=keys[1003]) == keys[:1003]


@pytest.mark.parametrize("backend", ["moto", "ministack"], indirect=True)
def test_a_missing_bucket_is_a_retryable_error(aws: Aws) -> None:
    store = S3Store(aws.s3, "never-made")

    for call in (
        lambda: store.get("a", 1),
        lambda: store.put("a", b"", JPEG),
        lambda: list(store.list("")),
    ):
        with pytest.raises(Unavailable, match="'never-made' does not exist"):
            call()


def test_a_stopped_server_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    gone = AwsSettings(aws_endpoint_url=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable, match="does not answer"):
        S3Store(client("s3", gone), "bucket").get("a", 1)


def test_an_object_can_be_read_and_seeked_like_a_file(store: ObjectStore) -> None:
    data = bytes(range(256)) * 40_000  # more than is in memory at a time
    store.put("datasets/a.npy", data, "application/octet-stream")

    with store.open("datasets/a.npy", len(data)) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-5, 2) == len(data) - 5
        assert file.read() == data[-5:]
        assert file.read() == b""
        file.seek(1000)
        assert file.read(6_000_000) == data[1000:6_001_000]
        file.seek(0)
        assert file.read() == data


def test_an_object_that_is_too_large_or_missing_cannot_be_opened(store: ObjectStore) -> None:
    store.put("a", b"12345", JPEG)

    assert store.open("a", 5).read() == b"12345"
    with pytest.raises(TooLarge, match=r"5 bytes; at most 4"):
        store.open("a", 4)
    with pytest.raises(NotFound, match="b does not exist"):
        store.open("b", 4)


def test_an_empty_object_is_an_empty_file(store: ObjectStore) -> None:
    store.put("a", b"", JPEG)

    assert store.open("a", 5).read() == b""


@pytest.mark.parametrize("backend", ["moto", "ministack"], indirect=True)
def test_an_object_that_is_replaced_while_it_is_read_is_a_conflict(store: ObjectStore) -> None:
    store.put("a", b"1" * 100, JPEG)
    file = store.open("a", 100)
    store.put("a", b"2" * 100, JPEG)

    with pytest.raises(Conflict, match="was replaced while it was read"):
        file.read()
