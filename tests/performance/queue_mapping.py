"""How fast a message goes from sent to deleted, against a bare boto3 loop in the same run.

    python -m tests.performance.queue_mapping [--messages 500] [--single 100]

The peer sends, receives (long poll) and deletes with boto3 against the same MiniStack, with no
function between. Prints milliseconds and ratios; the runtime's own work is what is left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from hearth_runtime.stack_state import StackState
from tests.support.stack_process import small_stack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--single", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as data, small_stack(Path(data)) as state:
        sqs = boto3.client(
            "sqs",
            endpoint_url=state.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        own = sqs.create_queue(QueueName="peer")["QueueUrl"]
        through_stack(sqs, state, 5)  # the first starts the function
        single = through_stack(sqs, state, given.single)
        peer = through_boto3(sqs, own, given.single)
        batch_s = backlog_through_stack(sqs, state, given.messages)
        peer_s = backlog_through_boto3(sqs, own, given.messages)
    result = {
        "single_p50_ms": round(statistics.median(single), 2),
        "single_p95_ms": round(sorted(single)[int(len(single) * 0.95)], 2),
        "boto3_single_p50_ms": round(statistics.median(peer), 2),
        "single_ratio": round(statistics.median(single) / statistics.median(peer), 2),
        f"{given.messages}_messages_s": round(batch_s, 3),
        f"boto3_{given.messages}_messages_s": round(peer_s, 3),
        "backlog_ratio": round(batch_s / peer_s, 2),
    }
    print(json.dumps(result, indent=2))


def deleted(state: StackState) -> int:
    with urllib.request.urlopen(f"{state.control_url}/status", timeout=5) as response:
        return int(json.load(response)["mappings"][0]["deleted"])


def wait_for(state: StackState, count: int, pause_s: float) -> None:
    while deleted(state) < count:
        time.sleep(pause_s)


def through_stack(sqs: Any, state: StackState, count: int) -> list[float]:
    """Milliseconds from just before SendMessage until the runtime has deleted the message."""
    times = []
    for _ in range(count):
        before = deleted(state)
        began = time.perf_counter()
        sqs.send_message(QueueUrl=state.queues["Inbox"], MessageBody="ok")
        wait_for(state, before + 1, 0.0005)
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.02)  # the poller waits in its long poll again, as it does in life
    return times


def through_boto3(sqs: Any, queue: str, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        sqs.send_message(QueueUrl=queue, MessageBody="ok")
        message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        times.append((time.perf_counter() - began) * 1000)
    return times


def send(sqs: Any, queue: str, count: int) -> None:
    for start in range(0, count, 10):
        entries = [
            {"Id": str(index), "MessageBody": "ok"} for index in range(min(10, count - start))
        ]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def backlog_through_stack(sqs: Any, state: StackState, count: int) -> float:
    """Seconds from before the first of `count` is sent until all are deleted."""
    before = deleted(state)
    began = time.perf_counter()
    send(sqs, state.queues["Inbox"], count)
    wait_for(state, before + count, 0.005)
    return time.perf_counter() - began


def backlog_through_boto3(sqs: Any, queue: str, count: int) -> float:
    began = time.perf_counter()
    send(sqs, queue, count)
    left = count
    while left:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)[
            "Messages"
        ]
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        left -= len(messages)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
