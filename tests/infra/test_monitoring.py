"""The nested stacks: what their alarms compute, and that the dashboard shows what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from cfnlint.decode import cfn_yaml

from functions.detection.schemas import DropReason
from functions.detection.wiring import report_metrics

if TYPE_CHECKING:
    from tests.infra.conftest import Template

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "layers" / "monitoring"
_SEARCH = re.compile(
    r"SEARCH\('\{([^,]+),(\w+)\} MetricName=\"(\w+)\" \w+=\$\{Name\}', '(\w+)', 60\)"
)


def nested(name: str) -> dict[str, Any]:
    body: dict[str, Any] = cfn_yaml.load(str(FOLDER / name))
    return body


def alarms(name: str) -> dict[str, dict[str, Any]]:
    return {
        logical_id: resource["Properties"]
        for logical_id, resource in nested(name)["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def expression(alarm: dict[str, Any], **metrics: float) -> float:
    """What an alarm's metric math gives for one minute; CloudWatch's IF and AND as Python's."""
    (text,) = [metric["Expression"] for metric in alarm["Metrics"] if "Expression" in metric]
    assert {metric["Id"] for metric in alarm["Metrics"] if "MetricStat" in metric} == set(metrics)
    found = re.fullmatch(r"IF\((.+?), (.+), 0\)", text)
    assert found is not None, text
    condition, value = (part.replace("AND", "and") for part in found.groups())
    return float(eval(value, {}, metrics)) if eval(condition, {}, metrics) else 0.0  # noqa: S307


@pytest.mark.parametrize(
    ("errors", "count", "breach"),
    [(0, 0, False), (0, 9, False), (1, 100, False), (2, 100, True), (1, 1, True)],
)
def test_more_than_one_percent_of_errors_is_too_much(errors: int, count: int, breach: bool) -> None:
    for name in ("NewVersionFails", "Fails"):
        alarm = alarms("function.yaml")[name]
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert (expression(alarm, errors=errors, count=count) > 1) is breach, name


@pytest.mark.parametrize(
    ("new", "old", "percent"),
    [
        ((0, 0), (0, 0), 0),  # nobody asked
        ((900, 9), (0, 0), 0),  # nothing to compare with: the deployment is over
        ((400, 4), (5000, 50), 0),  # too few to say
        ((1000, 10), (9000, 90), 0),
        ((1200, 10), (9000, 90), 20),
        ((2000, 10), (9000, 90), 100),
        ((500, 10), (9000, 90), -50),
    ],
)
def test_a_new_version_is_compared_with_the_one_before_in_the_same_minute(
    new: tuple[int, int], old: tuple[int, int], percent: float
) -> None:
    """(milliseconds, invocations) of the version; the alias serves both."""
    slower = expression(
        alarms("function.yaml")["NewVersionIsSlow"],
        newms=new[0],
        newcount=new[1],
        allms=new[0] + old[0],
        allcount=new[1] + old[1],
    )
    assert slower == pytest.approx(percent)


def test_the_thresholds_of_a_rollback_are_one_and_twenty_percent() -> None:
    parameters = nested("function.yaml")["Parameters"]
    assert (parameters["ErrorPercent"]["Default"], parameters["SlowerPercent"]["Default"]) == (
        1,
        20,
    )
    rollback = alarms("function.yaml")
    assert rollback["NewVersionFails"]["Threshold"] == {"Ref": "ErrorPercent"}
    assert rollback["NewVersionIsSlow"]["Threshold"] == {"Ref": "SlowerPercent"}


