"""Queue messages in, outcomes out."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.notifications.messages import DIGEST, QUEUE, SEND
from functions.notifications.notices import EVENTS
from functions.notifications.sending import Postman
from functions.notifications.service import Notifier
from hearth.errors import InvalidInput
from hearth.ledger.consumer import Consumer, each
from hearth.ledger.ledger import Ledger, NewJob


def make_handler(ledger: Ledger, notifier: Notifier, postman: Postman) -> Consumer:
    """The Lambda handler of the notifications queue."""
    tell = each(notifier.event)
    return Consumer(
        ledger,
        {
            SEND: postman.send,
            DIGEST: each(notifier.digest),
            **dict.fromkeys(EVENTS, tell),
        },
        translate,
        QUEUE,
    )


def translate(record: SQSRecord) -> list[NewJob]:
    """No foreign message is read here.

    Raises:
        InvalidInput: Always.
    """
    raise InvalidInput("the message is no hint of the ledger; publish a domain event instead")
