"""Runs a sweep on schedule and reports its counts as metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from hearth.logging import emit, logger, with_request_id

if TYPE_CHECKING:
    from functions.sweep.service import Sweep

RESERVE_S = 5
"""Seconds reserved before the deadline for the longest single step, a slow page of S3."""


def make_handler(service: Sweep) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Build the Lambda handler of the schedule; the event's content is not used."""

    @with_request_id
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        report = service.run(lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_S)
        counts = {
            "JobsExpired": report.expired,
            "JobsResent": report.resent,
            "JobsPruned": report.pruned,
            "FramesFound": report.found,
            "KeysListed": report.listed,
            "KeysUnreadable": report.unreadable,
            "ListingFailed": report.listing_error is not None,
            "OutOfTime": report.out_of_time,
        }
        emit({name: (float(count), MetricUnit.Count) for name, count in counts.items()})
        log = logger.info if report.listing_error is None else logger.error
        log("swept", **report.model_dump())
        return report.model_dump()

    return handler
