"""Who subscribes to which event, in the template and in the code: one truth."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from hearth.ledger.consumer import Consumer
from scripts import event_schemas

if TYPE_CHECKING:
    from tests.infra.conftest import Template

PUBLISHERS: Mapping[str, tuple[str, ...]] = {
    "DetectionFunction": ("safety.violation.detected",),
    "ReportsFunction": ("safety.report.ready",),
    # A person's task, and the corrective one of a report; reminders are the queue's.
    "TasksApiFunction": (
        *("task.created", "task.updated", "task.completed", "task.reopened", "task.deleted"),
    ),
    "TasksFunction": ("task.created", "task.updated", "task.completed", "task.due"),
}


def subscribers(template: Template) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(variables(template)["SUBSCRIBERS"])
    return found


def queues(template: Template) -> dict[str, str]:
    """Queue name → logical id, as QUEUE_URLS pairs them."""
    pairs = json.loads(variables(template)["QUEUE_URLS"]["Fn::Sub"])
    return {name: re.sub(r"\$\{(\w+)\}", r"\1", url) for name, url in pairs.items()}


def variables(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.body["Globals"]["Function"]["Environment"]["Variables"]
    return found


def consumers(template: Template) -> Iterator[tuple[str, str]]:
    """(logical id of a queue, module of the function that reads it)."""
    for name, event in template.events("SQS"):
        (command,) = template.functions[name]["ImageConfig"]["Command"]
        yield event["Queue"]["Fn::GetAtt"][0], command.rpartition(".")[0]


def test_every_subscriber_is_a_queue_that_exists(template: Template) -> None:
    known = queues(template)
    assert set(known.values()) <= set(template.of_type("AWS::SQS::Queue"))
    for event_type, names in subscribers(template).items():
        assert set(names) <= set(known), event_type
        assert len(names) == len(set(names)), event_type


def test_every_subscriber_knows_what_to_do_with_the_event(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/hearth.db")
    monkeypatch.setenv("SUBSCRIBERS", variables(template)["SUBSCRIBERS"])
    ids = queues(template)
    modules = dict(consumers(template))
    for event_type, names in subscribers(template).items():
        for name in names:
            handler = runpy.run_module(modules[ids[name]])["lambda_handler"]
            assert isinstance(handler, Consumer), name
            assert event_type in handler._work, f"{name} has no work for {event_type}"


def test_what_cannot_be_read_is_filed_under_the_queue_it_came_from(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/hearth.db")
    monkeypatch.setenv("SUBSCRIBERS", variables(template)["SUBSCRIBERS"])
    names = {logical_id: name for name, logical_id in queues(template).items()}
    for queue, module in consumers(template):
        handler = runpy.run_module(module)["lambda_handler"]
        assert handler._family == names[queue], module


def test_every_event_has_a_publisher_and_a_schema(template: Template) -> None:
    types = set(subscribers(template))
    assert {one for some in PUBLISHERS.values() for one in some} == types
    assert {name.rpartition(".v")[0] for name in event_schemas.MODELS} == types


def test_every_publisher_may_send_to_those_who_subscribe(template: Template) -> None:
    ids = queues(template)
    for name, types in PUBLISHERS.items():
        told = {queue for one in types for queue in subscribers(template)[one]}
        allowed = {
            policy["SQSSendMessagePolicy"]["QueueName"]["Fn::GetAtt"][0]
            for policy in template.functions[name]["Policies"]
            if "SQSSendMessagePolicy" in policy
        }
        assert {ids[queue] for queue in told} <= allowed, name


def test_whoever_consumes_may_send_to_its_own_queue(template: Template) -> None:
    """A job that is tried again is announced by who failed."""
    for name, event in template.events("SQS"):
        allowed = [
            policy["SQSSendMessagePolicy"]["QueueName"]["Fn::GetAtt"][0]
            for policy in template.functions[name].get("Policies", [])
            if "SQSSendMessagePolicy" in policy
        ]
        assert event["Queue"]["Fn::GetAtt"][0] in allowed, name
