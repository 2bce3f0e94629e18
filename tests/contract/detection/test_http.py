"""The read side over HTTP, as API Gateway calls it."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.detection.api import create_app
from functions.detection.policy import parse_policy
from functions.detection.queries import Queries
from functions.detection.repository.incident_rows import update_incident
from functions.detection.snapshot import SnapshotService
from hearth.frames import frame_key
from hearth.http.app import lambda_handler_for
from hearth.ids import ulid_from
from hearth_vision.images import ImageLimits, decode_image
from tests.contract.detection.harness import DetectionHarness, frame_jpeg
from tests.support.events import FOLDER, load_event
from tests.support.fakes import LambdaContext
from tests.support.shared_app import SharedApp

NEVER = "20200101T000000.000000Z"
EVENTS = sorted(path.stem for path in (FOLDER / "detection").glob("http_api_*.json"))


def app_of(harness: DetectionHarness) -> SharedApp:
    storage = SimpleNamespace(db=harness.db, store=harness.store, ledger=harness.ledger)
    snapshots = SnapshotService(
        storage, harness.current, lambda: (None, "not blurred"), ZoneInfo("UTC"), ImageLimits()
    )
    return SharedApp(create_app, Queries(storage, snapshots.draw))


@pytest.fixture
def get(harness: DetectionHarness) -> Any:
    handler = lambda_handler_for(app_of(harness))

    def call(path: str, query: str = "", **headers: str) -> dict[str, Any]:
        event = load_event("detection/http_api_incidents")
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["rawQueryString"] = query
        event["headers"] |= headers
        return dict(handler(event, LambdaContext()))

    return call


def body(answer: dict[str, Any]) -> Any:
    return json.loads(answer["body"])


def walk(harness: DetectionHarness, begin: float, camera: str = "gate") -> None:
    for n in range(6):
        harness.upload(begin + n / 5, frame_jpeg(1), camera)
    harness.end(begin + 1, camera)


def test_without_frames_the_lists_are_empty(get: Any) -> None:
    assert body(get("/api/v1/cameras")) == {"cameras": []}
    assert body(get("/api/v1/incidents")) == {"incidents": [], "next_cursor": None}


def test_every_route_has_an_event(harness: DetectionHarness) -> None:
    found = (path.stem for path in (FOLDER / "detection").glob("*_api_*.json"))
    paths = [load_event(f"detection/{name}")["rawPath"] for name in found]
    for route in app_of(harness).openapi()["paths"]:
        pattern = re.sub(r"\{\w+\}", "[^/]+", route)
        assert any(re.fullmatch(pattern, path) for path in paths), route


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_answered_as_its_route_says(harness: DetectionHarness, name: str) -> None:
    walk(harness, 1)
    harness.drain()
    event = load_event(f"detection/{name}")
    answer = lambda_handler_for(app_of(harness))(event, LambdaContext())
    assert answer["statusCode"] == 200
    if name == "http_api_clip":
        assert base64.b64decode(answer["body"])[:6] == b"GIF89a"
    elif name in {"http_api_evidence", "http_api_snapshot"}:
        assert base64.b64decode(answer["body"])[:2] == b"\xff\xd8"
    elif "equipment" in name:
        assert len(body(answer)["Persons"]) == 1
    else:
        assert any(body(answer).values())


def test_a_camera_lists_its_counters_and_its_model(harness: DetectionHarness, get: Any) -> None:
    walk(harness, 0)
    harness.upload(0.05, b"broken")
    harness.drain()
    [camera] = body(get("/api/v1/cameras"))["cameras"]
    assert camera["frames"] == 6
    assert camera["frames_with_person"] == 6
    assert camera["failed_frames"] == 1
    assert camera["verdicts"] == {"compliant": 0, "violation": 6, "indeterminate": 0}
    assert camera["open_incidents"] == 0
    assert camera["last_frame_at"] == "2026-11-02T07:30:01.000000Z"
    assert camera["model"]["method"] == "yolov8-onnx"


def snapshot_of(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    assert answer["headers"]["content-type"] == "image/jpeg"
    return decode_image(base64.b64decode(answer["body"]), ImageLimits())


def test_a_snapshot_shows_the_latest_image_with_the_zones_of_the_policy(
    harness: DetectionHarness, get: Any
) -> None:
    harness.upload(0, frame_jpeg(0, score=0))
    harness.upload(1, frame_jpeg(9))
    harness.drain()
    harness.policy = parse_policy(b"{defaults: {required: []}}")
    plain = snapshot_of(get("/api/v1/cameras/gate/snapshot"))
    harness.policy = parse_policy(
        b"""
defaults: {required: []}
cameras:
  gate:
    zones:
      - {name: press, restricted: true, polygon: [[0.5, 0.1], [0.9, 0.1], [0.9, 0.9], [0.5, 0.9]]}
      - {name: dock, required: [vest], polygon: [[0.1, 0.1], [0.4, 0.1], [0.4, 0.9], [0.1, 0.9]],
         shifts: [{days: [sun], from: "01:00", to: "01:01"}]}
