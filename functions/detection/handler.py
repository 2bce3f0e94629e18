"""Queue events in: turns S3 notifications of frames and end markers into jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.detection.incidents.settle_jobs import ALERT
from hearth.errors import InvalidInput
from hearth.frames import FRAMES_PREFIX, QUEUE, FrameKind, frame_job
from hearth.ledger.consumer import Consumer, Work
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, work: Mapping[str, Work]) -> Consumer:
    """Builds the Lambda handler of the detection queue."""
    return Consumer(ledger, work, translate, at_once=(ALERT,))


def translate(record: SQSRecord) -> list[NewJob] | str:
    """The jobs of one S3 notification, or a text with the reason why there are none.

    Raises:
        InvalidInput: not a notification of S3.
    """
    entries = record.json_body.get("Records")
    if not isinstance(entries, list):
        raise InvalidInput("the message is neither a job notification nor an S3 notification")
    keys = [_created_key(entry) for entry in entries]
    wanted = [key for key in keys if key is not None and key.startswith(FRAMES_PREFIX)]
    return [_job(key) for key in wanted] or "no frame was created"


def _created_key(entry: Any) -> str | None:
    """The decoded key of a new object, or None for any other event."""
    try:
        created = str(entry["eventName"]).removeprefix("s3:").startswith("ObjectCreated:")
        # S3 encodes keys as a form does: a space arrives as "+".
        return unquote_plus(entry["s3"]["object"]["key"]) if created else None
    except (AttributeError, KeyError, TypeError):
        raise InvalidInput("an S3 notification lacks eventName or s3.object.key") from None


def _job(key: str) -> NewJob:
    try:
        return frame_job(key)
    except InvalidInput:
        # A job of its own: it fails visibly, and the others of its batch go on.
        name = f"frame:{key}"
        return NewJob(FrameKind.FRAME.value, QUEUE, name, {"key": key})
