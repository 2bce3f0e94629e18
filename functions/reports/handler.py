"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.reports.mailroom import Mailroom
from functions.reports.messages import DIGEST, EMAIL, INCIDENT, QUEUE, TASK_CREATED, job_from_body
from functions.reports.service import ReportService
from hearth.ledger.consumer import Consumer, each
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, service: ReportService, mailroom: Mailroom) -> Consumer:
    """The Lambda handler of the reports queue."""
    return Consumer(
        ledger,
        {
            DIGEST: each(service.digest, ledger.now),
            EMAIL: mailroom.emails,
            INCIDENT: service.incidents,
            TASK_CREATED: each(service.task_created),
        },
        translate,
        QUEUE,
    )


def translate(record: SQSRecord) -> list[NewJob]:
    """The job that a message of others asks for: an incident (v2), or the original's v1 body.

    Raises:
        InvalidInput: It is neither.
    """
    return [job_from_body(record.json_body)]
