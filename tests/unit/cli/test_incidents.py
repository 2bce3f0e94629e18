"""`hearth incidents` against a stack elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hearth_runtime.cli import app
from hearth_runtime.commands import stack_client
from hearth_runtime.commands.stack_client import Answer

URL = "https://hearth.example"
ID = "01M6DJMH588QAEWKQFCCCP2758"
INCIDENT = {
    "incident_id": ID,
    "camera_id": "gate",
    "zone": None,
    "violations": [{"class_name": "no_helmet"}],
    "first_seen": "2026-11-02T07:30:00.000000Z",
    "state": "ended",
    "review": None,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    seen: list[tuple[str, str, Any]] = []

    def request(
        url: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str],
    ) -> Answer:
        seen.append((method, url.removeprefix(URL), json.loads(body) if body else None))
        answer = INCIDENT if body else {"incidents": [INCIDENT]}
        return Answer(200, {}, json.dumps(answer).encode())

    monkeypatch.setattr(stack_client, "request", request)
    return seen


def incidents(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["incidents", *arguments, "--url", URL])


@pytest.mark.parametrize(
    ("command", "verdict"),
    [("verify", "verified"), ("dismiss", "dismissed"), ("escalate", "escalated")],
)
def test_a_review_goes_to_the_api_with_its_reason(
    asked: list[Any], command: str, verdict: str
) -> None:
    done = incidents(command, ID, "--reason", "A mannequin")
    assert done.exit_code == 0, done.output
    body = {"verdict": verdict, "reason": "A mannequin"}
    assert asked == [("POST", f"/api/v1/incidents/{ID}/review", body)]


def test_a_review_needs_a_reason_and_the_id_of_an_incident(asked: list[Any]) -> None:
    assert incidents("dismiss", ID).exit_code == 2
    assert incidents("dismiss", "../users", "--reason", "x").exit_code == 1
    assert asked == []


def test_incidents_are_listed(asked: list[Any]) -> None:
    answer = json.loads(incidents("list", "--json", "--limit", "5").output)
    assert answer["incidents"] == [INCIDENT]
    assert asked[0][1].startswith("/api/v1/incidents?")
    assert "no_helmet" in incidents("list").output
