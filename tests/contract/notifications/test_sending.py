"""Attempts, retries and what people see of them, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.notifications.messages import SEND_ATTEMPTS
from functions.notifications.senders import ChannelRefused, SlowDown
from functions.notifications.sending import MAX_ATTEMPTS
from hearth.errors import Unavailable
from hearth.ledger.ledger import JobState
from tests.contract.notifications.conftest import Bench

TWO = "http://localhost/a?name=a http://localhost/b?name=b"


def away() -> Unavailable:
    return Unavailable("a does not answer")


def outcomes(bench: Bench, index: int = 0) -> list[str]:
    [notification] = bench.shown()
    return [one.outcome for one in notification.deliveries[index].attempts]


def test_a_channel_that_is_broken_is_retried_alone(bench: Bench) -> None:
    bench.addresses = TWO
    bench.recorder.errors["a"] = [away(), away()]
    bench.tell(bench.violation())
    assert bench.states() == ["queued", "sent"]
    bench.pass_time(3)
    bench.pass_time(5)
    assert bench.states() == ["sent", "sent"]
    assert [name for name, _ in bench.recorder.sent] == ["b", "a"]
    assert (outcomes(bench, 0), outcomes(bench, 1)) == (["deferred", "deferred", "sent"], ["sent"])
    assert bench.unfinished() == []


def test_every_attempt_of_a_message_carries_the_same_id_and_words(bench: Bench) -> None:
    bench.tell(bench.violation())
    [(_, first)] = bench.recorder.sent
    [delivery] = bench.shown()[0].deliveries
    assert delivery.message_id == first.id
    # The worker died after it had sent, before it could say so.
    bench.db.write(
        lambda tx: tx.exec_driver_sql("UPDATE notification_messages SET state = 'queued'")
    )
    [job] = bench.jobs("notifications.send")
    bench.db.write(lambda tx: tx.exec_driver_sql("UPDATE jobs SET state = 'failed'"))
    bench.ledger.retry(job.id)
    bench.clock.advance(60)
    bench.run()
    assert [message for _, message in bench.recorder.sent] == [first, first]
    assert outcomes(bench) == ["sent", "sent"]


def test_a_message_that_was_sent_is_not_sent_again_though_its_job_was_not_done(
    bench: Bench,
) -> None:
    bench.tell(bench.violation())
    [job] = bench.jobs("notifications.send")
    bench.db.write(
        lambda tx: tx.exec_driver_sql("UPDATE jobs SET state = 'failed' WHERE finished_at <> ''")
    )
    bench.ledger.retry(job.id)
    bench.run()
    assert len(bench.recorder.sent) == 1
    assert bench.ledger.get(job.id).state is JobState.DONE


def test_a_refusal_is_visible_at_once_and_a_person_can_retry_it(bench: Bench) -> None:
    bench.addresses = TWO
    bench.recorder.errors["a"] = [ChannelRefused("localhost answered 404")]
    bench.tell(bench.violation())
    assert bench.states() == ["failed", "sent"]
    [job] = [job for job in bench.jobs("notifications.send") if job.state is JobState.FAILED]
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("CHANNEL_REFUSED", "localhost answered 404")
    assert bench.shown()[0].deliveries[0].error == "localhost answered 404"
    bench.ledger.retry(job.id)
    bench.run()
    assert bench.states() == ["sent", "sent"]
    assert outcomes(bench) == ["refused", "sent"]
    assert bench.shown()[0].deliveries[0].error is None


def test_a_channel_that_stays_away_fails_after_the_last_attempt(bench: Bench) -> None:
    bench.recorder.errors["a"] = [away() for _ in range(SEND_ATTEMPTS)]
    bench.tell(bench.violation())
    for _ in range(SEND_ATTEMPTS - 2):
        bench.pass_time(301)
        assert bench.states() == ["queued"]
    bench.pass_time(301)
    assert bench.states() == ["failed"]
    assert len(outcomes(bench)) == SEND_ATTEMPTS


def test_a_channel_that_asks_for_time_gets_it_and_loses_no_attempt(bench: Bench) -> None:
    bench.recorder.errors["a"] = [SlowDown("429", timedelta(seconds=1800))]
    bench.tell(bench.violation())
    [job] = bench.jobs("notifications.send")
    assert (job.attempts, job.available_at - bench.clock()) == (0, timedelta(seconds=1800))
    bench.pass_time(1790)
    assert bench.recorder.sent == []
    bench.pass_time(20)
    assert bench.states() == ["sent"]
    assert outcomes(bench) == ["deferred", "sent"]


def test_a_channel_that_asks_for_time_for_ever_is_given_up(bench: Bench) -> None:
    wait = SlowDown("localhost answered 429", timedelta(seconds=1))
    bench.recorder.errors["a"] = [wait] * MAX_ATTEMPTS
    bench.tell(bench.violation())
    for _ in range(MAX_ATTEMPTS):
        bench.pass_time(2)
    assert bench.states() == ["failed"]
    assert len(outcomes(bench)) == MAX_ATTEMPTS


def test_behind_a_message_that_was_not_taken_the_others_of_its_channel_wait_untried(
    bench: Bench,
) -> None:
    bench.addresses = TWO
    bench.recorder.errors["a"] = [away()]
    bench.tell(
        *(bench.violation(f"c{n}", incident_id=f"01KASVZEBRY4C1W9T6P0X{n:05}") for n in range(4))
    )
    assert (len(bench.recorder.titles("a")), len(bench.recorder.titles("b"))) == (0, 4)
    attempts = [
        one.attempts for found in bench.shown() for one in found.deliveries if one.channel == "a"
    ]
    assert sorted(map(len, attempts)) == [0, 0, 0, 1]
    bench.pass_time(31)
    assert len(bench.recorder.titles("a")) == 4


def test_a_bug_in_a_channel_is_an_attempt_that_failed(bench: Bench) -> None:
    bench.recorder.errors["a"] = [ZeroDivisionError()]
    bench.tell(bench.violation())
    assert "ZeroDivisionError" in bench.shown()[0].deliveries[0].attempts[0].detail
    bench.pass_time(3)
    assert bench.states() == ["sent"]


def test_a_channel_that_is_gone_fails_with_the_remedy(bench: Bench) -> None:
    bench.tell(bench.violation(), run=False)
    bench.deliver(*[message.body for message in bench.queues.take()])
    bench.addresses = "http://localhost/b?name=b"
    bench.run()
    assert bench.states() == ["failed"]
    assert "NOTIFICATION_CHANNELS" in (bench.shown()[0].deliveries[0].error or "")


def test_with_little_time_left_nothing_is_begun(bench: Bench) -> None:
    bench.tell(bench.violation(), run=False)
    bench.deliver(*[message.body for message in bench.queues.take()])
    bench.deliver(*[message.body for message in bench.queues.take()], remaining_s=20)
    assert bench.recorder.sent == []
    assert outcomes(bench) == []
    bench.run()
    assert bench.states() == ["sent"]


@pytest.mark.parametrize(
    ("body", "words"),
    [({"message_id": "x"}, "message_id"), ({"message_id": "01KASVZEBRY4C1W9T6P0X2K8M9"}, "exist")],
    ids=str,
)
def test_a_send_job_that_names_no_message_fails_visibly(
    bench: Bench, body: dict[str, str], words: str
) -> None:
    from hearth.ledger.ledger import NewJob

    new = NewJob("notifications.send", "notifications", "k", body)
    [job] = bench.db.write(lambda tx: bench.ledger.add(tx, [new]))
    bench.ledger.announce([job])
    bench.run()
    failed = bench.ledger.get(job.id)
    assert failed.error is not None
    assert words in failed.error.message
