"""Uses the product as its users do: the command line, the bucket, the queues, the HTTP API."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import yaml
from PIL import Image

from hearth_runtime.http.owner import read_owner_key
from hearth_runtime.stack_state import StackState, read_state
from tests.support.daemons import running

HEARTH = (sys.executable, "-m", "hearth_runtime")
BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_FINISHED = frozenset({"done", "failed"})


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document on its standard output."""
        return json.loads(self.out)


def hearth(*arguments: object, data: Path | None = None, timeout_s: float = 100) -> Finished:
    """Run one `hearth` command to its end."""
    where = () if data is None else ("--data", str(data))
    done = subprocess.run(
        [*HEARTH, *map(str, arguments), *where],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Stack:
    """A running stack, as seen from outside."""

    data: Path
    state: StackState
    _clients: dict[str, Any] = field(default_factory=dict)

    # ---- doors ----

    def get(self, path: str, **query: object) -> Any:
        """JSON of the HTTP API under /api/v1; raises HTTPError for a status of 400 and more."""
        return json.loads(self.get_bytes(path, **query))

    def get_bytes(self, path: str, **query: object) -> bytes:
        """A file of the HTTP API under /api/v1."""
        tail = f"?{urllib.parse.urlencode(query)}" if query else ""
        url = f"{self.state.gateway_url}/api/v1{path}{tail}"
        owner = {"Authorization": f"Bearer {read_owner_key(self.data)}"}
        asked = urllib.request.Request(url, headers=owner)
        with _DIRECT.open(asked, timeout=60) as answer:
            return bytes(answer.read())

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's S3 or SQS."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.state.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def invoke(self, function: str, event: Mapping[str, Any] | None = None) -> Any:
        """What a function answers to an event. Its schedule may run it just now: then again."""
        deadline = time.monotonic() + 60
        while True:
            done = hearth("invoke", function, "--payload", json.dumps(event or {}), data=self.data)
            if done.code == 0:
                return done.json()
            busy = "reserved concurrency" in done.err and time.monotonic() < deadline
            assert busy, done.err
            time.sleep(0.5)

    # ---- frames ----

    def put(self, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=self.state.bucket, Key=key, Body=body)

    def put_frames(self, camera: str, images: Sequence[bytes]) -> list[str]:
        """Frames a second apart and the marker that ends the stream; gives all of their keys."""
        keys = [key_of(camera, second) for second in range(len(images))]
        for key, image in zip(keys, images, strict=True):
            self.put(key, image)
        return [*keys, self.put_end(camera, len(images))]

    def put_end(self, camera: str, second: float) -> str:
        key = key_of(camera, second, "end")
        self.put(key, b"{}")
        return key

    # ---- the ledger ----

    def jobs(self, **query: object) -> list[dict[str, Any]]:
        """All jobs that the query names, newest first."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            page = self.get("/jobs", limit=100, **query, **cursor)
            found += page["jobs"]
        return found

    def job(self, dedupe_key: str) -> dict[str, Any] | None:
        """The job of this dedupe key, if there is one."""
        return next((job for job in self.jobs() if job["dedupe_key"] == dedupe_key), None)

    def of_camera(self, camera: str) -> dict[str, dict[str, Any]]:
        """The jobs of a camera's frames and markers, by key."""
        return {
            job["payload"]["key"]: job
            for job in self.jobs()
            if str(job["payload"].get("key", "")).startswith(f"frames/{camera}/")
        }

    def settle(self, keys: Iterable[str], timeout_s: float = 60) -> dict[str, dict[str, Any]]:
        """Wait until these frames are done or failed and no job is open; their jobs, by key.

        What follows from a job is added in the transaction that ends it, so an instant without an
        open job after that is the end of it all.
        """
        wanted = set(keys)
        cameras = {key.split("/")[1] for key in wanted}

        def finished() -> dict[str, dict[str, Any]] | None:
            found = {key: job for camera in cameras for key, job in self.of_camera(camera).items()}
            ended = {key for key, job in found.items() if job["state"] in _FINISHED}
            if not wanted <= ended or self.get("/jobs/summary")["open"]:
                return None
            return {key: found[key] for key in wanted}

        return until(finished, timeout_s, lambda: f"still open: {self.open_jobs()}")

    def open_jobs(self) -> list[tuple[str, str, Any]]:
        return [
            (job["dedupe_key"], job["state"], job["error"])
            for job in self.jobs()
            if job["state"] not in _FINISHED
        ]

    # ---- what came of it ----

    def incidents(self, camera: str) -> list[dict[str, Any]]:
        """The incidents of a camera that count, oldest first."""
        found = self.get("/incidents", camera_id=camera, limit=100)["incidents"]
        kept = [incident for incident in found if incident["state"] != "superseded"]
        return sorted(kept, key=lambda incident: str(incident["first_seen"]))

    def outcome(self, camera: str) -> dict[str, Any]:
        """Incidents, evidence and reports of a camera, in a form that two runs compare by."""
        reports = self.get("/reports", camera_id=camera, limit=100)["reports"]
        return {
            "incidents": self.incidents(camera),
            "reports": {report["id"]: report["pdf_sha256"] for report in reports},
        }

    def dead_letters(self) -> int:
        """Messages in all dead-letter queues."""
        total = 0
        for name, url in self.state.queues.items():
            if name.endswith("DeadLetters"):
                attributes = self.client("sqs").get_queue_attributes(
                    QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
                )["Attributes"]
                total += int(attributes["ApproximateNumberOfMessages"])
        return total


@contextlib.contextmanager
def stack(data: Path, *options: object) -> Iterator[Stack]:
    """A stack that runs while the block does, as `hearth up` starts it."""
    data.mkdir(parents=True, exist_ok=True)
    command = [*HEARTH, "up", "--json", "--data", str(data), *map(str, options)]
    with running(command, ready=lambda: read_state(data) is not None, env={}):
        state = read_state(data)
        assert state is not None
        it = Stack(data, state)
        try:
            yield it
        finally:
            it.close()


def until(condition: Any, timeout_s: float, why: Any = lambda: "") -> Any:
    """The first truthy answer of `condition`; fails the test with `why()` when there is none."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s; {why()}"
        time.sleep(0.15)
    return answer


def key_of(camera: str, second: float, suffix: str = "jpg") -> str:
    """The key of a frame so many seconds after BEGIN."""
    moment = BEGIN + timedelta(seconds=second)
    return f"frames/{camera}/{moment:%Y%m%dT%H%M%S.%fZ}.{suffix}"


def policy_file(path: Path, cameras: Iterable[str], **more: Any) -> Path:
    """A policy under which nobody may be where these cameras look."""
    rules = {"version": 1, "cameras": {camera: {"restricted": True} for camera in cameras}}
    path.write_text(yaml.safe_dump(rules | more))
    return path


@cache
def photograph(name: str = "astronaut.png", side: int = 256) -> Image.Image:
    """A real photograph out of scikit-image; the astronaut's is of a person."""
    origin = find_spec("skimage")
    assert origin is not None
    assert origin.origin is not None
    with Image.open(Path(origin.origin).parent / "data" / name) as image:
        return image.convert("RGB").resize((side, side))


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def person() -> bytes:
    """A JPEG on which OpenCV's detectors find one person."""
    return encoded(photograph(), quality=90)


def processes_of(data: Path) -> list[str]:
    """Every live process whose command line or environment names the data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if str(data).encode() in command + (entry / "environ").read_bytes():
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode()}")
    return found
