"""Who subscribes to which event, as declared and in the code: one truth."""

from __future__ import annotations

import importlib
import pkgutil
import runpy
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Table

from hearth.declarations import FUNCTIONS, SUBSCRIBERS
from hearth.ledger.consumer import Consumer
from hearth.ledger.table import jobs_table
from hearth.resource.declaration import Resource
from scripts import declare, event_schemas

if TYPE_CHECKING:
    from tests.infra.conftest import Template

ROOT = declare.ROOT
CAPABILITIES = {one.name: one for one in declare.gather(ROOT).values()}
PUBLISHERS: Mapping[str, tuple[str, ...]] = {
    "DetectionFunction": (
        *("safety.violation.detected", "safety.violation.ended", "safety.violation.started"),
        *("safety.violation.updated", "safety.camera.back", "safety.camera.silent"),
    ),
    "DetectionApiFunction": ("safety.incident.reviewed",),
    "ReportsFunction": ("safety.report.ready",),
    # A person's task, and the corrective one of a report; reminders are the queue's.
    "TasksApiFunction": (
        *("task.created", "task.updated", "task.completed", "task.reopened", "task.deleted"),
        "task.imported",
    ),
    "TasksFunction": ("task.created", "task.updated", "task.completed", "task.due"),
}


def queues(template: Template) -> dict[str, str]:
    """Queue name, without the stack's → logical id; but for what is given up."""
    return {
        queue["Properties"]["QueueName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): logical_id
        for logical_id, queue in template.of_type("AWS::SQS::Queue").items()
        if "RedrivePolicy" in queue["Properties"]
    }


def consumers(template: Template) -> Iterator[tuple[str, str]]:
    """(logical id of a queue, module of the function that reads it)."""
    for name, event in template.events("SQS"):
        (command,) = template.functions[name]["ImageConfig"]["Command"]
        yield event["Queue"]["Fn::GetAtt"][0], command.rpartition(".")[0]


def test_every_queue_that_is_declared_exists(template: Template) -> None:
    known = queues(template)
    assert set(known.values()) <= set(template.of_type("AWS::SQS::Queue"))
    assert {one.queue for one in CAPABILITIES.values() if one.queue} == set(known)


def test_every_worker_does_exactly_what_its_capability_declares(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/hearth.db")
    for _, module in consumers(template):
        handler = runpy.run_module(module)["lambda_handler"]
        declared = CAPABILITIES[module.split(".")[1]]
        assert isinstance(handler, Consumer), module
        assert set(handler._work) == {*declared.jobs, *declared.subscribes}, module


def test_every_table_has_the_one_owner_who_declares_it() -> None:
    for name, capability in CAPABILITIES.items():
        for info in pkgutil.walk_packages([str(ROOT / "functions" / name)], f"functions.{name}."):
            if ".repository" in info.name or _declares_resources(info.name):
                importlib.import_module(info.name)
        own = {
            table
            for module_name, module in list(sys.modules.items())
            if module_name.startswith(f"functions.{name}.repository")
            for table in (one.name for one in vars(module).values() if isinstance(one, Table))
            if table != jobs_table.name  # the core's
        } | {
            one.table
            for module_name, module in list(sys.modules.items())
            if module_name.startswith(f"functions.{name}.")
            for one in vars(module).values()
            if isinstance(one, Resource)
        }
        assert own == set(capability.tables), name


def _declares_resources(module: str) -> bool:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return path.is_file() and "hearth.resource.declaration import" in path.read_text("utf-8")


def test_what_cannot_be_read_is_filed_under_the_queue_it_came_from(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/hearth.db")
    names = {logical_id: name for name, logical_id in queues(template).items()}
    for queue, module in consumers(template):
        handler = runpy.run_module(module)["lambda_handler"]
        assert handler._family == names[queue], module


def test_every_event_has_a_publisher_and_a_schema() -> None:
    types = set(SUBSCRIBERS)
    assert {one for some in PUBLISHERS.values() for one in some} == types
    assert {name.rpartition(".v")[0] for name in event_schemas.MODELS} == types


def test_whoever_publishes_or_consumes_may_send_to_every_queue(template: Template) -> None:
    """A job that is tried again is announced by who failed."""
    (allowed, *_) = template.body["Resources"]["Access"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert allowed["Action"] == ["sqs:GetQueueUrl", "sqs:SendMessage"]
    assert allowed["Resource"]["Fn::Sub"].endswith(":${AWS::AccountId}:${AWS::StackName}-*")
    senders = {*PUBLISHERS, *(name for name, _ in template.events("SQS")), "SweepFunction"}
    for name in senders:
        assert {"Ref": "Access"} in template.functions[name]["Policies"], name


def test_the_functions_of_the_template_are_those_declared(template: Template) -> None:
    found = {
        function["FunctionName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): function[
            "ImageConfig"
        ]["Command"][0].split(".")[1]
        for function in template.functions.values()
    }
    assert found == {name: one.name for one in CAPABILITIES.values() for name in one.functions}
    assert tuple(sorted(found)) == FUNCTIONS
