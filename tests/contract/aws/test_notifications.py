"""An upload is announced on the queue, by MiniStack as by AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest

from hearth.storage import S3Store
from tests.contract.aws.conftest import SqsMailbox, connected

if TYPE_CHECKING:
    from tests.contract.aws.conftest import Aws


@pytest.fixture
def announced(
    ministack_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[S3Store, SqsMailbox]:
    """A bucket whose uploads below `frames/` are announced on a queue."""
    aws: Aws = connected(ministack_endpoint, monkeypatch)
    bucket = f"bucket-{uuid4().hex}"
    url = aws.sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    aws.s3.create_bucket(Bucket=bucket)
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": arn["QueueArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "frames/"}]}},
                }
            ]
        },
    )
    return S3Store(aws.s3, bucket), SqsMailbox(aws.sqs, url)


def records(mailbox: SqsMailbox, count: int) -> list[dict[str, object]]:
    """S3's records, without the test message that S3 sends when a notification is configured."""
    found: list[dict[str, object]] = []
    while len(found) < count:
        bodies = mailbox.receive(1, wait_s=1 if found else 5)
        if not bodies:
            break
        found += [record for body in bodies for record in body.get("Records", [])]
    return found


@pytest.mark.parametrize(
    "key",
    [
        "frames/gate/20261102T073000.000000Z.jpg",
        "frames/front door/a+b & 100%.jpg",
        "frames/grüße/日本.jpg",
    ],
)
def test_the_notification_of_an_upload_has_a_url_encoded_key(
    announced: tuple[S3Store, SqsMailbox], key: str
) -> None:
    store, mailbox = announced

    store.put(key, b"12345", "image/jpeg")

    (record,) = records(mailbox, 1)
    s3 = record["s3"]
    assert isinstance(s3, dict)
    assert unquote_plus(s3["object"]["key"]) == key
    assert " " not in s3["object"]["key"]
    assert s3["bucket"]["name"] == store.bucket
    assert s3["object"]["size"] == 5
    assert str(record["eventName"]).startswith("ObjectCreated:")


def test_an_upload_outside_the_prefix_sends_no_notification(
    announced: tuple[S3Store, SqsMailbox],
) -> None:
    store, mailbox = announced

    store.put("evidence/a.jpg", b"", "image/jpeg")
    store.put("frames/gate/b.jpg", b"", "image/jpeg")

    keys = [r["s3"]["object"]["key"] for r in records(mailbox, 2)]  # type: ignore[index]
    assert keys == ["frames/gate/b.jpg"]
