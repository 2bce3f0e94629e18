"""`hearth doctor` on this machine: it opens a port."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hearth_runtime.aws.disk_history import DiskHistory
from hearth_runtime.cli import app
from hearth_runtime.stack_state import StackLock, StackState, write_state

ROOT = Path(__file__).resolve().parents[3]


def checks(*options: str) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(app, ["doctor", "--json", *options])
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_this_machine_is_well(tmp_path: Path) -> None:
    found = checks("--data", str(tmp_path / "data"))
    assert found["packages"]["state"] == "ok", found["packages"]
    assert found["data"]["state"] == "ok"
    assert found["model"]["state"] == "warning"
    assert "the person detector that Hearth brings is used" in found["model"]["message"]
    assert not (tmp_path / "data").exists()


def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    found = checks("--data", str(tmp_path), "--model", str(tmp_path / "model.onnx"))
    assert found["model"]["state"] == "wrong"
    assert found["model"]["mend"]
    assert checks("--model", str(tmp_path / "none"))["model"]["state"] == "wrong"


def test_models_that_were_not_made_are_named(tmp_path: Path) -> None:
    template = shutil.copy(ROOT / "template.yaml", tmp_path)
    found = checks("--template", template)["model"]
    assert "lacks pedestrian-ssdlite.onnx and centerface.onnx" in found["message"]
    assert found["mend"] == "Run scripts/models."


def test_something_wrong_is_exit_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--model", str(tmp_path / "none.onnx")])
    assert result.exit_code == 1


def test_a_port_that_is_taken_is_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert checks("--port", str(other.getsockname()[1]))["port"]["state"] == "wrong"


def test_a_disk_that_fills_up_is_foreseen(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    DiskHistory(tmp_path).note(datetime.now(UTC) - timedelta(days=1), free * 2)
    found = checks("--data", str(tmp_path))["disk"]
    assert found["state"] == "warning"
    assert "full in 1." in found["message"] or "full in 0.9" in found["message"]
    assert "FrameRetentionDays" in found["mend"]


@contextmanager
def stack(data: Path, answers: dict[str, Any]) -> Iterator[None]:
    """A stack that is found on `data` and answers these documents."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with StackLock(data):
            write_state(data, StackState(os.getpid(), "", url, url, url, "b", {}, "hearth", ""))
            yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def camera(name: str, model: str, *, fallback: bool = False, notes: tuple[str, ...] = ()) -> Any:
    described = {"name": model, "backend": "openvino", "fallback": fallback, "notes": notes}
    return {"camera_id": name, "model": described}


def test_of_a_stack_that_runs_its_own_model_and_troubles_are_told(tmp_path: Path) -> None:
    status = {
        "cameras": [
            {"name": "gate", "state": "waiting", "reason": "the connection is refused"},
            {"name": "yard", "state": "running", "reason": None},
        ],
        "functions": [
            {"short_name": "detection", "errors": 2, "last_error": "ModelFailed: it is broken"},
            {"short_name": "reports", "errors": 0, "last_error": None},
        ],
    }
    cameras = [camera("gate", "best.onnx"), camera("yard", "best.onnx"), {"camera_id": "new"}]
    answers: dict[str, Any] = {"/ready": {}, "/status": status, "/api/v1/cameras": {}}
    answers["/api/v1/cameras"]["cameras"] = cameras
    with stack(tmp_path, answers):
        found = checks("--data", str(tmp_path))
        assert found["model"]["state"] == "ok"
        assert found["model"]["message"] == "best.onnx on openvino last judged gate, yard."
        assert found["stack"]["state"] == "warning"
        assert "camera gate is waiting: the connection is refused" in found["stack"]["message"]
        assert "detection failed 2 times, at last with ModelFailed" in found["stack"]["message"]
        assert "yard" not in found["stack"]["message"]
        status["cameras"] = status["functions"] = []
        cameras[1] = camera("yard", "person", fallback=True, notes=("Equipment is not detected",))
        found = checks("--data", str(tmp_path))
        assert found["stack"]["state"] == "ok"
        assert found["model"]["state"] == "warning"
        assert "person on openvino last judged yard. Equipment" in found["model"]["message"]
        cameras.clear()  # it has judged nothing yet
        assert "None named" in checks("--data", str(tmp_path))["model"]["message"]
