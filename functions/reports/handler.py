"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.reports.email_delivery import EmailDelivery
from functions.reports.messages import DIGEST, EMAIL, INCIDENT, QUEUE, TASK_CREATED, job_from_body
from functions.reports.worker import ReportWorker
from hearth.ledger.consumer import Consumer, each
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, worker: ReportWorker, delivery: EmailDelivery) -> Consumer:
    """Build the Lambda handler of the reports queue."""
    return Consumer(
        ledger,
        {
            DIGEST: each(worker.make_digest, ledger.now),
            EMAIL: delivery.send,
            INCIDENT: worker.make_reports,
            TASK_CREATED: each(worker.link_task),
        },
        translate,
        QUEUE,
    )


def translate(record: SQSRecord) -> list[NewJob]:
    """Translate a foreign message, an incident event (v2) or a violation (v1), into a job.

    Raises:
        InvalidInput: The message is neither.
    """
    return [job_from_body(record.json_body)]
