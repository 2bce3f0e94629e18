"""Cameras as rows: what is answered, and what never is."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from functions.detection.api import create_app
from functions.detection.cameras import CAMERAS, cameras_with_secrets, list_policy_entries
from functions.detection.queries import Queries
from hearth.http.app import lambda_handler_for
from hearth.resource.table import schema_differences
from tests.contract.detection.harness import DetectionHarness, frame_jpeg
from tests.support.events import FOLDER, load_event
from tests.support.fakes import LambdaContext

EVENTS = sorted(path.stem for path in (FOLDER / "detection").glob("camera_api_*.json"))
EXAMPLE_ID = "01KAJQ6T1M0CAMERA000000001"
SECRET = "s3cr%40t-horse"


class Api:
    """The routes of cameras, as the gateway calls them."""

    def __init__(self, harness: DetectionHarness) -> None:
        storage = SimpleNamespace(db=harness.db, store=harness.store, ledger=harness.ledger)
        queries = Queries(storage, str.encode)
        self.service = queries.cameras
        self.app: FastAPI = create_app(queries)
        self._handler = lambda_handler_for(self.app)
        self.texts: list[str] = []

    def send(self, event: dict[str, Any]) -> tuple[int, Any]:
        answer = self._handler(event, LambdaContext())
        self.texts.append(json.dumps(answer))
        return answer["statusCode"], json.loads(answer["body"])

    def call(self, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        event = load_event("detection/camera_api_create", body=json.dumps(body))
        event["requestContext"]["http"]["method"] = method
        event["rawPath"] = event["requestContext"]["http"]["path"] = f"/api/v1/cameras{path}"
        return self.send(event)

    def create(self, name: str = "gate", **fields: Any) -> Any:
        status, row = self.call("POST", body={"name": name, "source": "0", **fields})
        assert status == 201, row
        return row


@pytest.fixture
def api(harness: DetectionHarness) -> Api:
    return Api(harness)


def test_the_migration_makes_the_declared_table(harness: DetectionHarness) -> None:
    assert harness.db.read(lambda tx: schema_differences(tx, CAMERAS)) == []


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_of_each_operation_is_answered(api: Api, name: str) -> None:
    row = api.create()
    text = json.dumps(load_event(f"detection/{name}")).replace(EXAMPLE_ID, row["id"])
    status, answer = api.send(json.loads(text))
    assert status == (201 if name == "camera_api_create" else 200)
    assert answer.get("failed", 0) == 0
    assert "EXAMPLE" not in json.dumps(answer)


def test_secrets_of_a_source_are_stored_apart_and_never_answered(
    api: Api, harness: DetectionHarness
) -> None:
    row = api.create(source=f"rtsp://admin:{SECRET}@cam:554/a?token={SECRET}")
    assert row["address"] == "rtsp://cam:554/a"
    changed = f"rtsp://root:{SECRET}@cam2/b"
    assert api.call("PATCH", f"/{row['id']}", {"source": changed})[1]["address"] == "rtsp://cam2/b"
    for path in ("", f"/{row['id']}", f"/{row['id']}/history"):
        assert api.call("GET", path)[0] == 200
    assert api.call("POST", body={"name": "x", "source": f"http://a:{SECRET}@cam:x/"})[0] == 400
    assert "horse" not in "".join(api.texts)
    assert cameras_with_secrets(api.service) == {
        "cameras": [
            {"name": "gate", "source": changed, "rate": None, "regions": None, "enabled": True}
        ]
    }
    assert api.call("DELETE", f"/{row['id']}")[0] == 200
    assert cameras_with_secrets(api.service) == {"cameras": []}
    tables = harness.db.read(
        lambda tx: tx.exec_driver_sql("select count(*) from resource_secrets").scalar()
    )
    assert tables == 0


def test_the_list_holds_cameras_with_a_row_and_cameras_that_sent_frames(
    api: Api, harness: DetectionHarness
) -> None:
    harness.upload(0, frame_jpeg(1), "gate")
    harness.upload(0, frame_jpeg(1), "passer-by")
    harness.drain()
    api.create("gate", rate=2, region=[[0, 0.3, 1, 1]], policy="dock")
    api.create("attic", source="/media/attic.mp4", enabled=False)
    cameras = {one["camera_id"]: one for one in api.call("GET")[1]["cameras"]}
    assert list(cameras) == ["attic", "gate", "passer-by"]
    assert {name: one["configured"] for name, one in cameras.items()} == {
        "attic": True,
        "gate": True,
        "passer-by": False,
    }
    gate, attic = cameras["gate"], cameras["attic"]
    assert (gate["frames"], gate["rate"], gate["region"]) == (1, 2, [[0, 0.3, 1, 1]])
    assert (gate["policy"], gate["enabled"], gate["source"]) == ("dock", True, "0")
    assert (attic["frames"], attic["last_frame_at"], attic["enabled"]) == (0, None, False)
    assert attic["verdicts"] == {"compliant": 0, "violation": 0, "indeterminate": 0}
    assert cameras["passer-by"]["id"] is None


def test_a_name_that_is_taken_is_a_conflict(api: Api) -> None:
    api.create("gate")
    status, answer = api.call("POST", body={"name": "gate", "source": "1"})
    assert (status, answer["error"]["code"]) == (409, "CONFLICT")
    assert "'gate' exists already" in answer["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": 0},
        {"rate": -1},
        {"rate": 1001},
        {"rate": "5"},
        {"name": "Gate"},
        {"name": "../x"},
        {"name": ""},
        {"source": ""},
        {"source": None},
        {"source": "a\nb"},
        {"source": "rtsp://cam:port/"},
        {"source": "x" * 2_001},
        {"region": [[0, 0, 0, 1]]},
        {"region": [[0, 0, 2, 1]]},
        {"region": [[0, 0, 1]]},
        {"region": [[0, 0, 1, 1]] * 51},
        {"policy": "A B"},
        {"enabled": "yes"},
        {"address": "rtsp://other/"},
        {"colour": "red"},
    ],
)
def test_a_camera_that_cannot_be_watched_is_refused(api: Api, fields: dict[str, Any]) -> None:
    status, answer = api.call("POST", body={"name": "gate", "source": "0"} | fields)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert api.call("GET")[1] == {"cameras": []}


def test_who_may_only_read_cannot_write(api: Api) -> None:
    event = load_event("detection/camera_api_create")
    event["requestContext"]["authorizer"]["lambda"]["permissions"] = "cameras:read"
    status, answer = api.send(event)
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")


def test_rows_name_entries_of_the_policy(api: Api, harness: DetectionHarness) -> None:
    api.create("gate", policy="dock")
    api.create("yard")
    assert harness.db.read(list_policy_entries) == {"gate": "dock"}
