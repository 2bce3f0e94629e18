"""Queue messages of `tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.tasks.reminders import REMIND
from functions.tasks.worker import INCIDENT_REVIEWED, REPORT_READY
from hearth.ledger.consumer import Consumer, each

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from functions.tasks.worker import TaskWorker
    from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, worker: TaskWorker) -> Consumer:
    """Build the Lambda handler of the tasks queue."""
    work = {
        # The first kind names the queue under which unreadable messages are filed.
        REMIND: each(worker.send_reminder, ledger.now),
        REPORT_READY: each(worker.create_corrective_task, ledger.now),
        INCIDENT_REVIEWED: each(worker.follow_review, ledger.now),
    }
    return Consumer(ledger, work, translate)


def translate(record: SQSRecord) -> list[NewJob] | str:
    """Ignore every message that is not a job notification: only the ledger sends to this queue."""
    return f"{str(record.body)[:80]!r} is not a job notification"
