"""The whole stack under Docker Compose, as on a small computer at home.

One stack for all tests, of the development variant on a copy of the code, which tests may change.
They run in order: each leaves the stack working.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hearth_runtime.commands.run_plan import copy_photographs
from hearth_runtime.compose import TOTAL_MB, ComposePlan, compose_files
from tests.contract.vision.graphs import BrightCells
from tests.image.build import ROOT, TAG, docker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first build installs everything

GET = """
import json, sys, urllib.error, urllib.request
base = json.load(open("/data/runtime.json"))["gateway_url"]
try:
    answer = urllib.request.urlopen(base + sys.argv[1], timeout=60)
except urllib.error.HTTPError as error:
    answer = error
body = answer.read()
kind = answer.headers["content-type"]
print(json.dumps([answer.status, kind, body.decode("latin-1")]))
"""
ASK_AS = """
import socket, sys
s = socket.create_connection(("runtime", 9001), timeout=5)
s.sendall(sys.argv[1].encode() + b"\\n")
s.settimeout(3)
print(repr(s.recv(4096)))
"""
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
    print("reached")
except OSError as error:
    print("not reached")
"""
STOP_CHILD = """
for process in /proc/[0-9]*; do
    read -r name <"$process/comm"
    [ "$name" != python ] || kill -STOP "${process#/proc/}"
done
"""


class Stack:
    """One project of Docker Compose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = f"hearth-test-{uuid.uuid4().hex[:8]}"

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        files = ("-f", "compose.yaml", "-f", "compose.dev.yaml")
        result = subprocess.run(
            ["docker", "compose", "-p", self.project, *files, *arguments],
            cwd=self.folder / "localstack",
            env={**os.environ, "COMPOSE_PROFILES": ""},
            capture_output=True,
            text=True,
        )
        if check and result.returncode != 0:
            said = f"{result.stdout[-1500:]}\n{result.stderr[-3000:]}"
            raise AssertionError(f"docker compose {' '.join(arguments)}: {said}")
        return result

    def up(self) -> None:
        self.compose("up", "--detach", "--no-build")
        until(lambda: self.inspect("runtime")["State"]["Health"]["Status"] == "healthy")

    def inside(self, service: str, program: str, *arguments: str) -> str:
        return self.compose("exec", "-T", service, "python", "-c", program, *arguments).stdout

    def get(self, path: str) -> Any:
        """JSON that the HTTP API answers the owner, asked from within the runtime's container."""
        status, _, body = json.loads(self.inside("runtime", GET, path))
        assert status == 200, body
        return json.loads(body)

    def models(self, *arguments: str) -> Any:
        """What `hearth models` answers, called as a person without Python would."""
        return json.loads(self.compose("run", "--rm", "-T", "models", *arguments, "--json").stdout)

    def model_of(self, camera: str) -> Any:
        """Who judged a dark picture that the camera delivered just now: in it is nothing to find,
        whoever looks."""
        self.compose(
            *("run", "--rm", "-T", "--no-deps", f"--volume={self.folder}/dark:/dark:ro"),
            *("--entrypoint=hearth", "cameras", "watch", "/dark", f"--camera={camera}"),
            *("--start-time=now", "--no-motion", "--data=/spool", "--bucket=hearth-bucket"),
            "--endpoint-url=http://runtime:4566",
        )
        found = {one["camera_id"]: one for one in self.get("/api/v1/cameras")["cameras"]}
        return (found.get(camera) or {}).get("model") or {}

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", self.container(service)).stdout)[0]
        return found

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).stdout.split()[0]

    def log(self) -> str:
        return self.compose("logs", "--no-log-prefix", "runtime").stdout


