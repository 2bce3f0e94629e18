"""Custom resources: the event, the one-time answer, and what stops a start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.engine.functions import EngineStopping
from hearth_runtime.records import JsonRecords
from hearth_runtime.sources.custom_resources import Answers, CustomResources
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import CustomResource
from tests.unit.runtime_edges.fakes import Answer, FakeEngine, failure


def set_up(
    folder: Path, reply: Any = None, *, answer: Answer | None = None, revision: str = "1"
) -> dict[str, Any]:
    """Set one resource up; the function replies with `reply`. Returns the event that it got."""

    async def main() -> dict[str, Any]:
        answers = Answers()

        async def replying(event: dict[str, Any]) -> bytes:
            if reply is not None:
                token = event["ResponseURL"].rsplit("/", 1)[1]
                assert answers.take(token, json.dumps(reply).encode())
                assert not answers.take(token, b"{}"), "a URL is good for one answer"
            return b"null"

        engine = FakeEngine(answer or replying)
        resources = CustomResources(
            engine,
            answers,
            JsonRecords(folder / "custom_resources.json"),
            control_url="http://control",
            stack_id="stack",
            arns={"f": "arn:f"},
        )
        resource = CustomResource("Schema", "Custom::S", "f", {"Revision": revision, "N": 1}, 0.2)
        await resources.set_up(resource)
        return engine.events[0]

    return asyncio.run(main())


SUCCESS = {"Status": "SUCCESS", "PhysicalResourceId": "db"}


def test_the_first_start_creates(tmp_path: Path) -> None:
    event = set_up(tmp_path, SUCCESS)
    assert event["RequestType"] == "Create"
    assert event["ResponseURL"].startswith("http://control/custom-resources/")
    assert event["ResourceProperties"] == {"ServiceToken": "arn:f", "Revision": "1", "N": "1"}
    assert "PhysicalResourceId" not in event


def test_later_starts_update_with_the_old_properties(tmp_path: Path) -> None:
    set_up(tmp_path, SUCCESS)
    event = set_up(tmp_path, SUCCESS, revision="2")
    assert event["RequestType"] == "Update"
    assert event["PhysicalResourceId"] == "db"
    assert event["ResourceProperties"]["Revision"] == "2"
    assert event["OldResourceProperties"]["Revision"] == "1"


def test_a_create_that_failed_is_a_create_again(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="disk is full"):
        set_up(tmp_path, {"Status": "FAILED", "Reason": "the disk is full"})
    assert set_up(tmp_path, SUCCESS)["RequestType"] == "Create"


@pytest.mark.parametrize(
    ("reply", "answer", "message"),
    [
        ({"Status": "FAILED", "Reason": "too new"}, None, "Schema with function f failed: too new"),
        ({"Status": "FAILED"}, None, "no reason given"),
        ({}, None, "no reason given"),
        ([], None, "not a JSON object"),
        (None, None, "no answer within 0 s"),
        (None, failure("ImportError: x"), "ImportError: x"),
        (None, EngineStopping("stopping"), "stopping"),
    ],
)
def test_anything_but_success_stops_the_start_with_the_reason(
    tmp_path: Path, reply: Any, answer: Answer | None, message: str
) -> None:
    with pytest.raises(SetupError) as caught:
        set_up(tmp_path, reply, answer=answer)
    assert message in str(caught.value)


def test_an_unknown_token_is_not_taken() -> None:
    assert not Answers().take("guess", b"{}")
