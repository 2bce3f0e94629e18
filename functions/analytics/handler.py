"""Domain events in from the queue; the schedule of the roll-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.analytics.messages import QUEUE, Intake
from functions.analytics.schemas import RollupReport
from hearth.errors import InvalidInput
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob
from hearth.logging import emit, logger, with_request_id

RESERVE_S = 5
"""Kept back from the deadline: the longest single step."""


class Runner(Protocol):
    def run(self, time_left: Callable[[], float]) -> RollupReport: ...


def make_handler(ledger: Ledger, intake: Intake, event_types: Sequence[str]) -> Consumer:
    """The handler of the analytics queue; `event_types` are those that it subscribes to."""
    return Consumer(ledger, dict.fromkeys(event_types, intake.work), translate, QUEUE)


def translate(record: SQSRecord) -> list[NewJob]:
    """Nobody else writes to this queue.

    Raises:
        InvalidInput: Always.
    """
    raise InvalidInput(
        f"{str(record.body)[:80]!r} is no hint of a job; events go to POST /api/v1/analytics/events"
    )


def make_rollup_handler(rollup: Runner) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The handler of the schedule; the event itself says nothing that matters."""

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
