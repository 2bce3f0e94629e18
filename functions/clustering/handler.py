"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.clustering.jobs import KIND, QUEUE
from functions.clustering.worker import Worker
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, worker: Worker) -> Consumer:
    """The Lambda handler of the clustering queue."""
    return Consumer(ledger, {KIND: worker.work}, translate, QUEUE)


def translate(record: SQSRecord) -> list[NewJob] | str:
    """Nobody but the ledger sends to this queue."""
    return f"{str(record.body)[:80]!r} is no hint of the ledger"
