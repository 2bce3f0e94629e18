"""What the runtime tells CloudWatch is what the product reads there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hearth.aws import client
from hearth.cloudwatch import CloudWatch, FunctionFigures
from hearth.errors import Unavailable
from hearth.ledger.queues import QueueDepth, SqsQueues
from hearth.settings import AwsSettings
from hearth_runtime.aws.cloudwatch import MAX_VALUES, Activity, MetricsPublisher
from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.observe.logs import LogStream
from tests.support.stack_process import small_stack


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_endpoint")
    return url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStream]:
    stream = LogStream(tmp_path / "runtime.log", console=None)
    yield stream
    stream.close()


def window() -> tuple[datetime, datetime]:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return hour - timedelta(hours=1), hour + timedelta(hours=1)


def figures(url: str, *names: str) -> dict[str, FunctionFigures]:
    return CloudWatch(client("cloudwatch", AwsSettings(aws_endpoint_url=url))).functions(
        names, *window()
    )


def test_an_unused_function_has_no_metrics(endpoint: str) -> None:
    assert figures(endpoint, "h-idle") == {"h-idle": FunctionFigures()}
    assert figures(endpoint) == {}


def test_metrics_of_functions_are_read_as_they_were_sent(
    ministack_endpoint: str, logs: LogStream
) -> None:
    first, second = Activity(), Activity()
    publisher = MetricsPublisher(
        {"h-a": first, "h-b": second}, AwsEndpoint.local(ministack_endpoint), logs
    )
    for number in range(1, 101):
        first.ended(number / 1000, failed=number > 98)
    publisher.publish()
    for _ in range(3):
        second.throttled()
    publisher.publish()
    publisher.publish()
    found = figures(ministack_endpoint, "h-a", "h-b")
    assert found["h-b"] == FunctionFigures(throttles=3)
    told = found["h-a"]
    assert (told.invocations, told.errors, told.throttles) == (100, 2, 0)
    assert told.p50_ms == pytest.approx(50, abs=2)
    assert told.p95_ms == pytest.approx(95, abs=2)


def test_metrics_of_many_functions_come_in_one_response(
    ministack_endpoint: str, logs: LogStream
) -> None:
    activities = {f"many-{number}": Activity() for number in range(110)}
    for activity in activities.values():
        activity.ended(0.01, failed=False)
    MetricsPublisher(activities, AwsEndpoint.local(ministack_endpoint), logs).publish()
    found = figures(ministack_endpoint, *activities)
    assert {one.invocations for one in found.values()} == {1}


def test_more_durations_than_cloudwatch_takes_are_told_less_exactly(
    ministack_endpoint: str, logs: LogStream
) -> None:
    activity = Activity()
    for number in range(1, 60_000, 7):
        activity.ended(number / 10_000, failed=False)
    counts, durations = activity.take()
    assert len(durations) > MAX_VALUES
    for value, number in durations.items():
        for _ in range(number):
            activity.ended(value / 1000, failed=False)
    MetricsPublisher({"h-wide": activity}, AwsEndpoint.local(ministack_endpoint), logs).publish()
    told = figures(ministack_endpoint, "h-wide")["h-wide"]
    assert told.invocations == counts["Invocations"]
    assert told.p50_ms == pytest.approx(3000, rel=0.2)


def test_an_endpoint_that_does_not_answer_is_logged_once(logs: LogStream, tmp_path: Path) -> None:
    activity = Activity()
    publisher = MetricsPublisher({"h-a": activity}, AwsEndpoint.local("http://127.0.0.1:9"), logs)
    for _ in range(2):
        activity.ended(0.1, failed=False)
        publisher.publish()
    assert (tmp_path / "runtime.log").read_text().count("metrics are not published") == 1
    with pytest.raises(Unavailable, match="CloudWatch does not answer"):
        figures("http://127.0.0.1:9", "h-a")


def test_queues_report_their_depth(endpoint: str) -> None:
    sqs = client("sqs", AwsSettings(aws_endpoint_url=endpoint))
    url = sqs.create_queue(QueueName="depths-tasks")["QueueUrl"]
    queues = SqsQueues(sqs, "depths-", ("gone", "tasks"))
    assert queues.depths() == {"tasks": QueueDepth(0, 0), "gone": None}
    queues.send("tasks", [{"n": 1}, {"n": 2}, {"n": 3}])
    sqs.receive_message(QueueUrl=url)
    assert queues.depths()["tasks"] == QueueDepth(2, 1)


def test_the_emulator_of_a_stack_forgets_metrics_after_hours(tmp_path: Path) -> None:
    with small_stack(tmp_path) as state:
        metrics = client("cloudwatch", AwsSettings(aws_endpoint_url=state.endpoint_url))

        def tell(name: str, age: timedelta) -> None:
            datum: Any = {"MetricName": name, "Value": 1.0, "Timestamp": datetime.now(UTC) - age}
            metrics.put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])

        tell("old", timedelta(hours=4))
        tell("new", timedelta(hours=2))
        kept = {metric["MetricName"] for metric in metrics.list_metrics()["Metrics"]}
    assert kept == {"new"}
