"""Creates a template's queues, buckets and notifications, on any S3 and SQS.

Everything here may run twice: what exists is brought to the template's settings and kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import Bucket, Queue, Template
from hearth_runtime.template.reader import Identity

from .endpoint import AwsEndpoint

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.literals import BucketLocationConstraintType
    from types_boto3_sqs import SQSClient

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "max_attempts": 3},
    s3={"addressing_style": "path"},
)


def provision(template: Template, endpoint: AwsEndpoint) -> dict[str, Identity]:
    """Create what the template names; returns what Ref and GetAtt answer by logical id.

    Raises:
        SetupError: The endpoint does not answer or refuses.
    """
    session = boto3.Session(
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        aws_session_token=endpoint.session_token,
        region_name=endpoint.region,
    )
    try:
        sqs = session.client("sqs", endpoint_url=endpoint.url, config=_CONFIG)
        s3 = session.client("s3", endpoint_url=endpoint.url, config=_CONFIG)
        identities = {queue.logical_id: _create_queue(sqs, queue) for queue in template.queues}
        for queue in template.queues:
            _set_redrive(sqs, queue, identities)
        for bucket in template.buckets:
            _create_bucket(s3, bucket, endpoint.region)
            _set_notifications(s3, bucket, identities)
            identities[bucket.logical_id] = Identity(
                bucket.name, {"Arn": f"arn:aws:s3:::{bucket.name}"}
            )
    except (BotoCoreError, ClientError) as error:
        raise SetupError(
            f"Cannot create the queues and buckets at {endpoint.url}: {error}."
        ) from error
    return identities


def _create_queue(sqs: SQSClient, queue: Queue) -> Identity:
    try:
        url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        kind = {key: queue.attributes[key] for key in ("FifoQueue",) if key in queue.attributes}
        url = sqs.create_queue(QueueName=queue.name, Attributes=kind)["QueueUrl"]  # type: ignore[arg-type]
    # CreateQueue refuses an existing queue with other attributes, SetQueueAttributes changes them.
    settable = {key: value for key, value in queue.attributes.items() if key != "FifoQueue"}
    if settable:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=settable)  # type: ignore[arg-type]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return Identity(url, {"Arn": arn["QueueArn"], "QueueName": queue.name, "QueueUrl": url})


def _set_redrive(sqs: SQSClient, queue: Queue, identities: dict[str, Identity]) -> None:
    if queue.redrive is None:
        return
    policy = {
        "deadLetterTargetArn": identities[queue.redrive.queue_id].attributes["Arn"],
        "maxReceiveCount": queue.redrive.max_receive_count,
    }
    sqs.set_queue_attributes(
        QueueUrl=identities[queue.logical_id].ref,
        Attributes={"RedrivePolicy": json.dumps(policy)},
    )


def _create_bucket(s3: S3Client, bucket: Bucket, region: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return
    if region == "us-east-1":  # S3 rejects its default as a value
        s3.create_bucket(Bucket=bucket.name)
        return
    place: BucketLocationConstraintType = region  # type: ignore[assignment]
    s3.create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": place})


def _set_notifications(s3: S3Client, bucket: Bucket, identities: dict[str, Identity]) -> None:
    configurations: list[Any] = []
    for notification in bucket.notifications:
        rules = [
            {"Name": name, "Value": value}
            for name, value in (("prefix", notification.prefix), ("suffix", notification.suffix))
            if value
        ]
        configuration: dict[str, Any] = {
            "QueueArn": identities[notification.queue_id].attributes["Arn"],
            "Events": [notification.event],
        }
        if rules:
            configuration["Filter"] = {"Key": {"FilterRules": rules}}
        configurations.append(configuration)
    s3.put_bucket_notification_configuration(
        Bucket=bucket.name,
        NotificationConfiguration={"QueueConfigurations": configurations},
        SkipDestinationValidation=True,
    )
