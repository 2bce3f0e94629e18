"""Which event is sent on which channel, and when, on SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest

from functions.notifications.quiet_hours import QuietHours
from functions.notifications.worker import Rules
from hearth.ledger.ledger import JobState
from tests.contract.notifications.conftest import BERLIN, INCIDENT, Harness

NIGHT = QuietHours.parse("22:00-07:00", BERLIN)
TITLE = "No helmet, no vest at gate, yard, North Yard"
SOURCE = {"type": "report", "report_id": INCIDENT, "incident_id": INCIDENT}


def ulid(number: int) -> str:
    return f"01KASVZEBRY4C1W9T6P0X{number:05}"


def test_without_events_there_are_no_notifications_and_no_jobs(harness: Harness) -> None:
    assert (harness.notifications(), harness.unfinished()) == ([], [])


def test_an_event_is_sent_on_every_channel_that_wants_it(harness: Harness) -> None:
    harness.addresses = (
        "http://localhost/a?name=a http://localhost/b?name=b&events=safety.* "
        "http://localhost/c?name=c&events=task.due,task.created"
    )
    harness.publish(harness.violation())
    assert harness.recorder.titles("a") == harness.recorder.titles("b") == [TITLE]
    assert harness.recorder.titles("c") == []
    [notification] = harness.notifications()
    assert [(one.channel, one.state) for one in notification.deliveries] == [
        ("a", "sent"),
        ("b", "sent"),
    ]
    assert harness.unfinished() == []


def test_an_event_that_no_channel_wants_is_not_stored(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a&events=task.*"
    [job] = harness.publish(harness.violation())
    assert harness.ledger.get(job.id).state is JobState.DONE
    assert harness.notifications() == []


def test_a_repeated_event_is_sent_once(harness: Harness) -> None:
    event = harness.violation()
    [job] = harness.publish(event)
    hint = {"job_id": job.id, "kind": job.kind}
    harness.deliver(hint, hint)
    harness.publish(event)
    assert len(harness.recorder.sent) == 1


def test_an_invalid_event_fails_visibly_and_affects_no_other(harness: Harness) -> None:
    broken, good = harness.publish(harness.violation(violations=[]), harness.violation("yard", 2))
    failed = harness.ledger.get(broken.id)
    assert failed.error is not None
    assert "violations" in failed.error.message
    assert harness.ledger.get(good.id).state is JobState.DONE
    assert len(harness.recorder.sent) == 1


def test_a_message_that_is_not_a_job_notification_is_recorded_as_unreadable(
    harness: Harness,
) -> None:
    assert harness.deliver({"alert": "!"}) == {"batchItemFailures": []}
    [job] = harness.jobs("notifications.unreadable")
    assert (job.state, job.queue) == (JobState.FAILED, "notifications")


# ---- a clock that is set back ----


def test_a_window_ends_though_the_clock_was_set_back(harness: Harness) -> None:
    harness.rules = Rules(burst=1)
    harness.publish(harness.violation(incident_id=ulid(1)))
    harness.clock.advance(-86_400)
    harness.publish(harness.violation("yard", incident_id=ulid(2)))
    assert harness.states() == ["sent", "sent"]


# ---- cooldown ----


def test_the_same_camera_and_rule_is_suppressed_within_the_cooldown(harness: Harness) -> None:
    for number in range(3):
        harness.publish(harness.violation(incident_id=ulid(number)))
        harness.clock.advance(299)
    assert harness.states() == ["sent", "suppressed", "suppressed"]
    assert harness.notifications()[0].deliveries[0].reason == "cooldown"
    harness.clock.advance(3)
    harness.publish(harness.violation(incident_id=ulid(4)))
    assert harness.states() == ["sent", "suppressed", "suppressed", "sent"]


def test_another_rule_or_camera_is_sent_at_once(harness: Harness) -> None:
    harness.publish(harness.report(classes=["no_helmet"], report_id=ulid(1)))
    harness.publish(harness.report(classes=["no_helmet", "no_vest"], report_id=ulid(2)))
    harness.publish(harness.report(classes=["no_helmet"], report_id=ulid(3), camera="yard"))
    harness.publish(harness.report(classes=["no_vest"], report_id=ulid(4)))
    assert len(harness.recorder.sent) == 3
    assert sorted(harness.states()) == ["sent", "sent", "sent", "suppressed"]


def test_the_report_and_task_of_an_incident_that_was_sent_are_suppressed(harness: Harness) -> None:
    harness.publish(harness.violation(), harness.report(), harness.created(source=SOURCE))
    harness.publish(harness.due())
    assert len(harness.recorder.sent) == 2
    assert harness.recorder.titles()[1] == "Task due: Hand out helmets"


def test_a_channel_that_wants_only_reports_receives_them(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a&events=safety.report.ready"
    harness.publish(harness.violation(), harness.report())
    assert harness.recorder.titles() == ["Report: No helmet, no vest at gate, Yard"]


def test_a_cooldown_of_zero_suppresses_nothing(harness: Harness) -> None:
    harness.rules = Rules(cooldown=timedelta(0))
    for number in range(3):
        harness.publish(harness.violation(incident_id=ulid(number)))
    assert harness.states() == ["sent"] * 3


def test_two_concurrent_workers_send_the_same_topic_once(harness: Harness) -> None:
    jobs = harness.publish(
        *(harness.violation(incident_id=ulid(number)) for number in range(20)), run=False
    )
    hints = [{"job_id": job.id, "kind": job.kind} for job in jobs]
    harness.queues.take()
    failures: list[BaseException] = []

    def work(mine: list[dict[str, Any]]) -> None:
        try:
            assert harness.deliver(*mine) == {"batchItemFailures": []}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(hints[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    harness.run()
    assert failures == []
    assert sorted(harness.states()) == ["sent"] + ["suppressed"] * 19
    assert len(harness.recorder.sent) == 1


# ---- quiet hours ----


def test_in_quiet_hours_messages_wait_and_become_one_digest_at_their_end(harness: Harness) -> None:
    harness.rules = Rules(quiet=NIGHT)
    harness.clock.time = harness.clock.time.replace(hour=22, minute=30)  # 23:30 in Berlin
    for number in range(3):
        harness.publish(harness.violation(f"cam-{number}", incident_id=ulid(number)))
        harness.clock.advance(600)
    assert (harness.states(), harness.recorder.sent) == (["waiting"] * 3, [])
    one = harness.notifications()[0].deliveries[0]
    assert (one.reason, one.not_before and one.not_before.isoformat()) == (
        "quiet hours",
        "2026-11-03T06:00:00+00:00",
    )
    harness.pass_time(6.9 * 3600)
    assert harness.recorder.sent == []
    harness.pass_time(600)
    assert harness.recorder.titles() == ["3 notifications at Yard"]
    assert harness.states() == ["sent"] * 3
    assert {one.in_digest for found in harness.notifications() for one in found.deliveries} == {
        True
    }
    [(_, message)] = harness.recorder.sent
    assert [event.subject for event in message.content.events] == [ulid(n) for n in range(3)]
    assert harness.unfinished() == []


def test_a_digest_of_one_event_is_a_message_about_that_event(harness: Harness) -> None:
    harness.rules = Rules(quiet=NIGHT)
    harness.clock.time = harness.clock.time.replace(hour=22)
    harness.publish(harness.due())
    harness.pass_time(9 * 3600)
    assert harness.recorder.titles() == ["Task due: Hand out helmets"]
    assert harness.notifications()[0].deliveries[0].in_digest is False


def test_urgent_events_do_not_wait(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a&urgent=safety.violation.*"
    harness.rules = Rules(quiet=NIGHT)
    harness.clock.time = harness.clock.time.replace(hour=23)
    harness.publish(harness.violation(), harness.due())
    assert len(harness.recorder.sent) == 1
    assert sorted(harness.states()) == ["sent", "waiting"]


def test_an_event_after_its_digest_was_closed_is_sent_alone(harness: Harness) -> None:
    harness.rules = Rules(quiet=NIGHT)
    harness.clock.time = harness.clock.time.replace(hour=23)
    harness.publish(harness.violation())
    harness.pass_time(7 * 3600)
    assert len(harness.recorder.sent) == 1
    # Another worker's clock is slow: for it, it is still before seven.
    harness.clock.advance(-60)
    harness.publish(harness.violation("yard", incident_id=ulid(2)))
    assert len(harness.recorder.sent) == 2
    assert harness.unfinished() == []


# ---- bursts ----


def test_messages_over_the_burst_become_one_digest_an_hour_later(harness: Harness) -> None:
    harness.rules = Rules(burst=2)
    for number in range(5):
        harness.publish(harness.violation(f"cam-{number}", incident_id=ulid(number)))
        harness.clock.advance(60)
    assert harness.states() == ["sent", "sent", "waiting", "waiting", "waiting"]
    assert harness.notifications()[0].deliveries[0].reason == "burst"
    harness.pass_time(3600 - 300)
    assert harness.recorder.titles()[2:] == ["3 notifications at Yard"]
    harness.publish(harness.violation("other", incident_id=ulid(9)))
    assert len(harness.recorder.sent) == 4


def test_a_burst_on_one_channel_does_not_limit_another_one(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a http://localhost/b?name=b&events=task.*"
    harness.rules = Rules(burst=1)
    harness.publish(harness.violation(), harness.due())
    assert len(harness.recorder.titles("b")) == 1


def test_a_burst_that_ends_in_quiet_hours_waits_for_their_end(harness: Harness) -> None:
    harness.rules = Rules(burst=1, quiet=NIGHT)
    harness.clock.time = harness.clock.time.replace(hour=20, minute=30)  # 21:30 in Berlin
    harness.publish(harness.violation())
    harness.clock.advance(1)
    harness.publish(harness.violation("yard", incident_id=ulid(2)))
    until = harness.notifications()[0].deliveries[0].not_before
    assert until is not None
    assert until.isoformat() == "2026-11-03T06:00:00+00:00"


def test_a_large_digest_lists_the_first_fifty_events_and_counts_the_rest(harness: Harness) -> None:
    harness.rules = Rules(burst=1)
    harness.publish(*(harness.violation(f"c{n}", incident_id=ulid(n)) for n in range(62)))
    harness.pass_time(3600)
    (_, message) = harness.recorder.sent[-1]
    assert (message.content.total, len(message.content.events)) == (61, 50)
    assert harness.states() == ["sent"] * 62


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_any_order_of_a_task_s_events_sends_at_least_one_and_loses_none(
    harness: Harness, order: tuple[int, ...]
) -> None:
    events = [harness.created(), harness.completed(source=None), harness.due()]
    harness.publish(*(events[index] for index in order))
    assert len(harness.notifications()) == 3
    assert "Task due: Hand out helmets" in harness.recorder.titles()
    assert harness.unfinished() == []
