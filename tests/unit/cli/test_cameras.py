"""`hearth cameras` against a stack elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hearth_runtime.cli import app
from hearth_runtime.commands import stack_client
from hearth_runtime.commands.stack_client import Answer

URL = "https://hearth.example"
ROW = {"camera_id": "gate", "id": "01", "configured": True, "enabled": True, "source": "0"}
SEEN = {"camera_id": "passer-by", "id": None, "configured": False}


class Gateway:
    """Answers as the API does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: set[str | None] = set()

    def request(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str],
    ) -> Answer:
        self.asked.append((method, url.removeprefix(URL), json.loads(body) if body else None))
        self.tokens.add(headers.get("Authorization"))
        if method == "GET":
            cameras = [ROW | {"frames": 3, "open_incidents": 1}, SEEN]
            return Answer(200, {}, json.dumps({"cameras": cameras}).encode())
        if self.status >= 400:
            error = {"error": {"message": "camera source 'gate' exists already"}}
            return Answer(self.status, {}, json.dumps(error).encode())
        return Answer(self.status, {}, b"{}")


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway()
    monkeypatch.setattr(stack_client, "request", made.request)
    monkeypatch.setenv("HEARTH_TOKEN", "key")
    return made


def cameras(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["cameras", *arguments, "--url", URL], input=stdin)


def test_a_camera_is_added_with_a_token_and_all_that_was_given(gateway: Gateway) -> None:
    options = ["--rate", "2", "--region", "0,0.3,1,1", "--policy", "dock", "--disabled"]
    done = cameras("add", "gate", "rtsp://u:p@cam/a", *options)
    assert done.exit_code == 0, done.output
    body = {
        "name": "gate",
        "source": "rtsp://u:p@cam/a",
        "rate": 2.0,
        "region": [[0.0, 0.3, 1.0, 1.0]],
        "policy": "dock",
        "enabled": False,
    }
    assert gateway.asked == [("POST", "/api/v1/cameras", body)]
    assert gateway.tokens == {"Bearer key"}
    assert "not watched" in done.output


def test_a_source_may_come_over_standard_input(gateway: Gateway) -> None:
    assert cameras("add", "gate", "-", stdin="rtsp://u:p@cam/a\n").exit_code == 0
    assert gateway.asked[0][2] == {"name": "gate", "source": "rtsp://u:p@cam/a"}
    assert cameras("add", "gate", "-", stdin="").exit_code == 2


def test_a_file_is_named_by_its_whole_path(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gate.mp4").touch()
    cameras("add", "gate", "gate.mp4")
    cameras("add", "yard", "/media/yard.mp4")
    sources = [body["source"] for _, _, body in gateway.asked]
    assert sources == [str(tmp_path / "gate.mp4"), "/media/yard.mp4"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "Gate", "0"),
        ("add", "gate", "0", "--rate", "0"),
        ("add", "gate", "0", "--region", "0,0,0,1"),
    ],
)
def test_a_wrong_camera_is_refused_before_anything_is_sent(
    gateway: Gateway, arguments: tuple[str, ...]
) -> None:
    assert cameras(*arguments).exit_code == 2
    assert gateway.asked == []


def test_a_camera_id_that_is_taken_is_told(gateway: Gateway) -> None:
    gateway.status = 409
    done = cameras("add", "gate", "0")
    assert done.exit_code == 1
    assert "exists already" in done.output


def test_only_configured_cameras_are_listed(gateway: Gateway) -> None:
    found = json.loads(cameras("list", "--json").stdout)["cameras"]
    assert [(one["camera_id"], one["watcher"]) for one in found] == [("gate", None)]
    assert "enabled" in cameras("list").output


def test_a_camera_is_removed_by_its_name(gateway: Gateway) -> None:
    done = cameras("remove", "gate", "--json")
    assert json.loads(done.stdout) == {"removed": "gate", "id": "01"}
    assert gateway.asked[-1] == ("DELETE", "/api/v1/cameras/01", None)
    unknown = cameras("remove", "passer-by")
    assert unknown.exit_code == 1
    assert "does not exist" in unknown.output
