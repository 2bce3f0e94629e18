"""Queue events in, outcomes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from ${package}.worker import WORK
from hearth.ledger.consumer import Consumer, each

if TYPE_CHECKING:
    from ${package}.worker import ${title}Worker
    from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, worker: ${title}Worker) -> Consumer:
    """The Lambda handler of the queue `${slug}`."""
    return Consumer(ledger, {WORK: each(worker.work, ledger.now)}, translate)


def translate(record: SQSRecord) -> list[NewJob] | str:
    """Nobody but the ledger sends to this queue."""
    return f"{str(record.body)[:80]!r} is not a job notification"
