"""`hearth run`: sources in, incident reports out, nothing left behind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pypdf
import pytest

from tests.e2e.driver import Stack, hearth, policy_file, processes_of, stack

Facts = dict[str, Any]
CLIP_CAMERA = "worker-zone-detection"


def text_of(pdf: str) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(pdf).pages)


def pictures_in(pdf: str) -> int:
    return sum(len(page.images) for page in pypdf.PdfReader(pdf).pages)


def facts_of(incident: Facts) -> Facts:
    """What must not differ between two runs of the same frames."""
    record = incident["report_record"]
    return {
        **{name: value for name, value in incident.items() if name not in ("report_record",)},
        "pdf_sha256": record["pdf_sha256"],
        "written_at": record["created_at"],
    }


@pytest.mark.slow
def test_a_run_without_a_source_ends_with_an_incident_report(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = hearth("run", "--json", data=data)

    assert done.code == 0, done.err
    facts = done.json()
    assert (facts["ok"], facts["open_jobs"], facts["failed_jobs"]) == (True, 0, [])
    [camera] = facts["cameras"]
    assert camera["model"]["fallback"] is True
    assert camera["frames"] == camera["watch"]["frames_sent"] == 15
    assert facts["incidents"]
    for incident in facts["incidents"]:
        assert incident["state"] == "ended"
        assert [v["class_name"] for v in incident["violations"]] == ["restricted_zone"]
        assert Path(incident["evidence_file"]).read_bytes()[:2] == b"\xff\xd8"
        text = text_of(incident["report"])
        assert incident["incident_id"] in text
        assert "pedestrian-ssdlite" in text
        assert "FALLBACK" in text
        assert "(centerface-onnx)" in text
        assert "the model has no class for it" in text
        assert pictures_in(incident["report"]) == 1
    assert processes_of(data) == []


def test_a_missing_source_is_reported_before_anything_starts(tmp_path: Path) -> None:
    done = hearth("run", tmp_path / "gate.mp4", data=tmp_path / "data")

    assert done.code == 2
    assert f"{tmp_path / 'gate.mp4'} does not exist" in done.err
    assert not (tmp_path / "data").exists()


# ---- a real clip and a real model ----


@pytest.fixture(scope="module")
def walk_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walk") / "data"


def run_of(clip: Path, yolox: list[str], data: Path) -> Facts:
    options = ["--json", "--fps", "all", "--no-motion", "--restricted", *yolox]
    done = hearth("run", clip, *options, data=data)
    assert done.code == 0, done.err
    return dict(done.json())


@pytest.fixture(scope="module")
def walk(clip: Path, yolox: list[str], walk_data: Path) -> Facts:
    """The facts of a run of the clip."""
    return run_of(clip, yolox, walk_data)


@pytest.mark.needs_shared
@pytest.mark.slow
def test_one_walk_past_the_camera_is_one_incident(walk: Facts) -> None:
    [camera] = walk["cameras"]
    assert camera["frames"] == 71
    assert camera["frames_with_person"] >= 65
    assert camera["failed_frames"] == 0
    [incident] = walk["incidents"]
    assert incident["end_reason"] == "stream_end"
    assert incident["frames_observed"] == camera["frames_with_person"]
    text = text_of(incident["report"])
    assert "yolox_nano" in text
    assert "FALLBACK" not in text
    assert pictures_in(incident["report"]) == 1


@pytest.mark.needs_shared
@pytest.mark.slow
def test_a_second_run_of_the_same_clip_adds_no_incident(
    walk: Facts, clip: Path, yolox: list[str], walk_data: Path
) -> None:
    again = run_of(clip, yolox, walk_data)

    assert again["timings"]["frames_judged"] == 0
    assert [facts_of(i) for i in again["incidents"]] == [facts_of(i) for i in walk["incidents"]]
    assert again["cameras"][0]["frames"] == 71


@pytest.mark.needs_shared
@pytest.mark.slow
def test_shuffled_and_repeated_frames_give_the_same_incidents(
    walk: Facts, yolox: list[str], walk_data: Path, tmp_path: Path
) -> None:
    images = frames_of(walk_data)
    assert len(images) == 71
    end = walk["cameras"][0]["watch"]["end_key"]
    shuffled = random.Random(7).sample(sorted(images), len(images))
    policy = policy_file(tmp_path / "policy.yaml", [CLIP_CAMERA])

    with stack(tmp_path / "data", "--policy", policy, *yolox) as it:
        it.put(end, b"{}")  # the marker overtakes every frame
        put_all(it, shuffled, images)
        it.settle([*shuffled, end])
        first = it.outcome(CLIP_CAMERA)
        put_all(it, reversed(shuffled), images)
        it.put(end, b"{}")
        it.settle([*shuffled, end])
        second = it.outcome(CLIP_CAMERA)

    # A frame that comes after its incident was settled makes a new revision of the same incident,
    # and only the revision's number tells them apart.
    [expected] = walk["incidents"]
    [incident] = first["incidents"]
    assert unnumbered(incident) == {name: expected[name] for name in unnumbered(incident)}
    assert list(first["reports"]) == [expected["incident_id"]]
    if incident["revision"] == expected["revision"]:
        assert first["reports"] == {
            expected["incident_id"]: expected["report_record"]["pdf_sha256"]
        }
    assert second == first


def unnumbered(incident: Facts) -> Facts:
    return {name: value for name, value in incident.items() if name != "revision"}


def frames_of(data: Path) -> dict[str, bytes]:
    """The frames that a stack's bucket holds, by key; its objects are files."""
    return {
        f"frames/{CLIP_CAMERA}/{file.name}": file.read_bytes()
        for file in (data / "objects").glob(f"*/*/frames/{CLIP_CAMERA}/*.jpg")
    }


def put_all(it: Stack, keys: Any, images: dict[str, bytes]) -> None:
    for key in keys:
        it.put(key, images[key])
