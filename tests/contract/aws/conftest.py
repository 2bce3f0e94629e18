"""The same suite over the hand-written fakes, moto server and MiniStack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import pytest

from hearth.aws import client
from hearth.ledger.queues import Queues, SqsQueues
from hearth.settings import AwsSettings
from hearth.storage import ObjectStore, S3Store
from tests.support.fakes import MemoryQueues, MemoryStore

BACKENDS = ("fakes", "moto", "ministack")


@dataclass
class Aws:
    """S3 and SQS clients of one server, as the product makes them."""

    s3: Any
    sqs: Any


class Mailbox(Protocol):
    """A queue's other end."""

    def receive(self, count: int, wait_s: int = 5) -> list[dict[str, Any]]:
        """Take and delete `count` bodies, or as many as come within `wait_s`."""


class MemoryMailbox:
    def __init__(self, queues: MemoryQueues) -> None:
        self._queues = queues

    def receive(self, count: int, wait_s: int = 5) -> list[dict[str, Any]]:
        ready = [message.body for message in self._queues.take() if message.delay_s == 0]
        return ready[:count]


class SqsMailbox:
    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def receive(self, count: int, wait_s: int = 5) -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        while len(bodies) < count:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def aws(backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Aws:
    return connected(request.getfixturevalue(f"{backend}_endpoint"), monkeypatch)


def connected(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Clients that the product's own factory makes for `endpoint`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    where = AwsSettings(aws_endpoint_url=endpoint)
    return Aws(client("s3", where), client("sqs", where))


@pytest.fixture
def store(backend: str, request: pytest.FixtureRequest) -> ObjectStore:
    """An empty bucket."""
    if backend == "fakes":
        return MemoryStore()
    aws: Aws = request.getfixturevalue("aws")
    bucket = f"bucket-{uuid4().hex}"
    aws.s3.create_bucket(Bucket=bucket)
    return S3Store(aws.s3, bucket)


@pytest.fixture
def post(backend: str, request: pytest.FixtureRequest) -> tuple[Queues, Mailbox]:
    """An empty queue called "detection", and its other end."""
    if backend == "fakes":
        fake = MemoryQueues(names=frozenset({"detection"}))
        return fake, MemoryMailbox(fake)
    aws: Aws = request.getfixturevalue("aws")
    prefix = f"{uuid4().hex}-"
    url = aws.sqs.create_queue(QueueName=f"{prefix}detection")["QueueUrl"]
    return SqsQueues(aws.sqs, prefix), SqsMailbox(aws.sqs, url)
