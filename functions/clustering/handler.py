"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.clustering.jobs import KIND, QUEUE
from functions.clustering.worker import Worker
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, worker: Worker) -> Consumer:
    """Build the Lambda handler of the clustering queue."""
    return Consumer(ledger, {KIND: worker.work}, translate, QUEUE)


def translate(record: SQSRecord) -> list[NewJob] | str:
    """Reject a message that is not a job notification."""
    return f"{str(record.body)[:80]!r} is not a job notification"
