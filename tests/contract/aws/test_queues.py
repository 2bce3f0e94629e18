"""What the product relies on in a queue, on every one it is tested or run with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hearth.errors import InvalidInput, Unavailable
from hearth.ledger.queues import MAX_BODY_BYTES, Queues, SqsQueues

if TYPE_CHECKING:
    from tests.contract.aws.conftest import Aws, Mailbox

Post = tuple[Queues, "Mailbox"]


def numbers(bodies: list[dict[str, Any]]) -> list[int]:
    return sorted(body["n"] for body in bodies)


def test_an_empty_batch_sends_no_message(post: Post) -> None:
    queues, mailbox = post

    queues.send("detection", [])

    assert mailbox.receive(1, wait_s=0) == []


def test_a_body_arrives_as_it_was_sent(post: Post) -> None:
    queues, mailbox = post
    body = {"job_id": "01K", "text": 'grüße "日本" \n <&> \u2028', "n": [1, 2.5, None, True, {}]}

    queues.send("detection", [body])

    assert mailbox.receive(1) == [body]


@pytest.mark.parametrize("count", [1, 10, 11, 25])
def test_more_bodies_than_a_batch_holds_all_arrive(post: Post, count: int) -> None:
    queues, mailbox = post

    queues.send("detection", [{"n": n} for n in range(count)])

    assert numbers(mailbox.receive(count)) == list(range(count))


def test_large_bodies_are_split_by_size_as_well(post: Post) -> None:
    queues, mailbox = post
    text = "x" * 60_000  # ten of them are over what one batch may hold

    queues.send("detection", [{"n": n, "text": text} for n in range(10)])

    assert numbers(mailbox.receive(10)) == list(range(10))


def test_a_body_over_64_kb_is_rejected_and_its_batch_not_sent(post: Post) -> None:
    queues, mailbox = post

    with pytest.raises(InvalidInput, match=r"over 65536; put the data in S3"):
        queues.send("detection", [{"n": 1}, {"text": "x" * MAX_BODY_BYTES}])

    assert mailbox.receive(1, wait_s=0) == []


def test_a_body_that_is_not_json_is_rejected(post: Post) -> None:
    with pytest.raises(InvalidInput, match="must be JSON"):
        post[0].send("detection", [{"n": float("nan")}])


def test_a_delayed_message_is_not_received_at_once(post: Post) -> None:
    queues, mailbox = post

    queues.send("detection", [{"n": 1}], delay_s=900)

    assert mailbox.receive(1, wait_s=0) == []


@pytest.mark.parametrize("delay_s", [-1, 901])
def test_a_delay_longer_than_sqs_allows_is_rejected(post: Post, delay_s: int) -> None:
    with pytest.raises(InvalidInput, match=f"{delay_s} s is outside"):
        post[0].send("detection", [{"n": 1}], delay_s=delay_s)


def test_an_unknown_queue_is_rejected_with_the_names_that_exist(post: Post) -> None:
    with pytest.raises(InvalidInput, match=r"'nowhere' does not exist; there are: .*detection"):
        post[0].send("nowhere", [{"n": 1}])


@pytest.mark.parametrize("backend", ["moto", "ministack"], indirect=True)
def test_a_missing_queue_is_a_retryable_error(aws: Aws) -> None:
    queues = SqsQueues(aws.sqs, "once-")

    with pytest.raises(Unavailable, match="'once-detection' cannot be looked up"):
        queues.send("detection", [{"n": 1}])
    aws.sqs.create_queue(QueueName="once-detection")
    queues.send("detection", [{"n": 1}])
