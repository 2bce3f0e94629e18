"""Schedule in, sweep, counts out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit

from functions.sweep.schemas import SweepReport
from hearth.logging import emit, logger, with_request_id

RESERVE_S = 5
"""Kept back from the deadline: the longest single step, a page of S3 that is slow to come."""


class Service(Protocol):
    def run(self, time_left: Callable[[], float]) -> SweepReport: ...


def make_handler(service: Service) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The handler of the schedule; the event itself says nothing that matters."""

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
