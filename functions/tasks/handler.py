"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.tasks.corrective import REPORT_READY, Inbox
from functions.tasks.writer import REMIND
from hearth.ledger.consumer import Consumer, each
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, inbox: Inbox) -> Consumer:
    """The Lambda handler of the tasks queue."""
    work = {
        # First: what cannot be read is filed under `tasks`.
        REMIND: each(inbox.remind, ledger.now),
        REPORT_READY: each(inbox.report_ready, ledger.now),
    }
    return Consumer(ledger, work, translate)


def translate(record: SQSRecord) -> list[NewJob] | str:
    """Nobody but the ledger sends to this queue."""
    return f"{str(record.body)[:80]!r} is no hint of the ledger"
