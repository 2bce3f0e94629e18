"""The ledger's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from hearth.db import Database
from hearth.errors import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from hearth.ledger.ledger import WORKER_DIED, Job, JobState, LeaseLost, Ledger, NewJob
from tests.support.fakes import Clock, MemoryQueues

LEASE = timedelta(seconds=30)


def new(name: str, **more: Any) -> NewJob:
    return NewJob(
        **{"kind": "test.job", "queue": "test", "dedupe_key": name, "payload": {"n": name}} | more
    )


def add(ledger: Ledger, *jobs: NewJob) -> list[Job]:
    return ledger.db.write(lambda tx: ledger.add(tx, jobs))


def complete(ledger: Ledger, *jobs: Job) -> None:
    ledger.db.write(lambda tx: ledger.complete_all(tx, jobs))


# ---- adding ----


def test_adding_no_jobs_returns_none(ledger: Ledger) -> None:
    assert add(ledger) == []
    assert ledger.claim([], [], LEASE) == []
    assert ledger.summary() == {}
    assert ledger.states([]) == {}
    assert ledger.due(10) == []
    assert ledger.expire() == []
    assert ledger.list().jobs == []


def test_a_new_job_is_queued_with_its_payload(ledger: Ledger, clock: Clock) -> None:
    payload = {"text": "Grüße\x00", "list": [1, None, 2.5], "nested": {"a": {}}}
    (job,) = add(ledger, new("a", payload=payload))
    assert job == ledger.get(job.id)
    assert (job.state, job.attempts, job.progress) == (JobState.QUEUED, 0, 0.0)
    assert (job.payload, job.available_at, job.created_at) == (payload, clock(), clock())
    assert (job.lease_token, job.error, job.finished_at) == (None, None, None)


def test_jobs_are_returned_in_the_requested_order(ledger: Ledger) -> None:
    jobs = add(ledger, *(new(name) for name in "cab"))
    assert [job.dedupe_key for job in jobs] == ["c", "a", "b"]


def test_a_known_dedupe_key_returns_the_existing_row_unchanged(ledger: Ledger) -> None:
    (first,) = add(ledger, new("a"))
    (claimed,) = ledger.claim([first.id], [], LEASE)
    complete(ledger, claimed)
    again, other, twin = add(ledger, new("a", payload={"other": 1}), new("b"), new("a"))
    assert again == twin == ledger.get(first.id)
    assert (again.state, again.payload) == (JobState.DONE, {"n": "a"})
    assert other.state is JobState.QUEUED


def test_a_job_and_its_cause_commit_together(ledger: Ledger) -> None:
    def write(tx: Connection) -> None:
        ledger.add(tx, [new("a")])
        raise InvalidInput("the facts were wrong")

    with pytest.raises(InvalidInput):
        ledger.db.write(write)
    assert ledger.summary() == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ""},
        {"queue": ""},
        {"dedupe_key": ""},
        {"dedupe_key": "a\x00"},
        {"dedupe_key": "\ud800"},
        {"dedupe_key": "ü" * 551},
        {"max_attempts": 0},
        {"payload": {"x": float("nan")}},
        {"payload": {"x": object()}},
    ],
)
def test_a_job_that_cannot_be_stored_is_rejected_on_creation(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        new("a", **changes)


def test_the_longest_dedupe_key_is_stored(ledger: Ledger) -> None:
    (job,) = add(ledger, new("ü" * 550))
    assert ledger.states(["ü" * 550]) == {job.dedupe_key: JobState.QUEUED}


def test_a_payload_over_64_kb_is_rejected_with_the_remedy(ledger: Ledger) -> None:
    add(ledger, new("fits", payload={"x": "y" * (64 * 1024 - 8)}))
    with pytest.raises(TooLarge, match="put it in S3"):
        new("a", payload={"x": "y" * (64 * 1024 - 7)})


# ---- announcing ----


def test_a_job_notification_has_only_the_id_and_kind(ledger: Ledger, queues: MemoryQueues) -> None:
    jobs = add(ledger, new("a"), new("b", queue="other"))
    ledger.announce(jobs)
    (hint,) = queues.take("test")
    assert (hint.body, hint.delay_s) == ({"job_id": jobs[0].id, "kind": "test.job"}, 0)
    assert len(queues.take("other")) == 1


@pytest.mark.parametrize(
    ("seconds", "delays"), [(-5, [0]), (0, [0]), (0.001, [1]), (90, [90]), (900, [900]), (901, [])]
)
def test_a_scheduled_job_is_notified_with_a_delay_or_after_15_minutes_by_the_sweep(
    ledger: Ledger, queues: MemoryQueues, clock: Clock, seconds: float, delays: list[int]
) -> None:
    ledger.announce(add(ledger, new("a", available_at=clock() + timedelta(seconds=seconds))))
    assert [message.delay_s for message in queues.sent] == delays


def test_a_job_notification_that_cannot_be_sent_is_not_an_error(
    ledger: Ledger, queues: MemoryQueues
) -> None:
    queues.offline = True
    jobs = add(ledger, new("a"))
    ledger.announce(jobs)
    assert ledger.due(10) == jobs


def test_finished_jobs_are_not_announced(ledger: Ledger, queues: MemoryQueues) -> None:
    (job,) = add(ledger, new("a"))
    complete(ledger, *ledger.claim([job.id], [], LEASE))
    ledger.announce([ledger.get(job.id)])
    assert queues.sent == []


# ---- claiming and completing ----


def test_a_claim_takes_a_lease_of_the_given_duration(ledger: Ledger, clock: Clock) -> None:
    (job,) = add(ledger, new("a"))
    (claimed,) = ledger.claim([job.id], [], LEASE)
    assert claimed == ledger.get(job.id)
    assert (claimed.state, claimed.attempts) == (JobState.RUNNING, 1)
    assert claimed.lease_until == clock() + LEASE
    assert claimed.lease_token


def test_a_claim_adds_missing_jobs(ledger: Ledger) -> None:
    (known,) = add(ledger, new("known"))
    claimed = ledger.claim([known.id, known.id, "unknown"], [new("known"), new("new")], LEASE)
    assert sorted(job.dedupe_key for job in claimed) == ["known", "new"]
    assert ledger.summary() == {"test.job": {"running": 2}}


def test_a_claim_skips_jobs_that_cannot_run(ledger: Ledger, clock: Clock) -> None:
    later, running, done, failed, free = add(
        ledger,
        new("later", available_at=clock() + timedelta(seconds=1)),
        *(new(name) for name in ("running", "done", "failed", "free")),
    )
    ledger.claim([running.id], [], LEASE)
    complete(ledger, *ledger.claim([done.id], [], LEASE))
    ledger.fail(ledger.claim([failed.id], [], LEASE)[0], InvalidInput("no"))
    everything = [job.id for job in (later, running, done, failed, free)]
    assert [job.id for job in ledger.claim(everything, [], LEASE)] == [free.id]
    clock.advance(1)
    assert [job.id for job in ledger.claim(everything, [], LEASE)] == [later.id]


def test_many_jobs_are_claimed_at_once(ledger: Ledger) -> None:
    jobs = add(ledger, *(new(f"old{n}") for n in range(600)))
    claimed = ledger.claim([j.id for j in jobs], [new(f"new{n}") for n in range(700)], LEASE)
    assert len({job.id for job in claimed}) == 1300
    complete(ledger, *claimed)
    assert ledger.summary() == {"test.job": {"done": 1300}}
    assert len(ledger.states(job.dedupe_key for job in claimed)) == 1300


def test_a_completed_job_cannot_change(ledger: Ledger, clock: Clock) -> None:
    (claimed,) = ledger.claim([], [new("a")], LEASE)
    complete(ledger, claimed)
    job = ledger.get(claimed.id)
    assert (job.state, job.progress, job.finished_at) == (JobState.DONE, 1.0, clock())
    clock.advance(3600)
    assert ledger.claim([job.id], [new("a")], LEASE) == []
    for change in (
        lambda: complete(ledger, claimed),
        lambda: ledger.fail(claimed, InvalidInput("no")),
        lambda: ledger.postpone(claimed, clock()),
        lambda: ledger.progress(claimed, 0.5),
    ):
        with pytest.raises(LeaseLost):
            change()
    assert ledger.get(job.id) == job


def test_an_expired_lease_goes_to_the_next_worker_and_the_first_changes_nothing(
    ledger: Ledger, clock: Clock
) -> None:
    (first,) = ledger.claim([], [new("a")], LEASE)
    clock.advance(29.999)
    assert ledger.claim([first.id], [], LEASE) == []
    clock.advance(0.001)
    (second,) = ledger.claim([first.id], [], LEASE)
    assert second.attempts == 2
    assert second.error is not None
    assert second.error.code == WORKER_DIED
    with pytest.raises(LeaseLost) as lost:
        complete(ledger, first)
    assert lost.value.job_ids == {first.id}
    complete(ledger, second)
    assert ledger.get(first.id).error is None


def test_a_late_worker_that_still_holds_the_lease_may_complete(
    ledger: Ledger, clock: Clock
) -> None:
    (job,) = ledger.claim([], [new("a")], LEASE)
    clock.advance(3600)
    complete(ledger, job)
    assert ledger.get(job.id).state is JobState.DONE


def test_a_lost_lease_is_named_and_nothing_is_committed(ledger: Ledger, clock: Clock) -> None:
    (slow,) = ledger.claim([], [new("slow")], timedelta(seconds=1))
    (quick,) = ledger.claim([], [new("quick")], LEASE)
    clock.advance(2)
    ledger.claim([slow.id], [], LEASE)
    with pytest.raises(LeaseLost) as lost:
        complete(ledger, slow, quick)
    assert lost.value.job_ids == {slow.id}
    assert ledger.get(quick.id).state is JobState.RUNNING


def test_progress_stays_between_0_and_1(ledger: Ledger) -> None:
    (job,) = ledger.claim([], [new("a")], LEASE)
    for given, shown in ((-1, 0.0), (0.25, 0.25), (7, 1.0)):
        ledger.progress(job, given)
        assert ledger.get(job.id).progress == shown


# ---- failing ----


def test_a_permanent_error_fails_the_job_at_once(ledger: Ledger, clock: Clock) -> None:
    (claimed,) = ledger.claim([], [new("a")], LEASE)
    details = [{"field": f"f{n}", "message": "wrong"} for n in range(30)]
    after = ledger.fail(claimed, InvalidInput("x" * 5000, details=details))
    assert after == ledger.get(claimed.id)
    assert (after.state, after.finished_at) == (JobState.FAILED, clock())
    assert after.error is not None
    assert (after.error.code, len(after.error.message)) == ("VALIDATION_ERROR", 2000)
    assert after.error.details == tuple(details[:20])


def test_a_transient_error_backs_off_and_then_fails_the_job(ledger: Ledger, clock: Clock) -> None:
    (job,) = add(ledger, new("a", max_attempts=10))
    waits = []
    for attempt in range(1, 11):
        (claimed,) = ledger.claim([job.id], [], LEASE)
        assert claimed.attempts == attempt
        job = ledger.fail(claimed, Unavailable("S3 does not answer"))
        assert job.error is not None
        assert job.error.message == "S3 does not answer"
        if job.state is JobState.QUEUED:
            waits.append((job.available_at - clock()).total_seconds())
            clock.time = job.available_at
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert job.state is JobState.FAILED


def test_jitter_spreads_the_retries(db: Database, queues: MemoryQueues, clock: Clock) -> None:
    ledger = Ledger(db, queues, now=clock)
    waits = set()
    for number in range(20):
        (job,) = ledger.claim([], [new(f"j{number}")], LEASE)
        waits.add(ledger.fail(job, Unavailable("busy")).available_at - clock())
    assert len(waits) > 10
    assert all(timedelta(0) <= wait <= timedelta(seconds=2) for wait in waits)


def test_a_postponed_attempt_is_not_counted(ledger: Ledger, clock: Clock) -> None:
    (job,) = ledger.claim([], [new("a", max_attempts=1)], LEASE)
    until = clock() + timedelta(hours=1)
    after = ledger.postpone(job, until)
    assert (after.state, after.attempts, after.available_at) == (JobState.QUEUED, 0, until)
    assert ledger.claim([job.id], [], LEASE) == []
    clock.time = until
    complete(ledger, *ledger.claim([job.id], [], LEASE))


def test_a_job_whose_workers_all_died_fails_with_that_reason(ledger: Ledger, clock: Clock) -> None:
    (job,) = add(ledger, new("a"))
    for _ in range(5):
        assert ledger.expire() == []
        assert len(ledger.claim([job.id], [], LEASE)) == 1
        clock.advance(31)
    assert ledger.claim([job.id], [], LEASE) == []
    assert ledger.due(10) == []
    (after,) = ledger.expire()
    assert after == ledger.get(job.id)
    assert after.state is JobState.FAILED
    assert after.error is not None
    assert after.error.code == WORKER_DIED
    assert after.error.message.startswith("the worker died 5 times")
    assert ledger.expire() == []


def test_an_unreadable_message_is_recorded_once(ledger: Ledger) -> None:
    for _ in range(2):
        job = ledger.record_failed(new("unreadable:1"), InvalidInput("not JSON"))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.message == "not JSON"
    assert ledger.summary() == {"test.job": {"failed": 1}}
    assert ledger.due(10) == []


# ---- sweeping ----


def test_due_jobs_are_listed_oldest_first_up_to_the_limit(ledger: Ledger) -> None:
    jobs = add(ledger, *(new(name) for name in "abc"))
    oldest = sorted(job.id for job in jobs)
    assert [job.id for job in ledger.due(2)] == oldest[:2]
    assert [job.id for job in ledger.due(2)] == oldest[2:]


def test_a_job_is_due_at_its_time_or_when_its_lease_expires(ledger: Ledger, clock: Clock) -> None:
    later = new("later", available_at=clock() + timedelta(seconds=20))
    (later_job,) = add(ledger, later)
    (running,) = ledger.claim([], [new("running")], LEASE)
    assert ledger.due(10) == []
    clock.advance(20)
    assert [job.id for job in ledger.due(10)] == [later_job.id]
    clock.advance(10)
    assert running.id in {job.id for job in ledger.due(10)}


def test_what_was_written_before_the_clock_was_set_back_is_due_now(
    ledger: Ledger, clock: Clock
) -> None:
    (waiting, failed, dated) = add(
        ledger,
        new("waiting"),
        new("failed"),
        new("dated", available_at=clock() + timedelta(days=9)),
    )
    claimed = ledger.claim([failed.id], [new("running")], LEASE)
    running = next(job.id for job in claimed if job.id != failed.id)
    ledger.fail(next(job for job in claimed if job.id == failed.id), Unavailable("away"))
    clock.advance(-86_400)
    assert {job.id for job in ledger.due(10)} == {waiting.id, failed.id, dated.id}
    assert len(ledger.claim([waiting.id, failed.id], [], LEASE)) == 2
    # Its worker may live: it keeps the job for as long as any invocation may take.
    assert ledger.claim([running], [], LEASE) == []
    clock.advance(960)
    assert [job.id for job in ledger.claim([running], [], LEASE)] == [running]
    assert running not in {job.id for job in ledger.due(10)}


def test_a_clock_that_differs_by_seconds_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    later = new("later", available_at=clock() + timedelta(hours=1))
    add(ledger, later)
    clock.advance(-50)
    assert ledger.due(10) == []


def test_a_job_is_announced_again_with_back_off(ledger: Ledger, clock: Clock) -> None:
    add(ledger, new("a"))
    named = []
    for second in range(0, 4000, 5):
        if ledger.due(10):
            named.append(second)
        clock.advance(5)
    gaps = [b - a for a, b in itertools.pairwise(named)]
    assert gaps == [30, 60, 120, 240, 480, 900, 900, 900][: len(gaps)]
    assert len(gaps) >= 6


def test_a_claim_resets_the_back_off_of_announcements(ledger: Ledger, clock: Clock) -> None:
    (job,) = add(ledger, new("a"))
    for _ in range(4):
        ledger.due(10)
        clock.advance(300)
    ledger.claim([job.id], [], LEASE)
    clock.advance(31)
    assert [found.id for found in ledger.due(10)] == [job.id]


def test_only_a_queued_job_can_be_made_due_now(
    ledger: Ledger, queues: MemoryQueues, clock: Clock
) -> None:
    tomorrow = clock() + timedelta(days=1)
    waiting, running = new("waiting", available_at=tomorrow), new("running")
    (held,) = ledger.claim([], [running], LEASE)
    add(ledger, waiting)

    def hasten(tx: Connection) -> list[Job]:
        ledger.hasten(tx, ["waiting", "running", "unknown"], clock())
        return ledger.add(tx, [waiting, running])

    hastened, untouched = ledger.db.write(hasten)
    assert (hastened.available_at, untouched) == (clock(), held)
    ledger.announce([hastened])
    assert [message.delay_s for message in queues.sent] == [0]
    assert [job.dedupe_key for job in ledger.claim([], [waiting], LEASE)] == ["waiting"]


# ---- people ----


def test_a_manual_retry_resets_the_attempts_and_announces_the_job(
    ledger: Ledger, queues: MemoryQueues
) -> None:
    (job,) = ledger.claim([], [new("a")], LEASE)
    ledger.fail(job, InvalidInput("no"))
    again = ledger.retry(job.id)
    assert again == ledger.get(job.id)
    assert (again.state, again.attempts, again.error) == (JobState.QUEUED, 0, None)
    assert again.finished_at is None
    assert [message.body["job_id"] for message in queues.sent] == [job.id]
    complete(ledger, *ledger.claim([job.id], [], LEASE))


def test_only_a_failed_job_can_be_retried(ledger: Ledger) -> None:
    (job,) = add(ledger, new("a"))
    with pytest.raises(Conflict, match="is queued; only a failed job"):
        ledger.retry(job.id)
    with pytest.raises(NotFound, match="'nowhere'"):
        ledger.retry("nowhere")
    with pytest.raises(NotFound):
        ledger.get("nowhere")


def test_the_list_is_newest_first_in_pages(ledger: Ledger) -> None:
    newest_first = sorted((job.id for job in add(ledger, *map(new, "abcde"))), reverse=True)
    seen: list[str] = []
    cursor = None
    for size in (2, 2, 1):
        page = ledger.list(limit=2, cursor=cursor)
        assert len(page.jobs) == size
        seen += [job.id for job in page.jobs]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == newest_first


def test_the_list_can_be_filtered(ledger: Ledger) -> None:
    add(ledger, new("a"), new("b", kind="other.kind"))
    ledger.fail(ledger.claim([], [new("c")], LEASE)[0], InvalidInput("no"))

    def listed(**narrow: Any) -> set[str]:
        return {job.dedupe_key for job in ledger.list(**narrow).jobs}

    assert listed() == {"a", "b", "c"}
    assert listed(kind="test.job") == {"a", "c"}
    assert listed(state=JobState.FAILED) == {"c"}
    assert listed(kind="other.kind", state=JobState.FAILED) == set()


@pytest.mark.parametrize("narrow", [{"limit": 0}, {"limit": 101}, {"cursor": "made-up"}])
def test_an_invalid_page_is_rejected(ledger: Ledger, narrow: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ledger.list(**narrow)


def test_states_are_returned_by_dedupe_key(ledger: Ledger) -> None:
    add(ledger, new("a"), new("b"))
    complete(ledger, *ledger.claim([], [new("b")], LEASE))
    expected = {"a": JobState.QUEUED, "b": JobState.DONE}
    assert ledger.states(iter(["a", "b", "unknown", "a"])) == expected
