"""Rows as cameras."""

from __future__ import annotations

import pytest

from hearth_runtime.cameras.model import Camera, InvalidCamera, parse_camera
from hearth_runtime.cameras.remote import cameras_of_environment
from hearth_runtime.cameras.supervisor import BackOff
from hearth_runtime.watch.addresses import public_source, without_secrets


def test_a_row_becomes_a_camera_and_back() -> None:
    row = {"name": "gate", "source": "0", "rate": 2, "regions": [[0, 0.3, 1, 1]], "id": "01"}
    camera = parse_camera(row)
    assert camera == Camera("gate", "0", 2.0, ((0.0, 0.3, 1.0, 1.0),))
    assert parse_camera(camera.as_dict()) == camera


@pytest.mark.parametrize("name", [None, "", "Gate", "a/b", "../a", "a" * 64, 5, "gäte"])
def test_a_row_without_a_usable_name_is_left_out(name: object) -> None:
    with pytest.raises(InvalidCamera, match="camera id"):
        parse_camera({"name": name, "source": "0"})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"source": ""}, "source must not be empty"),
        ({"source": None}, "source must not be empty"),
        ({"source": "0", "rate": 0}, "rate must be 0.001 to 1000 frames a second"),
        ({"source": "0", "rate": float("nan")}, "rate must be 0.001 to 1000 frames a second"),
        ({"source": "0", "regions": [[0, 0, 0, 1]]}, "region must be"),
        ({"source": "0", "regions": [5]}, "region must be"),
        ({"source": "0", "regions": [[0, 0, "x", 1]]}, "region must be"),
    ],
)
def test_a_wrong_row_keeps_its_name_and_says_what_is_wrong(
    row: dict[str, object], problem: str
) -> None:
    camera = parse_camera({"name": "gate", **row})
    assert (camera.name, camera.problem is not None) == ("gate", True)
    assert (camera.problem or "").startswith(problem)


def test_the_environment_names_cameras() -> None:
    text = "gate=rtsp://u:p@192.0.2.7/a?b=c  yard=/media/yard.mp4"
    assert [(one.name, one.source) for one in cameras_of_environment(text)] == [
        ("gate", "rtsp://u:p@192.0.2.7/a?b=c"),
        ("yard", "/media/yard.mp4"),
    ]
    assert list(cameras_of_environment("")) == []


@pytest.mark.parametrize("text", ["gate", "gate=", "a=1 rtsp://user:secret@cam"])
def test_a_camera_of_the_environment_without_a_source_is_refused_unquoted(text: str) -> None:
    with pytest.raises(InvalidCamera, match="must be NAME=SOURCE") as refused:
        list(cameras_of_environment(text))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:s3cr%40t@cam/a",
        "http://cam/a?token=s3cr%40t",
        "http://admin:s3cr%40t@cam:nonsense/a",
        "http://admin:s3cr%40t@[cam/a",
        "rtsp://s3cr%40t@cam/a",
    ],
)
def test_secrets_of_a_source_are_blanked_out_of_texts(source: str) -> None:
    text = without_secrets(f"{source} failed; s3cr@t is wrong, so is s3cr%40t", source)
    assert "s3cr" not in text
    assert "failed" in text
    assert "s3cr" not in public_source(source)


def test_back_off_doubles_to_its_bound_with_jitter() -> None:
    longest = BackOff(1.0, 60.0, lambda low, high: high)
    assert [longest.delay_s(n) for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]
    drawn = [BackOff(1.0, 60.0).delay_s(3) for _ in range(50)]
    assert all(2 <= delay <= 4 for delay in drawn)
    assert len(set(drawn)) > 1
