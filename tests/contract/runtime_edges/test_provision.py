"""Queues, buckets and notifications on moto server and on MiniStack: the same, and twice."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.aws.provision import provision
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import Template
from hearth_runtime.template.reader import Place, TemplateSource
from tests.support.stack_process import SMALL


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request: pytest.FixtureRequest) -> AwsEndpoint:
    return AwsEndpoint.local(request.getfixturevalue(f"{request.param}_endpoint"), {})


def template(stack: str = "home") -> Template:
    return TemplateSource.read(SMALL).resolve({"DatabaseUrl": "sqlite://"}, Place(stack))


def client(endpoint: AwsEndpoint, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_what_the_template_names_exists_afterwards(endpoint: AwsEndpoint) -> None:
    known = provision(template(), endpoint)
    sqs, s3 = client(endpoint, "sqs"), client(endpoint, "s3")
    attributes = sqs.get_queue_attributes(QueueUrl=known["Inbox"].ref, AttributeNames=["All"])[
        "Attributes"
    ]
    assert attributes["QueueArn"] == known["Inbox"].attributes["Arn"]
    assert attributes["VisibilityTimeout"] == "2"
    assert known["DeadLetters"].attributes["Arn"] in attributes["RedrivePolicy"]
    (notification,) = s3.get_bucket_notification_configuration(Bucket=known["Bucket"].ref)[
        "QueueConfigurations"
    ]
    assert notification["QueueArn"] == known["Inbox"].attributes["Arn"]
    assert notification["Events"] == ["s3:ObjectCreated:*"]


def test_a_second_time_changes_nothing_and_keeps_what_is_stored(endpoint: AwsEndpoint) -> None:
    plan = template("twice")
    first = provision(plan, endpoint)
    client(endpoint, "sqs").send_message(QueueUrl=first["DeadLetters"].ref, MessageBody="kept")
    client(endpoint, "s3").put_object(Bucket=first["Bucket"].ref, Key="kept", Body=b"1")
    assert provision(plan, endpoint) == first
    got = client(endpoint, "sqs").receive_message(QueueUrl=first["DeadLetters"].ref)["Messages"]
    assert [message["Body"] for message in got] == ["kept"]
    client(endpoint, "s3").head_object(Bucket=first["Bucket"].ref, Key="kept")


def test_a_queue_with_other_settings_is_brought_to_the_templates(endpoint: AwsEndpoint) -> None:
    sqs = client(endpoint, "sqs")
    url = sqs.create_queue(QueueName="other-Inbox", Attributes={"VisibilityTimeout": "99"})
    known = provision(template("other"), endpoint)
    assert known["Inbox"].ref == url["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url["QueueUrl"], AttributeNames=["All"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "2"


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    with pytest.raises(SetupError, match=r"http://127\.0\.0\.1:1"):
        provision(template(), AwsEndpoint.local("http://127.0.0.1:1", {}))
