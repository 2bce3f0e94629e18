"""The event that Lambda makes of SQS messages, and what a function's answer means for them.

Rules: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source" of the AWS
Lambda Developer Guide.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

EVENT_LIMIT = 6 * 1024 * 1024  # bytes, the largest payload of an invocation


def sqs_event(messages: Sequence[Mapping[str, Any]], queue_arn: str, region: str) -> dict[str, Any]:
    """The event for messages as ReceiveMessage returns them."""
    return {"Records": [_record(message, queue_arn, region) for message in messages]}


def _record(message: Mapping[str, Any], queue_arn: str, region: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": {
            name: _attribute(value)
            for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """Lambda always gives both lists, empty; a binary value stays in base64."""
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        attribute["binaryValue"] = value["BinaryValue"]
    attribute["dataType"] = value.get("DataType")
    return attribute


def chunks_that_fit(
    messages: Sequence[Mapping[str, Any]], limit: int = EVENT_LIMIT
) -> Iterator[list[Mapping[str, Any]]]:
    """Split a batch so that each event stays below `limit` bytes; order is kept."""
    chunk: list[Mapping[str, Any]] = []
    size = 0
    for message in messages:
        # 1 kB covers the fields around the body; a body may double when its quotes are escaped.
        needed = len(json.dumps(message)) + 1024
        if chunk and size + needed > limit:
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += needed
    if chunk:
        yield chunk


class MalformedAnswer(Exception):
    """A partial batch response that names no valid messages: the whole batch has failed."""


def failed_ids(answer: bytes, ids: Collection[str]) -> set[str]:
    """Message ids that a ReportBatchItemFailures answer declares failed.

    An empty or null answer, and an empty or null list, mean that all have succeeded.

    Raises:
        MalformedAnswer: It is no JSON object, or names a message that is not in the batch.
    """
    try:
        parsed = json.loads(answer) if answer.strip() else None
    except ValueError as error:
        raise MalformedAnswer("the answer is not JSON") from error
    if parsed is None:
        return set()
    if not isinstance(parsed, dict):
        raise MalformedAnswer(f"the answer is a {type(parsed).__name__}, not an object")
    failures = parsed.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        raise MalformedAnswer(f"batchItemFailures is a {type(failures).__name__}, not a list")
    failed = set()
    for item in failures:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or not identifier:
            raise MalformedAnswer("an itemIdentifier is missing, null or empty")
        if identifier not in ids:
            raise MalformedAnswer(f"itemIdentifier {identifier[:80]!r} is not in the batch")
        failed.add(identifier)
    return failed
