"""Attempts, retries and how they are shown, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.notifications.delivery import MAX_ATTEMPTS
from functions.notifications.messages import SEND_ATTEMPTS
from functions.notifications.senders import ChannelRefused, SlowDown
from hearth.errors import Unavailable
from hearth.ledger.ledger import JobState
from tests.contract.notifications.conftest import Harness

TWO = "http://localhost/a?name=a http://localhost/b?name=b"


def away() -> Unavailable:
    return Unavailable("a does not answer")


def outcomes(harness: Harness, index: int = 0) -> list[str]:
    [notification] = harness.notifications()
    return [one.outcome for one in notification.deliveries[index].attempts]


def test_a_failing_channel_is_retried_alone(harness: Harness) -> None:
    harness.addresses = TWO
    harness.recorder.errors["a"] = [away(), away()]
    harness.publish(harness.violation())
    assert harness.states() == ["queued", "sent"]
    harness.pass_time(3)
    harness.pass_time(5)
    assert harness.states() == ["sent", "sent"]
    assert [name for name, _ in harness.recorder.sent] == ["b", "a"]
    assert (outcomes(harness, 0), outcomes(harness, 1)) == (
        ["deferred", "deferred", "sent"],
        ["sent"],
    )
    assert harness.unfinished() == []


def test_every_attempt_of_a_message_has_the_same_id_and_text(harness: Harness) -> None:
    harness.publish(harness.violation())
    [(_, first)] = harness.recorder.sent
    [delivery] = harness.notifications()[0].deliveries
    assert delivery.message_id == first.id
    # The worker died after it had sent, before it could say so.
    harness.db.write(
        lambda tx: tx.exec_driver_sql("UPDATE notification_messages SET state = 'queued'")
    )
    [job] = harness.jobs("notifications.send")
    harness.db.write(lambda tx: tx.exec_driver_sql("UPDATE jobs SET state = 'failed'"))
    harness.ledger.retry(job.id)
    harness.clock.advance(60)
    harness.run()
    assert [message for _, message in harness.recorder.sent] == [first, first]
    assert outcomes(harness) == ["sent", "sent"]


def test_a_message_that_was_sent_is_not_sent_again_though_its_job_was_not_done(
    harness: Harness,
) -> None:
    harness.publish(harness.violation())
    [job] = harness.jobs("notifications.send")
    harness.db.write(
        lambda tx: tx.exec_driver_sql("UPDATE jobs SET state = 'failed' WHERE finished_at <> ''")
    )
    harness.ledger.retry(job.id)
    harness.run()
    assert len(harness.recorder.sent) == 1
    assert harness.ledger.get(job.id).state is JobState.DONE


def test_a_refusal_is_visible_at_once_and_a_person_can_retry_it(harness: Harness) -> None:
    harness.addresses = TWO
    harness.recorder.errors["a"] = [ChannelRefused("localhost answered 404")]
    harness.publish(harness.violation())
    assert harness.states() == ["failed", "sent"]
    [job] = [job for job in harness.jobs("notifications.send") if job.state is JobState.FAILED]
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("CHANNEL_REFUSED", "localhost answered 404")
    assert harness.notifications()[0].deliveries[0].error == "localhost answered 404"
    harness.ledger.retry(job.id)
    harness.run()
    assert harness.states() == ["sent", "sent"]
    assert outcomes(harness) == ["refused", "sent"]
    assert harness.notifications()[0].deliveries[0].error is None


def test_an_unavailable_channel_fails_after_the_last_attempt(harness: Harness) -> None:
    harness.recorder.errors["a"] = [away() for _ in range(SEND_ATTEMPTS)]
    harness.publish(harness.violation())
    for _ in range(SEND_ATTEMPTS - 2):
        harness.pass_time(301)
        assert harness.states() == ["queued"]
    harness.pass_time(301)
    assert harness.states() == ["failed"]
    assert len(outcomes(harness)) == SEND_ATTEMPTS


def test_a_channel_that_asks_for_a_pause_gets_it_and_loses_no_attempt(harness: Harness) -> None:
    harness.recorder.errors["a"] = [SlowDown("429", timedelta(seconds=1800))]
    harness.publish(harness.violation())
    [job] = harness.jobs("notifications.send")
    assert (job.attempts, job.available_at - harness.clock()) == (0, timedelta(seconds=1800))
    harness.pass_time(1790)
    assert harness.recorder.sent == []
    harness.pass_time(20)
    assert harness.states() == ["sent"]
    assert outcomes(harness) == ["deferred", "sent"]


def test_a_channel_that_always_asks_for_a_pause_is_given_up(harness: Harness) -> None:
    wait = SlowDown("localhost answered 429", timedelta(seconds=1))
    harness.recorder.errors["a"] = [wait] * MAX_ATTEMPTS
    harness.publish(harness.violation())
    for _ in range(MAX_ATTEMPTS):
        harness.pass_time(2)
    assert harness.states() == ["failed"]
    assert len(outcomes(harness)) == MAX_ATTEMPTS


def test_after_a_failed_message_the_others_of_its_channel_wait_untried(
    harness: Harness,
) -> None:
    harness.addresses = TWO
    harness.recorder.errors["a"] = [away()]
    harness.publish(
        *(harness.violation(f"c{n}", incident_id=f"01KASVZEBRY4C1W9T6P0X{n:05}") for n in range(4))
    )
    assert (len(harness.recorder.titles("a")), len(harness.recorder.titles("b"))) == (0, 4)
    attempts = [
        one.attempts
        for found in harness.notifications()
        for one in found.deliveries
        if one.channel == "a"
    ]
    assert sorted(map(len, attempts)) == [0, 0, 0, 1]
    harness.pass_time(31)
    assert len(harness.recorder.titles("a")) == 4


def test_a_bug_in_a_sender_is_a_failed_attempt(harness: Harness) -> None:
    harness.recorder.errors["a"] = [ZeroDivisionError()]
    harness.publish(harness.violation())
    assert "ZeroDivisionError" in harness.notifications()[0].deliveries[0].attempts[0].detail
    harness.pass_time(3)
    assert harness.states() == ["sent"]


def test_a_channel_that_is_no_longer_configured_fails_with_the_remedy(harness: Harness) -> None:
    harness.publish(harness.violation(), run=False)
    harness.deliver(*[message.body for message in harness.queues.take()])
    harness.addresses = "http://localhost/b?name=b"
    harness.run()
    assert harness.states() == ["failed"]
    assert "NOTIFICATION_CHANNELS" in (harness.notifications()[0].deliveries[0].error or "")


def test_with_little_time_left_no_attempt_begins(harness: Harness) -> None:
    harness.publish(harness.violation(), run=False)
    harness.deliver(*[message.body for message in harness.queues.take()])
    harness.deliver(*[message.body for message in harness.queues.take()], remaining_s=20)
    assert harness.recorder.sent == []
    assert outcomes(harness) == []
    harness.run()
    assert harness.states() == ["sent"]


@pytest.mark.parametrize(
    ("body", "words"),
    [({"message_id": "x"}, "message_id"), ({"message_id": "01KASVZEBRY4C1W9T6P0X2K8M9"}, "exist")],
    ids=str,
)
def test_a_send_job_that_names_no_message_fails_visibly(
    harness: Harness, body: dict[str, str], words: str
) -> None:
    from hearth.ledger.ledger import NewJob

    new = NewJob("notifications.send", "notifications", "k", body)
    [job] = harness.db.write(lambda tx: harness.ledger.add(tx, [new]))
    harness.ledger.announce([job])
    harness.run()
    failed = harness.ledger.get(job.id)
    assert failed.error is not None
    assert words in failed.error.message