def until(condition: Callable[[], bool], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def stack(images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if docker("compose", "version", check=False).returncode != 0:
        pytest.skip("docker has no compose plugin")
    folder = tmp_path_factory.mktemp("compose")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("functions", "layers"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    # Half a minute of waiting for a time-out is enough.
    text = (ROOT / "template.yaml").read_text("utf-8")
    short = text.replace("    Timeout: 30\n", "    Timeout: 15\n", 1)
    assert short != text
    (folder / "template.yaml").write_text(short)
    local = folder / "localstack"
    local.mkdir()
    for name, content in compose_files(ComposePlan(folder / "template.yaml", local)).items():
        (local / name).write_text(content)
    pictures = copy_photographs(folder)
    (folder / "models").mkdir()
    (folder / "models/site.yaml").write_text("cameras: {gate: {restricted: true}}\nversion: 1\n")
    for name, size in (("best", (64, 96)), ("two", (96, 96))):
        metadata = {"names": "{0: 'helmet', 1: 'vest', 2: 'person'}", "license": "Apache-2.0"}
        BrightCells("yolov8", size, metadata=metadata).save(folder / f"models/{name}.onnx")
    (folder / "dark").mkdir()
    Image.new("RGB", (640, 480)).save(folder / "dark/1.png")
    (local / ".env").write_text(
        f'HEARTH_TAG={TAG}\nHEARTH_PORT=0\nSITE_NAME=Dock "4" $$5\n'
        f"MEDIA={pictures}\nMODELS={folder / 'models'}\nPOLICY=/models/site.yaml\n"
    )
    docker(
        "run",
        "--rm",
        f"--volume={folder}:/f",
        "--user=0",
        "--entrypoint=chmod",
        f"hearth-runtime:{TAG}",
        "-R",
        "a+rX",
        "/f",
    )
    stack = Stack(folder)
    try:
        stack.up()
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout=5", check=False)


@pytest.fixture(scope="module")
def judged(stack: Stack) -> dict[str, Any]:
    """A stack that has seen the photographs, written its report and made its corrective task.

    The task comes last: after it nothing changes the report's row any more.
    """
    stack.compose(
        *("run", "--rm", "--no-deps", "--entrypoint=hearth", "cameras", "watch", "/media"),
        *("--camera=gate", "--loop=3", "--data=/spool", "--bucket=hearth-bucket"),
        "--endpoint-url=http://runtime:4566",
    )
    until(
        lambda: (
            [one["task_id"] for one in stack.get("/api/v1/reports")["reports"]] not in ([], [None])
        )
    )
    (report,) = stack.get("/api/v1/reports")["reports"]
    return dict(report)


def test_nothing_runs_that_is_not_needed(stack: Stack) -> None:
    status = json.loads(
        stack.compose("exec", "-T", "runtime", "hearth", "status", "--json").stdout
    )["status"]
    states = {one["short_name"]: one["state"] for one in status["functions"]}
    assert states["detection"] == states["reports"] == "cold"
    assert states["migrate"] != "cold"


def test_the_main_job_ends_in_a_report(stack: Stack, judged: dict[str, Any]) -> None:
    (incident,) = stack.get("/api/v1/incidents")["incidents"]
    assert incident["camera_id"] == "gate"
    assert [one["class_name"] for one in incident["violations"]] == ["restricted_zone"]
    assert judged["incident_id"] == incident["incident_id"]
    assert judged["site"]["site_name"] == 'Dock "4" $5'
    pdf = json.loads(stack.inside("runtime", GET, f"/api/v1/reports/{judged['id']}/pdf"))
    assert pdf[:2] == [200, "application/pdf"]
    assert pdf[2].startswith("%PDF-")


def test_the_whole_takes_less_than_four_gigabytes(stack: Stack, judged: dict[str, Any]) -> None:
    identifiers = stack.compose("ps", "--quiet").stdout.split()
    shown = docker("stats", "--no-stream", "--format={{.MemUsage}}", *identifiers).stdout
    units = {"KiB": 2**-10, "MiB": 1.0, "GiB": 2.0**10}
    used = [line.split("/")[0].strip() for line in shown.splitlines()]
    assert len(used) == len(identifiers)
    assert sum(float(text[:-3]) * units[text[-3:]] for text in used) < TOTAL_MB


def test_other_machines_would_need_a_key(stack: Stack) -> None:
    address = stack.compose("port", "runtime", "8080").stdout.strip()
    assert address.startswith("127.0.0.1:")
    url = f"http://{address}/api/v1/incidents"
    answer = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url], capture_output=True, text=True
    )
    assert answer.stdout == "401"


def test_containers_hold_no_rights_and_no_socket(stack: Stack) -> None:
    for service in ("runtime", "detection"):
        host = stack.inspect(service)["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert stack.inspect(service)["Config"]["User"] == "65532:65532"
        assert "docker.sock" not in json.dumps(stack.inspect(service)["Mounts"])


def test_a_function_reaches_nothing_outside(stack: Stack) -> None:
    # An address of the documentation's network: a way out would time out, and none fails at once.
    assert stack.inside("detection", REACH, "192.0.2.1", "443") == "not reached\n"
    assert stack.inside("detection", REACH, "runtime", "4566") == "reached\n"


def test_a_function_does_not_get_what_another_knows(stack: Stack) -> None:
    assert stack.inside("detection", ASK_AS, "reports") == "b''\n"
    assert "it says it is reports, but the network knows no reports at its address" in stack.log()


def test_functions_get_no_more_of_the_control_server_than_metrics(stack: Stack) -> None:
    ask = (
        "import sys, urllib.request, urllib.error\n"
        "r = urllib.request.Request('http://runtime:8081' + sys.argv[1])\n"
        "r.add_header('Host', '127.0.0.1:8081')\n"
        "try: print(urllib.request.urlopen(r).status)\n"
        "except urllib.error.HTTPError as e: print(e.code)\n"
    )
    assert stack.inside("jobs", ask, "/metrics") == "200\n"
    assert stack.inside("jobs", ask, "/status") == "403\n"


def test_a_container_that_goes_comes_back(stack: Stack, judged: dict[str, Any]) -> None:
    stack.get("/api/v1/cameras")
    docker("restart", "--time=0", stack.container("detection-api"))
    assert stack.get("/api/v1/cameras")["cameras"]


def test_a_hung_function_is_ended_and_answers_again(stack: Stack, judged: dict[str, Any]) -> None:
    stack.get("/api/v1/cameras")
    stack.compose("exec", "-T", "detection-api", "sh", "-c", STOP_CHILD)
    status, _, body = json.loads(stack.inside("runtime", GET, "/api/v1/cameras"))
    assert status in (500, 503), body
    assert stack.get("/api/v1/cameras")["cameras"]
    assert "Task timed out after 15.00 seconds" in stack.log()
    assert stack.inspect("detection-api")["RestartCount"] == 0  # its leash went on


def test_changed_code_answers_without_a_restart(stack: Stack) -> None:
    began = stack.inspect("jobs")["State"]["StartedAt"]
    assert "changed" not in stack.get("/api/v1/jobs/summary")
    main = stack.folder / "functions/jobs/main.py"
    main.write_text(
        main.read_text()
        + """
_before = lambda_handler


def lambda_handler(event, context):
    answer = _before(event, context)
    answer["body"] = answer["body"].replace("{", '{"changed": true, ', 1)
    answer["headers"].pop("content-length", None)
    return answer
"""
    )
    until(lambda: "changed" in stack.get("/api/v1/jobs/summary"), 30)
    assert stack.inspect("jobs")["State"]["StartedAt"] == began


def test_a_killed_runtime_goes_on_where_it_was(stack: Stack, judged: dict[str, Any]) -> None:
    docker("kill", stack.container("runtime"))
    stack.compose("start", "runtime")
    until(lambda: stack.inspect("runtime")["State"]["Health"]["Status"] == "healthy")
    assert stack.get("/api/v1/reports")["reports"][0]["id"] == judged["id"]


def test_down_and_up_keeps_incidents_reports_and_pictures(
    stack: Stack, judged: dict[str, Any]
) -> None:
    stack.compose("down")
    assert stack.compose("ps", "--all", "--quiet").stdout == ""
    stack.up()
    assert stack.get("/api/v1/reports")["reports"][0]["id"] == judged["id"]
    (incident,) = stack.get("/api/v1/incidents")["incidents"]
    path = f"/api/v1/incidents/{incident['incident_id']}/evidence"
    status, kind, _ = json.loads(stack.inside("runtime", GET, path))
    assert (status, kind) == (200, "image/jpeg")


def test_a_promoted_model_and_the_way_back_are_taken_up_without_a_restart(
    stack: Stack, judged: dict[str, Any]
) -> None:
    until(lambda: stack.model_of("yard").get("fallback") is True)
    began = stack.inspect("detection")["State"]["StartedAt"]
    added = {name: stack.models("add", f"{name}.onnx") for name in ("best", "two")}
    for promotion, expected in (
        (("promote", "best"), added["best"]),
        (("promote", "two"), added["two"]),
        (("promote", "--back"), added["best"]),
    ):
        stack.models(*promotion)
        until(lambda: stack.model_of("yard").get("sha256") == expected["original"]["sha256"], 120)  # noqa: B023
    assert stack.inspect("detection")["State"]["StartedAt"] == began
    listed = stack.models("list")
    assert listed["served"]["model_id"] == added["best"]["id"]
    assert stack.models("verify")["wrong"] == 0


def test_a_backup_of_the_running_stack_comes_back_on_new_volumes(
    stack: Stack, judged: dict[str, Any], tmp_path: Path
) -> None:
    made = stack.compose(
        *("exec", "-T", "runtime", "hearth", "backup", "/data/backup.tar.gz", "--json")
    )
    facts = json.loads(made.stdout)
    served = stack.models("list")["served"]
    assert facts["models"] == 2
    assert facts["database"] == "sqlite"
    assert facts["objects"] > 10
    stack.compose("cp", "runtime:/data/backup.tar.gz", str(tmp_path))
    stack.compose("down", "--volumes")
    (tmp_path / "backup.tar.gz").chmod(0o644)  # it is read as another user
    tmp_path.chmod(0o755)
    restored = stack.compose(
        *("run", "--rm", "--no-deps", "-T", f"--volume={tmp_path}:/backup:ro", "runtime"),
        *("restore", "/backup/backup.tar.gz", "--json"),
    )
    assert json.loads(restored.stdout)["objects"] == facts["objects"]
    stack.up()
    (report,) = stack.get("/api/v1/reports")["reports"]
    assert report == judged
    assert stack.models("list")["served"] == served
    until(lambda: stack.model_of("yard").get("sha256") == served["original"]["sha256"])
    status, kind, body = json.loads(
        stack.inside("runtime", GET, f"/api/v1/reports/{judged['id']}/pdf")
    )
    assert (status, kind) == (200, "application/pdf")
    assert body.startswith("%PDF-")
