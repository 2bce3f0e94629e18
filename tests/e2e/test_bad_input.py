"""Bad input through the whole stack: a clear error, one attempt, and other input unaffected."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.e2e.driver import (
    Stack,
    encoded,
    hearth,
    person,
    photograph,
    policy_file,
    until,
)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(64))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def grey_16_bits() -> bytes:
    grey = np.asarray(photograph().convert("L"), np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


BROKEN: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "0 bytes": (lambda: b"", "VALIDATION_ERROR", "0 bytes"),
    "corrupt": (
        lambda: person()[:400] + bytes(600) + person()[1000:],
        "VALIDATION_ERROR",
        "corrupt",
    ),
    "truncated": (lambda: person()[: len(person()) // 2], "VALIDATION_ERROR", "truncated"),
    "text": (lambda: b"no picture at all" * 50, "VALIDATION_ERROR", "corrupt"),
    "100 megapixels": (lambda: png_of(10_000, 10_000), "TOO_LARGE", "10000 x 10000 pixels"),
}
UNUSUAL: dict[str, Callable[[], bytes]] = {
    "CMYK JPEG": lambda: encoded(photograph().convert("CMYK")),
    "grey JPEG": lambda: encoded(photograph().convert("L")),
    "16-bit PNG": grey_16_bits,
    "palette PNG": lambda: encoded(photograph().quantize(64), "PNG"),
    "transparent PNG": lambda: encoded(photograph().convert("RGBA"), "PNG"),
    "WebP": lambda: encoded(photograph(), "WEBP"),
}


def test_broken_images_fail_and_the_frames_around_them_are_assessed(
    shared_stack: Stack, camera: str
) -> None:
    names = [None, *BROKEN, None, *UNUSUAL, None]
    images = [
        person() if name is None else BROKEN[name][0]() if name in BROKEN else UNUSUAL[name]()
        for name in names
    ]
    keys = shared_stack.put_frames(camera, images)
    jobs = shared_stack.settle(keys)

    for name, key in zip(names, keys, strict=False):
        job = jobs[key]
        if name in BROKEN:
            _, code, reason = BROKEN[name]
            assert (job["state"], job["attempts"]) == ("failed", 1), name
            assert job["error"]["code"] == code, name
            assert reason in job["error"]["message"], name
        else:
            assert job["state"] == "done", (name, job["error"])
    listed = {job["id"] for job in shared_stack.jobs(state="failed", kind="detection.frame")}
    assert {jobs[key]["id"] for key in keys if jobs[key]["state"] == "failed"} <= listed
    [summary] = [c for c in shared_stack.get("/cameras")["cameras"] if c["camera_id"] == camera]
    assert (summary["frames"], summary["failed_frames"]) == (3 + len(UNUSUAL), len(BROKEN))
    # The failed frames in between split no incident.
    [incident] = shared_stack.incidents(camera)
    assert incident["frames_observed"] >= 3
    assert shared_stack.get_bytes(f"/reports/{incident['incident_id']}/pdf")[:5] == b"%PDF-"
    assert shared_stack.dead_letters() == 0


def test_an_invalid_frame_key_fails_alone(shared_stack: Stack, camera: str) -> None:
    odd = [f"frames/{camera}/photo.jpg", "frames/Yard/20261102T080000.000000Z.jpg", "frames/a b+c"]
    for key in odd:
        shared_stack.put(key, person())
    shared_stack.put(f"other/{camera}.jpg", person())
    keys = shared_stack.put_frames(camera, [person()] * 3)
    jobs = shared_stack.settle(keys)

    assert {job["state"] for job in jobs.values()} == {"done"}
    for key in odd:
        job = until(lambda key=key: shared_stack.job(f"frame:{key}"), 10)
        assert (job["state"], job["attempts"]) == ("failed", 1)
        assert f"{key!r} is not the key of a frame" in job["error"]["message"]
    assert not [job for job in shared_stack.jobs() if "other/" in job["dedupe_key"]]
    assert len(shared_stack.incidents(camera)) == 1


def test_a_camera_missing_from_the_policy_is_rejected(shared_stack: Stack, camera: str) -> None:
    strangers = shared_stack.put_frames("stranger", [person()] * 2)
    keys = shared_stack.put_frames(camera, [person()] * 3)
    jobs = shared_stack.settle([*strangers, *keys])

    assert {jobs[key]["state"] for key in keys} == {"done"}
    for key in strangers:
        assert (jobs[key]["state"], jobs[key]["attempts"]) == ("failed", 1)
        assert "camera 'stranger' is not in the policy" in jobs[key]["error"]["message"]
    assert shared_stack.incidents("stranger") == []
    assert len(shared_stack.incidents(camera)) == 1


MALFORMED = ["not json at all", "[]", '{"Records": [{}]}', '{"job_id": 7}', '{"schema_version": 2}']


@pytest.mark.parametrize(
    ("queue", "kind"),
    [("DetectionQueue", "detection.unreadable"), ("ReportsQueue", "reports.unreadable")],
)
def test_a_malformed_message_is_recorded_once_and_leaves_the_queue(
    shared_stack: Stack, queue: str, kind: str
) -> None:
    sqs, url = shared_stack.client("sqs"), shared_stack.state.queues[queue]
    for body in MALFORMED * 2:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: len(shared_stack.jobs(kind=kind)) >= len(MALFORMED), 20)
    until(lambda: _is_empty(sqs, url), 15)

    jobs = shared_stack.jobs(kind=kind)
    assert sorted(job["payload"]["body"] for job in jobs) == sorted(MALFORMED)
    for job in jobs:
        assert (job["state"], job["attempts"]) == ("failed", 0)
        assert job["error"]["code"] == "VALIDATION_ERROR"
        assert len(job["error"]["message"]) > 20
    assert shared_stack.dead_letters() == 0


def _is_empty(sqs: Any, url: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return all(int(found[name]) == 0 for name in names)


# ---- sources ----


def video(path: Path, codec: str) -> bytes:
    """A clip of 30 frames, 10 a second, of a bar that wanders; its bytes."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (320, 240))
    for index in range(30):
        frame = np.full((240, 320, 3), 40, np.uint8)
        frame[:, index * 8 : index * 8 + 40] = (60, 180, 220)
        writer.write(frame)
    writer.release()
    return path.read_bytes()