def test_the_alarms_and_the_dashboard_of_frames_ask_for_what_detection_tells(
    template: Template, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = template.functions["DetectionFunction"]["Environment"]["Variables"]
    shared = template.body["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == {"Ref": "AWS::StackName"}
    given = template.body["Resources"]["Monitoring"]["Properties"]["Parameters"]
    assert given["Name"] == {"Ref": "AWS::StackName"}
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "hearth")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", variables["POWERTOOLS_SERVICE_NAME"])
    report_metrics(1, 1, 1.0, dict.fromkeys(get_args(DropReason), 1))
    told = {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in names))
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        for directive in line["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
    dropped = {one for one in told if one[1] == "FramesDropped"}
    watched = {
        (
            "hearth",
            alarm["MetricName"],
            frozenset((one["Name"], one["Value"]) for one in alarm["Dimensions"]),
        )
        for alarm in alarms("template.yaml").values()
        if alarm["Namespace"] == {"Ref": "Name"}
    }
    assert watched == dropped
    resource = nested("template.yaml")["Resources"]["Dashboard"]["Properties"]
    shown = {
        (
            parts[0].replace("${Name}", "hearth"),
            parts[1],
            frozenset(zip(*[iter(parts[2:])] * 2, strict=True)),
        )
        for widget in json.loads(resource["DashboardBody"]["Fn::Sub"])["widgets"]
        for *parts, _ in widget["properties"]["metrics"]
        if parts[:1] == ["${Name}"]
    }
    assert dropped < shown <= told


def test_every_alarm_says_what_is_wrong_and_tells_the_topic() -> None:
    for name in ("function.yaml", "template.yaml"):
        for logical_id, alarm in alarms(name).items():
            described = alarm["AlarmDescription"]
            text = described["Fn::Sub"] if isinstance(described, dict) else described
            assert text.endswith("."), logical_id
            assert alarm["AlarmActions"]["Fn::If"][0] == "HasTopic", logical_id


def test_nested_stacks_hold_nothing_that_a_stack_at_home_would_miss() -> None:
    for path in FOLDER.glob("*.yaml"):
        kinds = {resource["Type"] for resource in nested(path.name)["Resources"].values()}
        assert kinds <= {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}, path.name


def test_every_queue_has_an_alarm_beside_the_function_that_reads_it(template: Template) -> None:
    stacks = template.of_type("AWS::CloudFormation::Stack")
    watched = {
        queue["Fn::GetAtt"][0]: stack["Properties"]["Parameters"]["FunctionName"]["Ref"]
        for stack in stacks.values()
        if (queue := stack["Properties"]["Parameters"].get("Queue"))
    }
    readers = {event["Queue"]["Fn::GetAtt"][0]: name for name, event in template.events("SQS")}
    assert watched == readers
    dead_letters = {
        queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for queue in template.of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue["Properties"]
    }
    assert {*watched, *dead_letters} == set(template.of_type("AWS::SQS::Queue"))
    late = alarms("function.yaml")["IsLate"]
    assert late["Dimensions"] == [{"Name": "QueueName", "Value": {"Ref": "Queue"}}]
    gave_up = alarms("template.yaml")["GaveUp"]["Dimensions"][0]["Value"]["Fn::Sub"]
    assert {gave_up.replace("${Name}", "${AWS::StackName}")} == {
        template.body["Resources"][name]["Properties"]["QueueName"]["Fn::Sub"]
        for name in dead_letters
    }


def test_the_stacks_are_given_the_parameters_they_declare(template: Template) -> None:
    for name, stack in template.of_type("AWS::CloudFormation::Stack").items():
        declared = nested(Path(stack["Properties"]["TemplateURL"]).name)["Parameters"]
        given = set(stack["Properties"]["Parameters"])
        needed = {key for key, value in declared.items() if "Default" not in value}
        assert needed <= given <= set(declared), name


def test_the_dashboard_is_json_and_finds_functions_and_queues_by_the_stacks_name(
    template: Template,
) -> None:
    resource = nested("template.yaml")["Resources"]["Dashboard"]["Properties"]
    widgets = json.loads(resource["DashboardBody"]["Fn::Sub"])["widgets"]
    searched = {
        match.groups()
        for widget in widgets
        for (*_, last) in widget["properties"]["metrics"]
        if isinstance(last, dict) and "expression" in last
        for match in [_SEARCH.fullmatch(last["expression"])]
        if match is not None
    }
    assert searched == {
        ("AWS/Lambda", "FunctionName", "ConcurrentExecutions", "Maximum"),
        ("AWS/Lambda", "FunctionName", "Duration", "p95"),
        ("AWS/Lambda", "FunctionName", "Errors", "Sum"),
        ("AWS/Lambda", "FunctionName", "Invocations", "Sum"),
        ("AWS/Lambda", "FunctionName", "Throttles", "Sum"),
        ("AWS/SQS", "QueueName", "ApproximateAgeOfOldestMessage", "Maximum"),
        ("AWS/SQS", "QueueName", "ApproximateNumberOfMessagesVisible", "Maximum"),
    }
    for function in template.functions.values():
        assert function["FunctionName"]["Fn::Sub"].startswith("${AWS::StackName}-")
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(set(places)) == len(places)


def test_monitoring_names_no_capability_but_the_one_that_counts_frames_and_the_sweep() -> None:
    named = {
        name
        for path in FOLDER.glob("*.yaml")
        for name in (one.name for one in (ROOT / "functions").iterdir() if one.is_dir())
        if re.search(rf"[{{-]{name}\b|: {name}\b|\b{name}-api\b", path.read_text("utf-8"))
    }
    assert named <= {"detection", "sweep"}
