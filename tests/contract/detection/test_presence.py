"""People hear of a camera that falls silent and of one that is back."""

from __future__ import annotations

from typing import Any

import pytest

from functions.detection.policy import parse_policy
from hearth.ledger.events import received
from tests.contract.detection.harness import DetectionHarness, frame_jpeg

WATCHED = b"defaults: {required: [], silent_after_s: 60}"
SUBSCRIBERS = {name: ["notifications"] for name in ("safety.camera.silent", "safety.camera.back")}


@pytest.fixture
def watched(harness: DetectionHarness) -> DetectionHarness:
    return DetectionHarness(harness.db, parse_policy(WATCHED), subscribers=SUBSCRIBERS)


def events(harness: DetectionHarness, kind: str) -> list[dict[str, Any]]:
    return [dict(received(job.payload).data) for job in harness.jobs(f"safety.camera.{kind}")]


def send(harness: DetectionHarness) -> None:
    harness.upload((harness.clock() - harness.start).total_seconds(), frame_jpeg(0))
    harness.drain()


def test_a_camera_that_sends_is_not_silent(watched: DetectionHarness) -> None:
    for _ in range(5):
        send(watched)
        watched.pass_time(50)
    assert events(watched, "silent") == []
    assert len(watched.jobs("detection.presence")) == 1


def test_a_silent_camera_is_told_of_once_and_its_return_once(watched: DetectionHarness) -> None:
    send(watched)
    watched.pass_time(61)
    watched.pass_time(600)
    assert [one["camera_id"] for one in events(watched, "silent")] == ["gate"]
    assert watched.camera().silent_since == watched.start
    send(watched)
    send(watched)
    [back] = events(watched, "back")
    assert back["silent_since"] == events(watched, "silent")[0]["last_received_at"]
    assert watched.camera().silent_since is None
    watched.pass_time(61)
    assert len(events(watched, "silent")) == 2


def test_a_stream_that_was_ended_is_not_silent(watched: DetectionHarness) -> None:
    send(watched)
    watched.end(1)
    watched.drain()
    watched.pass_time(600)
    assert events(watched, "silent") == []
    assert watched.unfinished() == []


def test_images_of_a_camera_that_nobody_watches_are_just_images(
    watched: DetectionHarness,
) -> None:
    watched.policy = parse_policy(b"defaults: {required: []}")
    send(watched)
    assert watched.jobs("detection.presence") == []


def test_silence_counts_from_when_the_clock_was_set_back(watched: DetectionHarness) -> None:
    send(watched)
    watched.clock.advance(-86_400)
    watched.pass_time(0)
    watched.pass_time(59)
    assert events(watched, "silent") == []
    watched.pass_time(2)
    assert len(events(watched, "silent")) == 1
