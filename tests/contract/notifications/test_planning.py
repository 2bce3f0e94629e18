"""Who is told of what, and when, on SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest

from functions.notifications.quiet import QuietHours
from functions.notifications.service import Rules
from hearth.ledger.ledger import JobState
from tests.contract.notifications.conftest import BERLIN, INCIDENT, Bench

NIGHT = QuietHours.parse("22:00-07:00", BERLIN)
TITLE = "No helmet, no vest at gate, yard, North Yard"
SOURCE = {"type": "report", "report_id": INCIDENT, "incident_id": INCIDENT}


def ulid(number: int) -> str:
    return f"01KASVZEBRY4C1W9T6P0X{number:05}"


def test_nothing_told_leaves_nothing(bench: Bench) -> None:
    assert (bench.shown(), bench.unfinished()) == ([], [])


def test_an_event_is_told_on_every_channel_that_wants_it(bench: Bench) -> None:
    bench.addresses = (
        "http://localhost/a?name=a http://localhost/b?name=b&events=safety.* "
        "http://localhost/c?name=c&events=task.due,task.created"
    )
    bench.tell(bench.violation())
    assert bench.recorder.titles("a") == bench.recorder.titles("b") == [TITLE]
    assert bench.recorder.titles("c") == []
    [notification] = bench.shown()
    assert [(one.channel, one.state) for one in notification.deliveries] == [
        ("a", "sent"),
        ("b", "sent"),
    ]
    assert bench.unfinished() == []


def test_an_event_that_no_channel_wants_is_not_kept(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a&events=task.*"
    [job] = bench.tell(bench.violation())
    assert bench.ledger.get(job.id).state is JobState.DONE
    assert bench.shown() == []


def test_the_same_event_again_is_told_once(bench: Bench) -> None:
    event = bench.violation()
    [job] = bench.tell(event)
    hint = {"job_id": job.id, "kind": job.kind}
    bench.deliver(hint, hint)
    bench.tell(event)
    assert len(bench.recorder.sent) == 1


def test_an_event_that_cannot_be_read_fails_visibly_and_spoils_no_other(bench: Bench) -> None:
    broken, good = bench.tell(bench.violation(violations=[]), bench.violation("yard", 2))
    failed = bench.ledger.get(broken.id)
    assert failed.error is not None
    assert "violations" in failed.error.message
    assert bench.ledger.get(good.id).state is JobState.DONE
    assert len(bench.recorder.sent) == 1


def test_a_foreign_message_is_filed_as_unreadable(bench: Bench) -> None:
    assert bench.deliver({"alert": "!"}) == {"batchItemFailures": []}
    [job] = bench.jobs("notifications.unreadable")
    assert (job.state, job.queue) == (JobState.FAILED, "notifications")


# ---- cooldown ----


def test_the_same_camera_and_rule_is_not_told_again_within_the_cooldown(bench: Bench) -> None:
    for number in range(3):
        bench.tell(bench.violation(incident_id=ulid(number)))
        bench.clock.advance(299)
    assert bench.states() == ["sent", "suppressed", "suppressed"]
    assert bench.shown()[0].deliveries[0].reason == "cooldown"
    bench.clock.advance(3)
    bench.tell(bench.violation(incident_id=ulid(4)))
    assert bench.states() == ["sent", "suppressed", "suppressed", "sent"]


def test_a_new_rule_or_another_camera_is_told_at_once(bench: Bench) -> None:
    bench.tell(bench.report(classes=["no_helmet"], report_id=ulid(1)))
    bench.tell(bench.report(classes=["no_helmet", "no_vest"], report_id=ulid(2)))
    bench.tell(bench.report(classes=["no_helmet"], report_id=ulid(3), camera="yard"))
    bench.tell(bench.report(classes=["no_vest"], report_id=ulid(4)))
    assert len(bench.recorder.sent) == 3
    assert sorted(bench.states()) == ["sent", "sent", "sent", "suppressed"]


def test_the_report_and_the_task_of_an_incident_that_was_told_are_no_news(bench: Bench) -> None:
    bench.tell(bench.violation(), bench.report(), bench.created(source=SOURCE))
    bench.tell(bench.due())
    assert len(bench.recorder.sent) == 2
    assert bench.recorder.titles()[1] == "Task due: Hand out helmets"


def test_a_channel_that_asks_for_reports_only_gets_them(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a&events=safety.report.ready"
    bench.tell(bench.violation(), bench.report())
    assert bench.recorder.titles() == ["Report: No helmet, no vest at gate, Yard"]


def test_no_cooldown_means_none(bench: Bench) -> None:
    bench.rules = Rules(cooldown=timedelta(0))
    for number in range(3):
        bench.tell(bench.violation(incident_id=ulid(number)))
    assert bench.states() == ["sent"] * 3


def test_two_workers_at_once_tell_of_the_same_thing_once(bench: Bench) -> None:
    jobs = bench.tell(
        *(bench.violation(incident_id=ulid(number)) for number in range(20)), run=False
    )
    hints = [{"job_id": job.id, "kind": job.kind} for job in jobs]
    bench.queues.take()
    failures: list[BaseException] = []

    def work(mine: list[dict[str, Any]]) -> None:
        try:
            assert bench.deliver(*mine) == {"batchItemFailures": []}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(hints[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.run()
    assert failures == []
    assert sorted(bench.states()) == ["sent"] + ["suppressed"] * 19
    assert len(bench.recorder.sent) == 1


# ---- quiet hours ----


def test_in_quiet_hours_messages_wait_and_become_one_digest_at_their_end(bench: Bench) -> None:
    bench.rules = Rules(quiet=NIGHT)
    bench.clock.time = bench.clock.time.replace(hour=22, minute=30)  # 23:30 in Berlin
    for number in range(3):
        bench.tell(bench.violation(f"cam-{number}", incident_id=ulid(number)))
        bench.clock.advance(600)
    assert (bench.states(), bench.recorder.sent) == (["waiting"] * 3, [])
    one = bench.shown()[0].deliveries[0]
    assert (one.reason, one.not_before and one.not_before.isoformat()) == (
        "quiet hours",
        "2026-11-03T06:00:00+00:00",
    )
    bench.pass_time(6.9 * 3600)
    assert bench.recorder.sent == []
    bench.pass_time(600)
    assert bench.recorder.titles() == ["3 notifications at Yard"]
    assert bench.states() == ["sent"] * 3
    assert {one.in_digest for found in bench.shown() for one in found.deliveries} == {True}
    [(_, message)] = bench.recorder.sent
    assert [told.subject for told in message.content.told] == [ulid(n) for n in range(3)]
    assert bench.unfinished() == []


def test_what_waited_alone_is_told_as_itself(bench: Bench) -> None:
    bench.rules = Rules(quiet=NIGHT)
    bench.clock.time = bench.clock.time.replace(hour=22)
    bench.tell(bench.due())
    bench.pass_time(9 * 3600)
    assert bench.recorder.titles() == ["Task due: Hand out helmets"]
    assert bench.shown()[0].deliveries[0].in_digest is False


def test_urgent_events_do_not_wait(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a&urgent=safety.violation.*"
    bench.rules = Rules(quiet=NIGHT)
    bench.clock.time = bench.clock.time.replace(hour=23)
    bench.tell(bench.violation(), bench.due())
    assert len(bench.recorder.sent) == 1
    assert sorted(bench.states()) == ["sent", "waiting"]


def test_what_comes_after_its_digest_was_closed_is_told_alone(bench: Bench) -> None:
    bench.rules = Rules(quiet=NIGHT)
    bench.clock.time = bench.clock.time.replace(hour=23)
    bench.tell(bench.violation())
    bench.pass_time(7 * 3600)
    assert len(bench.recorder.sent) == 1
    # Another worker's clock is slow: for it, it is still before seven.
    bench.clock.advance(-60)
    bench.tell(bench.violation("yard", incident_id=ulid(2)))
    assert len(bench.recorder.sent) == 2
    assert bench.unfinished() == []


# ---- bursts ----


def test_what_goes_beyond_the_burst_becomes_one_digest_an_hour_later(bench: Bench) -> None:
    bench.rules = Rules(burst=2)
    for number in range(5):
        bench.tell(bench.violation(f"cam-{number}", incident_id=ulid(number)))
        bench.clock.advance(60)
    assert bench.states() == ["sent", "sent", "waiting", "waiting", "waiting"]
    assert bench.shown()[0].deliveries[0].reason == "burst"
    bench.pass_time(3600 - 300)
    assert bench.recorder.titles()[2:] == ["3 notifications at Yard"]
    bench.tell(bench.violation("other", incident_id=ulid(9)))
    assert len(bench.recorder.sent) == 4


def test_a_burst_on_one_channel_bounds_no_other(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a http://localhost/b?name=b&events=task.*"
    bench.rules = Rules(burst=1)
    bench.tell(bench.violation(), bench.due())
    assert len(bench.recorder.titles("b")) == 1


def test_a_burst_that_ends_in_quiet_hours_waits_for_their_end(bench: Bench) -> None:
    bench.rules = Rules(burst=1, quiet=NIGHT)
    bench.clock.time = bench.clock.time.replace(hour=20, minute=30)  # 21:30 in Berlin
    bench.tell(bench.violation())
    bench.clock.advance(1)
    bench.tell(bench.violation("yard", incident_id=ulid(2)))
    until = bench.shown()[0].deliveries[0].not_before
    assert until is not None
    assert until.isoformat() == "2026-11-03T06:00:00+00:00"


def test_a_digest_of_very_many_names_the_first_fifty_and_counts_the_rest(bench: Bench) -> None:
    bench.rules = Rules(burst=1)
    bench.tell(*(bench.violation(f"c{n}", incident_id=ulid(n)) for n in range(62)))
    bench.pass_time(3600)
    (_, message) = bench.recorder.sent[-1]
    assert (message.content.total, len(message.content.told)) == (61, 50)
    assert bench.states() == ["sent"] * 62


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_any_order_of_a_task_s_events_tells_at_least_once_and_loses_none(
    bench: Bench, order: tuple[int, ...]
) -> None:
    events = [bench.created(), bench.completed(source=None), bench.due()]
    bench.tell(*(events[index] for index in order))
    assert len(bench.shown()) == 3
    assert "Task due: Hand out helmets" in bench.recorder.titles()
    assert bench.unfinished() == []
