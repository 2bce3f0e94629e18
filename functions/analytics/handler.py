"""Queue events in, outcomes out; and the schedule of the roll-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.analytics.worker import QUEUE, EventWorker
from hearth.errors import InvalidInput
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob
from hearth.logging import emit, logger, with_request_id

if TYPE_CHECKING:
    from functions.analytics.rollup import Rollup

RESERVE_S = 5
"""Seconds reserved before the deadline for the longest single step."""


def make_handler(ledger: Ledger, worker: EventWorker, event_types: Sequence[str]) -> Consumer:
    """Build the Lambda handler of the analytics queue for the events that it subscribes to."""
    return Consumer(ledger, dict.fromkeys(event_types, worker.work), translate, QUEUE)


def translate(record: SQSRecord) -> list[NewJob]:
    """Reject a message that is not a job notification.

    Raises:
        InvalidInput: Always.
    """
    raise InvalidInput(
        f"{str(record.body)[:80]!r} is not a job notification; "
        "send events to POST /api/v1/analytics/events"
    )


def make_rollup_handler(rollup: Rollup) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Build the Lambda handler of the schedule; the event's content is not used."""

    @with_request_id
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        report = rollup.run(lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_S)
        counts = {
            "EventsRolledUp": report.rolled,
            "EventsForgotten": report.forgotten,
            "OutOfTime": report.out_of_time,
        }
        emit({name: (float(count), MetricUnit.Count) for name, count in counts.items()})
        logger.info("rolled up", **report.model_dump())
        return report.model_dump()

    return handler
