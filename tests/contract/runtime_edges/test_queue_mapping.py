"""Messages through a real queue to a real function."""

from __future__ import annotations

import uuid

from tests.contract.runtime_edges.conftest import Stack, until


def test_a_message_is_worked_on_once_and_deleted(stack: Stack) -> None:
    text = f"ok {uuid.uuid4()}"
    before = stack.status()["mappings"][0]["deleted"]
    stack.client("sqs").send_message(
        QueueUrl=stack.state.queues["Inbox"],
        MessageBody=text,
        MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}},
    )
    until(lambda: stack.status()["mappings"][0]["deleted"] > before)
    (record,) = stack.seen(text)
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":hearth-Inbox")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["n"]["stringValue"] == "1"


def test_an_object_is_announced_by_prefix_and_suffix(stack: Stack) -> None:
    s3, name = stack.client("s3"), str(uuid.uuid4())
    s3.put_object(Bucket=stack.state.bucket, Key=f"out/{name}.txt", Body=b"")
    s3.put_object(Bucket=stack.state.bucket, Key=f"in/{name}.jpg", Body=b"")
    s3.put_object(Bucket=stack.state.bucket, Key=f"in/{name}.txt", Body=b"")
    until(lambda: stack.seen(name))
    (record,) = stack.seen(name)
    assert f"in/{name}.txt" in record["body"]


def test_only_the_failed_message_comes_back_until_it_is_redriven(stack: Stack) -> None:
    sqs = stack.client("sqs")
    sqs.send_message_batch(
        QueueUrl=stack.state.queues["Inbox"],
        Entries=[{"Id": "0", "MessageBody": "fail"}, {"Id": "1", "MessageBody": "ok beside"}],
    )
    dead = stack.state.queues["DeadLetters"]
    got = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20).get("Messages", [])
    assert [message["Body"] for message in got] == ["fail"]
    counts = [r["attributes"]["ApproximateReceiveCount"] for r in stack.seen("fail")]
    assert counts == ["1", "2", "3"]
    assert len(stack.seen("ok beside")) == 1


def test_two_batches_run_at_the_same_time_and_a_backlog_is_worked_off(stack: Stack) -> None:
    sqs, name = stack.client("sqs"), str(uuid.uuid4())
    before = stack.status()["mappings"][0]["deleted"]
    for _ in range(10):
        entries = [{"Id": str(i), "MessageBody": f"ok {name}"} for i in range(10)]
        sqs.send_message_batch(QueueUrl=stack.state.queues["Inbox"], Entries=entries)
    until(lambda: stack.status()["mappings"][0]["deleted"] >= before + 100)
    assert len(stack.seen(name)) == 100
