"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.notifications.delivery import MessageDelivery
from functions.notifications.messages import DIGEST, QUEUE, SEND
from functions.notifications.notices import EVENTS
from functions.notifications.worker import NotificationPlanner
from hearth.errors import InvalidInput
from hearth.ledger.consumer import Consumer, each
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(
    ledger: Ledger, planner: NotificationPlanner, delivery: MessageDelivery
) -> Consumer:
    """Build the Lambda handler of the notifications queue."""
    plan_event = each(planner.plan_event)
    return Consumer(
        ledger,
        {
            SEND: delivery.send,
            DIGEST: each(planner.build_digest),
            **dict.fromkeys(EVENTS, plan_event),
        },
        translate,
        QUEUE,
    )


def translate(record: SQSRecord) -> list[NewJob]:
    """Reject a message that is not a job notification.

    Raises:
        InvalidInput: Always.
    """
    raise InvalidInput("the message is not a job notification; publish a domain event instead")
