"""`hearth up --containers` and `hearth run --containers`: the same commands, the same answers."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.models.conftest import LICENSED
from tests.contract.vision.graphs import BrightCells
from tests.e2e.driver import Stack, hearth, person, photograph, policy_file, stack
from tests.e2e.test_models import judged_by, promoted
from tests.image.build import TAG, docker
from tests.image.containers import left

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONTAINERS = ("--containers", "--image-tag", TAG)
CAMERAS = ["yard", "gate"]


@pytest.fixture(scope="module")
def running(images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in containers, with a policy of this machine and two replicas of detection."""
    folder = tmp_path_factory.mktemp("stack")
    policy = policy_file(folder / "policy.yaml", CAMERAS)
    options = ("--policy", policy, "--replicas", "detection=2", "--idle", "60")
    with stack(folder / "data", *CONTAINERS, *options) as it:
        yield it
    assert left(folder / "data") == []


def test_frames_become_an_incident_and_a_report(running: Stack) -> None:
    keys = running.put_frames("yard", [person()] * 4)
    assert {job["state"] for job in running.settle(keys).values()} == {"done"}
    (incident,) = running.incidents("yard")
    assert incident["state"] == "ended"
    (report,) = running.get("/reports", camera_id="yard")["reports"]
    assert running.get_bytes(f"/reports/{report['id']}/pdf").startswith(b"%PDF-")
    assert running.get_bytes(f"/incidents/{incident['incident_id']}/evidence")[:2] == b"\xff\xd8"


def test_status_names_the_containers_processes(running: Stack) -> None:
    running.get("/jobs/summary")
    facts = hearth("status", "--json", data=running.data).json()["status"]
    assert facts["containers"] == TAG
    found = {function["short_name"]: function for function in facts["functions"]}
    assert found["detection"]["replicas"] == 2
    assert found["jobs"]["rss_mb"] > 10
    told = docker("inspect", "--format={{.State.Pid}} {{.Config.Image}}", *left(running.data))
    images = dict(line.split() for line in told.stdout.splitlines())
    (pid,) = found["jobs"]["pids"]
    assert images[str(pid)] == f"hearth-jobs:{TAG}"


def test_logs_and_metrics_are_those_of_process_mode(running: Stack) -> None:
    running.settle(running.put_frames("gate", [person()] * 3))
    reports = hearth("logs", "--function", "detection", "--json", data=running.data).out
    assert '"REPORT"' in reports
    assert '"max_memory_mb"' in reports
    with urllib.request.urlopen(f"{running.state.control_url}/metrics", timeout=30) as answer:
        metrics = answer.read().decode()
    assert 'hearth_runtime_cold_starts_total{function="detection"}' in metrics
    assert "hearth_frames" in metrics  # from a line that a container wrote


def test_the_first_promotion_is_followed(running: Stack, tmp_path: Path) -> None:
    judged_by(running, "porch", None)
    model = BrightCells("yolov8", metadata=LICENSED).save(tmp_path / "best.onnx")
    judged_by(running, "porch", promoted(running.data, model))


def test_doctor_finds_engine_and_images(running: Stack) -> None:
    done = hearth("doctor", "--json", *CONTAINERS, data=running.data)
    found = {check["name"]: check for check in done.json()["checks"]}
    assert found["containers"]["state"] == "ok", found["containers"]


def test_weights_that_are_not_there_fail_the_frames_and_nothing_else(
    images: tuple[str, ...], tmp_path: Path
) -> None:
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    clip = tmp_path / "clip"
    clip.mkdir()
    for number in range(3):
        photograph().save(clip / f"{number}.jpg")
    options = ("--no-motion", "--param", "ModelPath=/weights/none.onnx", *CONTAINERS)
    done = hearth("run", clip, "--json", *options, data=tmp_path / "data")
    assert done.code == 1, done.err
    facts = done.json()
    assert (facts["complete"], facts["open_jobs"], facts["incidents"]) == (True, 0, [])
    frames = [job for job in facts["failed_jobs"] if job["kind"] == "detection.frame"]
    assert len(frames) == 3
    for job in frames:
        assert job["attempts"] == 1
        assert "/weights/none.onnx does not exist" in job["error"]["message"]
    assert left(tmp_path / "data") == []
