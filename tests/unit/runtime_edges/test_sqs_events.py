"""The event for SQS messages, and the rules of partial batch answers."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.sources.sqs_events import (
    MalformedAnswer,
    chunks_that_fit,
    failed_ids,
    sqs_event,
)

IDS = ("one", "two", "three")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", set()),
        ("null", set()),
        ("{}", set()),
        ('{"other": 1}', set()),
        ('{"batchItemFailures": null}', set()),
        ('{"batchItemFailures": []}', set()),
        ('{"batchItemFailures": [{"itemIdentifier": "two"}]}', {"two"}),
        ('{"batchItemFailures": [{"itemIdentifier": "two"}, {"itemIdentifier": "two"}]}', {"two"}),
        (
            '{"batchItemFailures": [{"itemIdentifier": "one"}, {"itemIdentifier": "three"}]}',
            {"one", "three"},
        ),
    ],
)
def test_only_the_named_messages_have_failed(answer: str, expected: set[str]) -> None:
    assert failed_ids(answer.encode(), IDS) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "{",
        "\u00ff",
        '"ok"',
        "[]",
        "true",
        "0",
        '{"batchItemFailures": {}}',
        '{"batchItemFailures": "one"}',
        '{"batchItemFailures": ["one"]}',
        '{"batchItemFailures": [null]}',
        '{"batchItemFailures": [{}]}',
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": null}]}',
        '{"batchItemFailures": [{"itemIdentifier": 1}]}',
        '{"batchItemFailures": [{"itemId": "one"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "four"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "one"}, {"itemIdentifier": ""}]}',
    ],
)
def test_a_malformed_answer_fails_the_whole_batch(answer: str) -> None:
    with pytest.raises(MalformedAnswer):
        failed_ids(answer.encode(), IDS)


@given(st.binary(max_size=60))
def test_any_bytes_are_understood_or_malformed(answer: bytes) -> None:
    with contextlib.suppress(MalformedAnswer):
        assert failed_ids(answer, IDS) <= set(IDS)


def message(**more: Any) -> dict[str, Any]:
    return {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "5"} | more


def test_no_messages_make_an_event_without_records() -> None:
    assert sqs_event([], "arn", "eu-west-1") == {"Records": []}


def test_a_message_becomes_the_record_that_lambda_makes() -> None:
    given_message = message(
        Attributes={"ApproximateReceiveCount": "1"},
        MessageAttributes={
            "Confidence": {"DataType": "Number", "StringValue": "0.5"},
            "Blob": {"DataType": "Binary", "BinaryValue": "AAE="},
        },
        MD5OfMessageAttributes="6",
    )
    assert sqs_event([given_message], "arn:q", "eu-west-1")["Records"] == [
        {
            "messageId": "m",
            "receiptHandle": "r",
            "body": "b",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {
                "Confidence": {
                    "stringValue": "0.5",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Number",
                },
                "Blob": {
                    "binaryValue": "AAE=",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Binary",
                },
            },
            "md5OfBody": "5",
            "md5OfMessageAttributes": "6",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:q",
            "awsRegion": "eu-west-1",
        }
    ]


@given(st.lists(st.text(max_size=3000), max_size=20))
def test_batches_are_split_so_that_each_event_fits(bodies: list[str]) -> None:
    messages = [message(Body=body, MessageId=str(index)) for index, body in enumerate(bodies)]
    limit = 24_000
    chunks = list(chunks_that_fit(messages, limit))
    assert [item for chunk in chunks for item in chunk] == messages
    for chunk in chunks:
        size = len(json.dumps(sqs_event(chunk, "arn:aws:sqs:eu-west-1:000000000000:q", "r")))
        assert size <= limit or len(chunk) == 1
