"""What was lost is found again, and what failed can be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.driver import Stack, hearth, person, until


@contextmanager
def unannounced(it: Stack) -> Iterator[None]:
    """S3 tells nobody about what is put while the block runs."""
    s3, bucket = it.client("s3"), it.state.bucket
    kept = s3.get_bucket_notification_configuration(Bucket=bucket)
    kept.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=kept)


@pytest.mark.slow
def test_frames_without_a_notification_are_found_by_the_sweep(
    shared_stack: Stack, camera: str
) -> None:
    with unannounced(shared_stack):
        keys = shared_stack.put_frames(camera, [person()] * 3)
    assert shared_stack.invoke("sweep")["listing_error"] is None
    # The sweep leaves what is younger than 15 s to its own notification.
    assert shared_stack.of_camera(camera) == {}

    def swept() -> bool:
        shared_stack.invoke("sweep")
        return len(shared_stack.of_camera(camera)) == len(keys)

    until(swept, 40)
    jobs = shared_stack.settle(keys)
    assert {job["state"] for job in jobs.values()} == {"done"}
    [incident] = shared_stack.incidents(camera)
    assert incident["frames_observed"] == 3


@pytest.mark.slow
def test_a_failed_frame_can_be_retried_by_hand(shared_stack: Stack, camera: str) -> None:
    keys = shared_stack.put_frames(camera, [person(), person()[:3000], person(), person()])
    job = shared_stack.settle(keys)[keys[1]]
    assert job["state"] == "failed"
    before = shared_stack.incidents(camera)

    shared_stack.put(keys[1], person())
    data = shared_stack.data
    retried = hearth("jobs", "retry", job["id"], data=data)
    assert retried.code == 0, retried.err
    jobs = shared_stack.settle(keys)

    assert jobs[keys[1]]["state"] == "done"
    assert jobs[keys[1]]["error"] is None
    [incident] = shared_stack.incidents(camera)
    assert [i["incident_id"] for i in before] == [incident["incident_id"]]
    assert (incident["frames_observed"], incident["revision"]) == (4, 2)
    report = shared_stack.get(f"/reports/{incident['incident_id']}")
    assert report["revision"] == 2

    again = hearth("jobs", "retry", job["id"], data=data)
    assert again.code == 1
    assert "only a failed job can be retried" in again.err
