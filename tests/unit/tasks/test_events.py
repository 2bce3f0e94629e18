"""The recorded events of `events/tasks*`, from the Lambda event to the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.tasks.repository import metadata
from hearth.db import Database
from hearth.http.app import lambda_handler_for
from hearth.idempotency import metadata as idempotency_metadata
from hearth.ledger.ledger import metadata as ledger_metadata
from tests.contract.tasks.harness import ANA, Harness
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    db = Database(f"sqlite:///{tmp_path}/hearth.db")
    ledger_metadata.create_all(db.engine)
    metadata.create_all(db.engine)
    idempotency_metadata.create_all(db.engine)
    yield Harness(db)
    db.close()


def test_a_task_is_created_listed_and_completed(harness: Harness) -> None:
    handle = lambda_handler_for(harness.app)
    created = handle(load_event("tasks-api/http_api_create"), LambdaContext())
    again = handle(load_event("tasks-api/http_api_create"), LambdaContext())
    assert (created["statusCode"], again["body"]) == (201, created["body"])
    assert again["headers"]["idempotency-replayed"] == "true"
    task = json.loads(created["body"])["task"]
    assert task["created_by"] == ANA.id
    listed = handle(load_event("tasks-api/http_api_list_open"), LambdaContext())
    assert json.loads(listed["body"])["tasks"] == [task]
    completion = load_event("tasks-api/http_api_complete")
    completion["requestContext"]["http"]["path"] = f"/api/v1/tasks/{task['id']}/complete"
    done = handle(completion, LambdaContext())
    assert json.loads(done["body"])["task"]["status"] == "completed"


@pytest.mark.parametrize("name", ["sqs_hint_report_ready", "sqs_hint_remind"])
def test_a_hint_of_a_job_that_is_not_there_is_let_go(harness: Harness, name: str) -> None:
    assert harness.handler(load_event(f"tasks/{name}"), LambdaContext()) == {
        "batchItemFailures": []
    }