"""
    )
    drawn = snapshot_of(get("/api/v1/cameras/gate/snapshot"))
    scale = drawn.shape[1] / 400

    def at(image: Any, x: float, y: float) -> list[int]:
        """BGR at a place given in fractions of the frame."""
        return [int(value) for value in image[int(y * 240 * scale), int(x * 400 * scale)]]

    assert at(plain, 0.7, 0.5) == [98, 98, 98]  # the later frame's grey
    blue, green, red = at(drawn, 0.7, 0.5)
    assert red > 105 > green  # the veil of the restricted zone
    blue, green, red = at(drawn, 0.5, 0.5)
    assert red > 150  # its outline
    assert blue < 90
    blue, green, red = at(drawn, 0.1, 0.5)
    assert max(blue, green, red) - min(blue, green, red) < 30  # not at this time: grey
    assert min(blue, green, red) > 140
    assert at(drawn, 0.45, 0.5) == at(plain, 0.45, 0.5)


def test_a_snapshot_without_an_image_or_a_policy_says_so(
    harness: DetectionHarness, get: Any
) -> None:
    answer = get("/api/v1/cameras/gate/snapshot")
    assert answer["statusCode"] == 404
    assert "has sent no image" in body(answer)["error"]["message"]
    key = harness.upload(0, frame_jpeg(1))
    harness.drain()
    harness.policy = parse_policy(b"{unknown_cameras: reject}")
    assert snapshot_of(get("/api/v1/cameras/gate/snapshot")).shape[1] == 960
    del harness.store.objects[key]  # it has expired
    assert get("/api/v1/cameras/gate/snapshot")["statusCode"] == 404


def test_a_camera_lists_dropped_frames_by_reason(harness: DetectionHarness, get: Any) -> None:
    harness.policy = parse_policy(b"defaults: {restricted: true, max_fps: 1, max_lag_s: 5}")
    for n in range(10):
        harness.upload(n / 10, frame_jpeg(1))
    harness.drain()
    for n in range(4):
        harness.upload(3 + n / 10, frame_jpeg(1))
    harness.clock.advance(20)
    harness.drain()
    [camera] = body(get("/api/v1/cameras"))["cameras"]
    assert camera["frames"] == 2
    assert camera["dropped_frames"] == 12
    assert camera["dropped_by_reason"] == {"lag": 4, "rate": 8}


def test_incidents_are_paged_latest_first_and_filtered(harness: DetectionHarness, get: Any) -> None:
    for n in range(5):
        walk(harness, 20 * n)
    walk(harness, 7, "dock")
    harness.drain()
    first = body(get("/api/v1/incidents", "limit=4"))
    second = body(get("/api/v1/incidents", f"limit=4&cursor={first['next_cursor']}"))
    listed = [one["incident_id"] for one in first["incidents"] + second["incidents"]]
    assert len(listed) == 6
    assert listed == sorted(listed, reverse=True)
    assert second["next_cursor"] is None
    docks = body(get("/api/v1/incidents", "camera_id=dock&state=ended"))["incidents"]
    assert [one["camera_id"] for one in docks] == ["dock"]
    assert body(get("/api/v1/incidents", "state=open"))["incidents"] == []
    window = "from=2026-11-02T07:30:15Z&to=2026-11-02T07:30:30Z"
    assert len(body(get("/api/v1/incidents", window))["incidents"]) == 1


def test_an_incident_shows_its_peak_frame_people_and_model(
    harness: DetectionHarness, get: Any
) -> None:
    walk(harness, 0)
    harness.drain()
    [row] = harness.incidents()
    incident = body(get(f"/api/v1/incidents/{row.id}"))
    assert incident["state"] == "ended"
    assert incident["violations"][0]["class_name"] == "restricted_zone"
    assert incident["violations"][0]["osha_regulation"] is None
    assert incident["peak"]["detections"][0]["person"] == 1
    assert incident["persons"][0]["verdict"] == "violation"
    assert incident["model"]["name"] == "script"


def test_an_incident_s_persons_are_followed_over_its_frames(
    harness: DetectionHarness, get: Any
) -> None:
    for n in range(6):
        harness.upload(n / 5, frame_jpeg(2))
    harness.end(1)
    harness.drain()
    [row] = harness.incidents()
    answer = body(get(f"/api/v1/incidents/{row.id}/persons"))
    assert answer["complete"] is True
    assert answer["frames_with_person"] == 6
    assert [one["frames"] for one in answer["persons"]] == [6, 6]
    for person in answer["persons"]:
        assert person["confirmed"] is True
        assert person["verdict"] == "violation"
        assert person["violations"] == {"restricted_zone": 6}
        assert person["first_seen"] == "2026-11-02T07:30:00.000000Z"


@pytest.mark.parametrize("seed", range(3))
def test_persons_are_the_same_in_whatever_order_frames_came(
    harness: DetectionHarness, get: Any, seed: int
) -> None:
    times = [n / 5 for n in range(6)]
    random.Random(seed).shuffle(times)
    for time in times:
        harness.upload(time, frame_jpeg(1))
        harness.drain()
    harness.end(1)
    harness.drain()
    incident = body(get("/api/v1/incidents", "state=ended"))["incidents"][0]["incident_id"]
    [person] = body(get(f"/api/v1/incidents/{incident}/persons"))["persons"]
    # Made from the first frame, not from the one that came first.
    assert person["first_seen"] == "2026-11-02T07:30:00.000000Z"
    assert person["person_id"] == ulid_from(
        harness.at(0), "gate", frame_key("gate", harness.at(0)), "1"
    )


def test_a_frame_is_also_available_in_rekognition_s_shape(
    harness: DetectionHarness, get: Any
) -> None:
    walk(harness, 0)
    harness.drain()
    [row] = harness.incidents()
    by_incident = body(get(f"/api/v1/incidents/{row.id}/protective-equipment"))
    time = row.peak_frame_key.removeprefix("frames/gate/").removesuffix(".jpg")
    path = f"/api/v1/cameras/gate/frames/{time}/protective-equipment"
    assert body(get(path)) == by_incident
    [person] = by_incident["Persons"]
    assert person["Id"] == 0
    assert by_incident["Summary"]["PersonsIndeterminate"] == [0]
    asked = get(path, "min_confidence=99&required=HEAD_COVER&required=HAND_COVER")
    assert body(asked)["Summary"]["PersonsIndeterminate"] == [0]


def test_evidence_is_an_image_with_its_hash_as_etag(harness: DetectionHarness, get: Any) -> None:
    walk(harness, 0)
    harness.drain()
    [row] = harness.incidents()
    answer = get(f"/api/v1/incidents/{row.id}/evidence")
    jpeg = base64.b64decode(answer["body"])
    assert answer["headers"]["content-type"] == "image/jpeg"
    assert answer["headers"]["etag"] == f'"{hashlib.sha256(jpeg).hexdigest()}"'
    again = get(
        f"/api/v1/incidents/{row.id}/evidence", **{"if-none-match": answer["headers"]["etag"]}
    )
    assert again["statusCode"] == 304


def test_evidence_of_an_open_incident_is_that_of_its_alert(
    harness: DetectionHarness, get: Any
) -> None:
    for n in range(6):
        harness.upload(n / 5, frame_jpeg(1))
    harness.drain()
    [row] = harness.incidents()
    answer = get(f"/api/v1/incidents/{row.id}/evidence")
    assert answer["statusCode"] == 200
    shown = harness.store.objects[f"evidence/alerts/{row.id}.started.jpg"]
    assert base64.b64decode(answer["body"]) == shown
    harness.db.write(lambda tx: update_incident(tx, row.id, {"alert_evidence": None}))
    answer = get(f"/api/v1/incidents/{row.id}/evidence")
    assert answer["statusCode"] == 404
    assert "is open" in body(answer)["error"]["message"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/v1/incidents/01M6DJMH588QAEWKQFCCCP2758", "", 404),
        ("/api/v1/incidents/nonsense", "", 400),
        ("/api/v1/incidents/01M6DJMH588QAEWKQFCCCP2758/persons", "", 404),
        ("/api/v1/incidents/01M6DJMH588QAEWKQFCCCP2758/protective-equipment", "", 404),
        (f"/api/v1/cameras/gate/frames/{NEVER}/protective-equipment", "", 404),
        ("/api/v1/cameras/gate/frames/yesterday/protective-equipment", "", 400),
        (f"/api/v1/cameras/Gate!/frames/{NEVER}/protective-equipment", "", 400),
        (f"/api/v1/cameras/gate/frames/{NEVER}/protective-equipment", "min_confidence=49", 400),
        (f"/api/v1/cameras/gate/frames/{NEVER}/protective-equipment", "required=HAT", 400),
        ("/api/v1/incidents", "limit=101", 400),
        ("/api/v1/incidents", "limit=0", 400),
        ("/api/v1/incidents", "cursor=%21", 400),
        ("/api/v1/incidents", "state=asleep", 400),
        ("/api/v1/incidents", "from=yesterday", 400),
        ("/api/v1/incidents", "from=2026-11-02T07:30:00", 400),
        ("/api/v1/incidents", "camera_id=..%2F..", 400),
    ],
)
def test_errors_have_one_shape(get: Any, path: str, query: str, status: int) -> None:
    answer = get(path, query)
    assert answer["statusCode"] == status
    assert set(body(answer)["error"]) == {"code", "message", "details", "request_id"}
