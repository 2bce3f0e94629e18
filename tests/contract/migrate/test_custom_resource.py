"""The whole migration, from CloudFormation's request to the answer it gets over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from functions.migrate.callback import Callback
from functions.migrate.handler import make_handler
from functions.migrate.service import SchemaService
from hearth import migrations
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


@dataclass
class CloudFormation:
    """Takes answers; the first `refusals` of them are answered with 503."""

    url: str = ""
    refusals: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    side = CloudFormation()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            side.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = side.requests <= side.refusals
            if not refused:
                side.answers.append(json.loads(body))
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: pytest shows what failed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    side.url = f"http://127.0.0.1:{server.server_address[1]}/answer?signature=x%2Fy"
    try:
        yield side
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def migrate(side: CloudFormation, database_url: str, case: str, revision: str = "0004") -> Any:
    """What CloudFormation hears of one request."""
    event = load_event(f"migrate/{case}", ResponseURL=side.url)
    event["ResourceProperties"]["Revision"] = revision
    with httpx.Client(timeout=5, trust_env=False) as client:
        service = SchemaService(partial(migrations.upgrade, database_url))
        make_handler(service, Callback(client, sleep=lambda _: None))(event, LambdaContext())
    return side.answers[-1]


def test_the_first_deployment_makes_the_schema_and_a_repeat_changes_nothing(
    cloudformation: CloudFormation, database_url: str
) -> None:
    for _ in range(2):
        answer = migrate(cloudformation, database_url, "cloudformation_create")

        assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Revision": "0004"})
        assert migrations.current(database_url) == "0004"


def test_an_update_brings_an_older_schema_up(
    cloudformation: CloudFormation, database_url: str
) -> None:
    migrations.upgrade(database_url, "0003")

    answer = migrate(cloudformation, database_url, "cloudformation_update")

    assert answer["Status"] == "SUCCESS"
    assert migrations.current(database_url) == "0004"


def test_a_rollback_keeps_the_newer_schema_and_says_so(
    cloudformation: CloudFormation, database_url: str
) -> None:
    migrations.upgrade(database_url)

    answer = migrate(cloudformation, database_url, "cloudformation_update", "0003")

    assert (answer["Status"], answer["Data"]["Revision"]) == ("SUCCESS", migrations.head())


def test_deleting_the_stack_keeps_the_schema(
    cloudformation: CloudFormation, database_url: str
) -> None:
    migrations.upgrade(database_url)

    assert migrate(cloudformation, database_url, "cloudformation_delete")["Status"] == "SUCCESS"
    assert migrations.current(database_url) == migrations.head()


def test_a_revision_that_this_code_does_not_know_fails_the_deployment(
    cloudformation: CloudFormation, database_url: str
) -> None:
    answer = migrate(cloudformation, database_url, "cloudformation_create", "9999")

    assert answer["Status"] == "FAILED"
    assert "9999" in answer["Reason"]


def test_an_unreachable_database_fails_the_deployment(cloudformation: CloudFormation) -> None:
    answer = migrate(cloudformation, "sqlite:////nowhere/hearth.db", "cloudformation_create")

    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "the database cannot be opened"


def test_a_response_that_is_refused_at_first_is_retried(
    cloudformation: CloudFormation, database_url: str
) -> None:
    cloudformation.refusals = 2

    assert migrate(cloudformation, database_url, "cloudformation_create")["Status"] == "SUCCESS"
    assert cloudformation.requests == 3
