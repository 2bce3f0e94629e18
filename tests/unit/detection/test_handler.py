"""What a message of the detection queue asks for."""

from __future__ import annotations

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.detection.handler import translate
from hearth.errors import HearthError
from tests.support.events import load_event


def records(name: str) -> list[SQSRecord]:
    return [SQSRecord(record) for record in load_event(f"detection/{name}")["Records"]]


def keys(name: str) -> list[tuple[str, str]]:
    jobs = translate(records(name)[0])
    assert not isinstance(jobs, str)
    return [(job.kind, job.payload["key"]) for job in jobs]


def test_one_upload_becomes_one_frame_job() -> None:
    assert keys("sqs_s3_one_frame") == [
        ("detection.frame", "frames/gate/20261102T073001.000000Z.jpg")
    ]


def test_one_message_can_hold_several_uploads_of_both_kinds() -> None:
    assert [kind for kind, _ in keys("sqs_s3_two_frames_and_end_in_one_message")] == [
        "detection.frame",
        "detection.frame",
        "detection.end",
    ]


def test_a_key_is_url_decoded() -> None:
    assert keys("sqs_s3_key_url_encoded") == keys("sqs_s3_one_frame")


def test_a_key_that_is_not_a_frame_becomes_a_job_that_fails_visibly() -> None:
    assert keys("sqs_s3_second_key_names_no_frame") == [
        ("detection.frame", "frames/gate/20261102T073001.000000Z.jpg"),
        ("detection.frame", "frames/Main Gate/holiday picture.jpg"),
    ]


def test_removals_and_other_prefixes_are_ignored() -> None:
    assert translate(records("sqs_s3_removed_and_other_prefix")[0]) == "no frame was created"


@pytest.mark.parametrize("number", [2, 3])
def test_a_message_that_is_not_an_s3_notification_is_rejected(number: int) -> None:
    with pytest.raises(HearthError):
        translate(records("sqs_malformed_bodies")[number])
