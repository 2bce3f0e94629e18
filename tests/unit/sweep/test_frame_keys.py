from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import InvalidInput
from hearth.frames import (
    FrameKind,
    FrameRef,
    camera_of,
    camera_prefix,
    frame_job,
    frame_key,
    parse_frame_key,
)

CAMERAS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
TIMES = st.datetimes(timezones=st.just(UTC))


def test_a_key_says_which_camera_when_and_what() -> None:
    key = "frames/front-door_2/20261102T073000.000001Z.jpg"

    assert parse_frame_key(key) == FrameRef(
        "front-door_2", datetime(2026, 11, 2, 7, 30, 0, 1, UTC), FrameKind.FRAME
    )


@given(CAMERAS, TIMES, st.sampled_from(FrameKind))
def test_a_key_is_read_back_as_it_was_made(
    camera_id: str, captured_at: datetime, kind: FrameKind
) -> None:
    key = frame_key(camera_id, captured_at, kind)

    assert parse_frame_key(key) == FrameRef(camera_id, captured_at, kind)
    assert key.startswith(camera_prefix(camera_id))
    assert camera_of(key) == camera_id


@given(TIMES, TIMES)
def test_keys_sort_as_their_times_do(first: datetime, second: datetime) -> None:
    assert (frame_key("gate", first) < frame_key("gate", second)) == (first < second)


def test_a_time_elsewhere_is_the_same_key() -> None:
    there = datetime(2026, 11, 2, 9, 30, tzinfo=timezone(timedelta(hours=2)))

    assert frame_key("gate", there) == "frames/gate/20261102T073000.000000Z.jpg"


def test_a_frame_and_the_end_of_a_stream_are_jobs_of_their_own() -> None:
    frame = "frames/gate/20261102T073000.000000Z.jpg"
    end = "frames/gate/20261102T073000.000001Z.end"

    jobs = [frame_job(key) for key in (frame, end)]

    assert [(job.kind, job.queue, job.dedupe_key, job.payload) for job in jobs] == [
        ("detection.frame", "detection", f"frame:{frame}", {"key": frame}),
        ("detection.end", "detection", f"end:{end}", {"key": end}),
    ]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "frames/",
        "frames/gate/",
        "frames/20261102T073000.000000Z.jpg",
        "/frames/gate/20261102T073000.000000Z.jpg",
        "frames/gate/deeper/20261102T073000.000000Z.jpg",
        "frames//20261102T073000.000000Z.jpg",
        "frames/Gate/20261102T073000.000000Z.jpg",
        "frames/-gate/20261102T073000.000000Z.jpg",
        f"frames/{'g' * 64}/20261102T073000.000000Z.jpg",
        "frames/../20261102T073000.000000Z.jpg",
        "frames/gate/20261102T073000Z.jpg",
        "frames/gate/20261102T073000.000Z.jpg",
        "frames/gate/20261102T073000.000000.jpg",
        "frames/gate/20261102T073000.000000Z.jpeg",
        "frames/gate/20261102T073000.000000Z.jpg\n",
        "frames/gate/20261302T073000.000000Z.jpg",
        "frames/gate/20260230T073000.000000Z.jpg",
        "frames/gate/20261102T240000.000000Z.jpg",
        "frames/gate/00000101T000000.000000Z.jpg",
        "frames/gate/\uff12\uff10\uff12\uff161102T073000.000000Z.jpg",
        "evidence/gate/20261102T073000.000000Z.jpg",
    ],
)
def test_a_key_that_is_not_of_a_frame_is_refused_and_shown(key: str) -> None:
    for read in (parse_frame_key, frame_job):
        with pytest.raises(InvalidInput, match="is not the key of a frame") as caught:
            read(key)
        assert caught.value.message.startswith(repr(key))


def test_a_message_stays_short_and_on_one_line_whatever_the_key() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_frame_key("frames/\n\x1b[31m" + "x" * 5000)

    assert len(caught.value.message) < 500
    assert caught.value.message.isprintable()


@given(st.text())
def test_any_text_is_either_a_frame_or_refused(text: str) -> None:
    try:
        reference = parse_frame_key(text)
    except InvalidInput:
        return
    assert frame_key(reference.camera_id, reference.captured_at, reference.kind) == text


@pytest.mark.parametrize(
    ("key", "camera_id"),
    [
        ("frames/gate/anything at all", "gate"),
        ("frames/gate/", "gate"),
        ("frames/gate", None),
        ("frames/Gate/x", None),
        ("frames//x", None),
        ("", None),
    ],
)
def test_a_folder_belongs_to_a_camera_or_to_none(key: str, camera_id: str | None) -> None:
    assert camera_of(key) == camera_id
