"""The sweep against a real ledger on SQLite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.sweep.reconcile import BATCH, Limits
from hearth.errors import Unavailable
from hearth.frames import FrameKind, frame_job
from hearth.ledger.ledger import JobState, NewJob

if TYPE_CHECKING:
    from tests.unit.sweep.conftest import House

MINUTE = timedelta(minutes=1)
PLENTY_S = 50.0


def add(house: House, *keys: str) -> None:
    """Add the jobs of `keys` as their notifications would, without a hint."""
    house.db.write(lambda tx: house.ledger.add(tx, [frame_job(key) for key in keys]))


def test_an_empty_system_needs_nothing(house: House) -> None:
    report = house.swept()

    assert report.model_dump() == {
        "expired": 0,
        "resent": 0,
        "pruned": 0,
        "cameras": 0,
        "listed": 0,
        "found": 0,
        "unreadable": 0,
        "full_listing": "idle",
        "out_of_time": False,
        "listing_error": None,
    }


# ---- jobs ----


def test_a_job_whose_notification_was_lost_is_announced_again(house: House) -> None:
    add(house, "frames/gate/20261102T000000.000000Z.jpg")

    assert house.swept().resent == 1
    assert house.hints() == ["frame:frames/gate/20261102T000000.000000Z.jpg"]


def test_a_backlog_is_not_multiplied_by_sweeping_often(house: House) -> None:
    add(house, "frames/gate/20261102T000000.000000Z.jpg")

    assert [house.swept().resent for _ in range(3)] == [1, 0, 0]


def test_objects_from_before_the_clock_was_set_back_are_old_enough(house: House) -> None:
    key = "frames/gate/20261102T000000.000000Z.jpg"
    house.upload(key)
    house.clock.advance(-86_400)

    assert house.swept().found == 1
    assert house.swept().listed == 0  # and the position has moved


def test_a_job_for_later_is_left_alone(house: House) -> None:
    later = NewJob("reports.digest", "reports", "digest:1", {}, house.clock() + 5 * MINUTE)
    house.db.write(lambda tx: house.ledger.add(tx, [later]))

    assert house.swept().resent == 0
    house.clock.advance(301)
    assert house.swept().resent == 1


def test_a_job_whose_worker_died_is_announced_and_after_its_last_attempt_failed(
    house: House,
) -> None:
    job = NewJob("detection.frame", "detection", "frame:x", {}, max_attempts=2)
    house.ledger.claim([], [job], lease=MINUTE)
    assert house.swept().resent == 0  # the lease lives
    house.clock.advance(61)
    assert house.swept().resent == 1

    house.ledger.claim([], [job], lease=MINUTE)
    house.clock.advance(61)
    report = house.swept()

    assert (report.expired, report.resent) == (1, 0)
    (dead,) = house.ledger.list(state=JobState.FAILED).jobs
    assert dead.error is not None
    assert "the worker died" in dead.error.message


def test_more_due_jobs_than_one_run_sends_are_sent_by_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.sweep.service.RESENDS", 200)
    jobs = [NewJob("k", "detection", f"d:{n}", {}) for n in range(250)]
    house.db.write(lambda tx: house.ledger.add(tx, jobs))

    assert [house.swept().resent for _ in range(3)] == [200, 50, 0]
    assert len(set(house.hints())) == 250


# ---- frames ----


def test_a_frame_without_a_job_gets_the_one_its_notification_would_have_made(house: House) -> None:
    frame = house.frame(second=0)
    end = house.frame(second=1, kind=FrameKind.END)

    report = house.swept()

    assert (report.found, report.cameras, report.listed) == (2, 1, 2)
    assert house.hints() == [f"frame:{frame}", f"end:{end}"]
    found = {job.dedupe_key: job for job in house.ledger.list().jobs}
    assert found[f"frame:{frame}"].payload == frame_job(frame).payload
    assert found[f"end:{end}"].kind == "detection.end"


def test_a_frame_that_has_a_job_in_any_state_gets_no_other(house: House) -> None:
    queued, running, done = (house.frame(second=n) for n in range(3))
    add(house, queued)
    house.ledger.claim([], [frame_job(running)], lease=MINUTE)
    (job,) = house.ledger.claim([], [frame_job(done)], lease=MINUTE)
    house.db.write(lambda tx: house.ledger.complete(tx, job))

    assert house.swept().found == 0
    assert house.ledger.summary() == {"detection.frame": {"queued": 1, "running": 1, "done": 1}}


def test_a_recent_upload_is_left_to_its_own_notification(house: House) -> None:
    house.frame(age_s=5)

    assert house.swept().found == 0
    house.clock.advance(11)
    assert house.swept().found == 1


def test_keys_below_the_watermark_are_not_listed_again(house: House) -> None:
    for second in range(3):
        house.frame(second=second, age_s=3600)
    new = house.frame(second=3, age_s=30)

    assert [house.swept().listed for _ in range(2)] == [4, 1]
    house.clock.advance(600)
    assert house.swept().listed == 1
    assert house.swept().listed == 0
    assert f"frame:{new}" in house.hints()


def test_the_watermark_stays_below_a_young_frame_however_many_old_ones_follow(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.sweep.reconcile.BATCH", 2)
    for second, age_s in enumerate([3600, 60, 3600, 3600, 3600]):
        house.frame(second=second, age_s=age_s)

    assert [house.swept().listed for _ in range(2)] == [5, 4]


def test_the_deadline_is_checked_even_without_new_keys(house: House) -> None:
    for camera in ("a", "b", "c"):
        house.frame(camera, age_s=3600)
    house.swept()
    ticks = iter([9.0, 9.0, 0.0])  # jobs, camera a, camera b

    report = house.sweep().run(lambda: next(ticks))

    assert (report.cameras, report.out_of_time) == (1, True)


def test_a_frame_that_lands_behind_a_young_one_is_found_at_once(house: House) -> None:
    house.frame(second=10, age_s=60)
    house.swept()
    late = house.frame(second=5, age_s=30)

    assert house.swept().found == 1
    assert f"frame:{late}" in house.hints()


def test_a_frame_that_lands_behind_the_watermark_is_found_by_the_daily_listing(
    house: House,
) -> None:
    house.frame(second=10, age_s=3600)
    house.swept()
    house.swept()
    house.hints()
    late = house.frame(second=5, age_s=30)

    assert house.swept().found == 0
    house.clock.advance(86_400)
    report = house.swept()

    assert (report.found, report.full_listing) == (1, "finished")
    assert f"frame:{late}" in house.hints()
    assert house.swept().full_listing == "idle"


def test_the_daily_listing_goes_on_where_the_last_run_stopped(house: House) -> None:
    house.swept()
    house.clock.advance(86_400)
    keys = [house.frame(second=n, age_s=3600) for n in range(7)]
    add(house, *keys)
    few = Limits(keys=3)

    assert [house.swept(few).full_listing for _ in range(4)] == [
        "running",
        "running",
        "finished",
        "idle",
    ]


def test_every_camera_gets_its_share_however_many_frames_another_has(house: House) -> None:
    for second in range(10):
        house.frame("a", second, age_s=3600)
    for camera in ("a-b", "a_b", "a0", "b"):
        house.frame(camera, age_s=3600)

    reports = [house.swept(Limits(keys=4)) for _ in range(3)]

    assert [(report.cameras, report.found) for report in reports] == [(5, 8), (5, 4), (5, 2)]


def test_more_frames_than_one_transaction_holds_are_all_found(house: House) -> None:
    for second in range(BATCH + 1):
        house.frame(second=second, age_s=3600)

    assert house.swept().found == BATCH + 1
    assert house.swept().listed == 0


@pytest.mark.parametrize(
    "key",
    [
        "frames/readme.txt",
        "frames/gate/",
        "frames/gate/picture.jpg",
        "frames/gate/20261302T000000.000000Z.jpg",
        "frames/Gate/20261102T000000.000000Z.jpg",
        "frames/gate/zz\x00",
        "frames//20261102T000000.000000Z.jpg",
        "frames/grüße 1/20261102T000000.000000Z.jpg",
    ],
)
def test_a_key_that_names_no_frame_is_counted_and_hinders_no_other(house: House, key: str) -> None:
    house.upload(key, age_s=3600)
    house.frame("gate", age_s=3600)
    house.frame("zoo", age_s=3600)

    report = house.swept()

    assert report.found == 2
    assert report.unreadable == (0 if key == "frames/gate/" else 1)
    assert house.swept().found == 0


# ---- bounds and failures ----


def test_without_time_nothing_begins_and_the_report_says_so(house: House) -> None:
    add(house, house.frame())

    report = house.swept(seconds=0)

    assert (report.resent, report.listed, report.out_of_time) == (0, 0, True)


def test_time_that_runs_out_halfway_loses_nothing(house: House) -> None:
    for camera in ("a", "b", "c"):
        house.frame(camera, age_s=3600)
    ticks = iter([9.0, 9.0, 9.0, 0.0])  # jobs, camera a, its keys, camera b

    report = house.sweep().run(lambda: next(ticks))

    assert (report.found, report.out_of_time) == (1, True)
    assert house.swept().found == 2


def test_jobs_are_swept_even_when_s3_is_out_of_reach(house: House) -> None:
    add(house, house.frame())
    house.store.offline = True

    report = house.swept()

    assert report.resent == 1
    assert report.listing_error == "S3 does not answer (the fake is offline)"


def test_a_database_out_of_reach_fails_the_run(house: House) -> None:
    house.db.close()
    broken = house.db.engine.url.database
    assert broken is not None
    Path(broken).write_bytes(b"this is no database, and it is long enough to be read as one" * 50)
    for suffix in ("-wal", "-shm"):
        Path(broken + suffix).unlink(missing_ok=True)

    with pytest.raises(Unavailable):
        house.swept()


def test_a_queue_out_of_reach_leaves_the_jobs_to_a_later_run(house: House) -> None:
    house.frame()
    house.queues.offline = True
    assert house.swept().found == 1

    house.queues.offline = False
    house.clock.advance(60)
    assert house.swept().resent == 1


def test_concurrent_sweeps_add_each_job_once(house: House) -> None:
    keys = [house.frame(camera, n, age_s=3600) for camera in ("a", "b") for n in range(3)]
    other = house.sweep()
    found = []

    def meanwhile() -> float:
        found.append(other.run(lambda: PLENTY_S).found)
        return PLENTY_S

    report = house.sweep().run(meanwhile)

    assert (report.found, sum(found)) == (0, 6)
    assert house.ledger.summary() == {"detection.frame": {"queued": len(keys)}}
    assert house.swept().listed == 0


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_uploads_in_any_order_with_sweeps_between_end_with_one_job_each(
    house: House, data: st.DataObject
) -> None:
    camera = f"c{data.draw(st.integers(0, 10**9), label='camera')}"
    seconds = data.draw(st.permutations(range(6)), label="order of upload")
    keys = []
    for second in seconds:
        keys.append(house.frame(camera, second, age_s=0))
        for _ in range(data.draw(st.integers(0, 2), label="sweeps")):
            house.swept(Limits(keys=data.draw(st.integers(1, 6), label="keys")))
        house.clock.advance(data.draw(st.sampled_from([0, 20, 300, 599]), label="pause"))
    house.clock.advance(86_400)
    house.swept()
    house.swept()

    states = house.ledger.states([f"frame:{key}" for key in keys])
    assert states == {f"frame:{key}": JobState.QUEUED for key in keys}