def watched(stack: Stack, source: Path, camera: str) -> tuple[int, dict[str, Any], str]:
    done = hearth("watch", source, "--camera", camera, "--fps", "all", "--json", data=stack.data)
    lines = [json.loads(line) for line in done.out.splitlines()]
    return done.code, lines[-1] if lines else {}, done.err


def test_the_readable_part_of_a_truncated_video_is_assessed(
    shared_stack: Stack, camera: str, tmp_path: Path
) -> None:
    path = tmp_path / "cut.avi"
    whole = video(path, "MJPG")
    path.write_bytes(whole[: len(whole) * 6 // 10])

    code, summary, _ = watched(shared_stack, path, camera)

    assert code == 0
    assert 5 <= summary["frames_sent"] < 30
    jobs = shared_stack.settle([summary["first_key"], summary["last_key"], summary["end_key"]])
    assert {job["state"] for job in jobs.values()} == {"done"}
    assert len(shared_stack.of_camera(camera)) == summary["frames_sent"] + 1


def test_a_video_without_an_index_is_rejected(
    shared_stack: Stack, camera: str, tmp_path: Path
) -> None:
    path = tmp_path / "cut.mp4"
    whole = video(path, "mp4v")  # its index is at the end
    path.write_bytes(whole[: len(whole) * 6 // 10])

    code, _, output = watched(shared_stack, path, camera)

    assert code == 2
    assert str(path) in output
    assert shared_stack.of_camera(camera) == {}


# ---- settings ----


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of a person."""
    images = tmp_path / "gate"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.jpg").write_bytes(person())
    return images


def run(folder: Path, *options: object) -> tuple[int, dict[str, Any], str]:
    done = hearth("run", folder, "--json", "--no-motion", *options, data=folder.parent / "data")
    return done.code, json.loads(done.out) if done.out else {}, done.err


def assert_all_frames_failed(code: int, facts: dict[str, Any], message: str) -> None:
    """The run ends, says why, and nothing is tried again."""
    assert code == 1
    assert (facts["complete"], facts["open_jobs"], facts["incidents"]) == (True, 0, [])
    frames = [job for job in facts["failed_jobs"] if job["kind"] == "detection.frame"]
    assert len(frames) == 3
    for job in frames:
        assert job["attempts"] == 1
        assert message in job["error"]["message"]


@pytest.mark.slow
def test_a_policy_with_an_unknown_class_is_rejected_by_name(folder: Path, tmp_path: Path) -> None:
    policy = policy_file(tmp_path / "policy.yaml", [], defaults={"required": ["helmet", "cape"]})
    code, facts, output = run(folder, "--policy", policy)
    assert code != 0
    assert "line " in output
    assert "unknown equipment 'cape'" in output
    assert not facts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "none.onnx"), (b"certainly not ONNX", "is not an ONNX file")],
    ids=["missing", "not ONNX"],
)
def test_a_model_that_cannot_be_loaded_fails_the_frames_with_its_reason(
    folder: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "none.onnx"
    if content is not None:
        path.write_bytes(content)
    code, facts, _ = run(folder, "--param", f"ModelPath={path}", "--param", "ModelClasses=person")
    assert_all_frames_failed(code, facts, message)


@pytest.mark.slow
@pytest.mark.needs_shared
def test_a_model_with_a_different_number_of_classes_is_rejected(folder: Path, shared: Path) -> None:
    model = shared / "models/yolox_nano.onnx"
    code, facts, _ = run(folder, "--model", model, "--classes", "person,helmet")
    assert_all_frames_failed(code, facts, "80")


def test_a_missing_model_file_is_reported_before_anything_starts(
    folder: Path, tmp_path: Path
) -> None:
    code, facts, output = run(folder, "--model", tmp_path / "none.onnx")
    assert (code, facts) == (2, {})
    assert "none.onnx" in output
    assert not (tmp_path / "data").exists()
