from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from functions.sweep.handler import make_handler
from functions.sweep.schemas import SweepReport
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


class Swept:
    """A sweep that found `report`, and notes how much time it was given."""

    def __init__(self, report: SweepReport) -> None:
        self._report = report
        self.time_left = 0.0

    def run(self, time_left: Callable[[], float]) -> SweepReport:
        self.time_left = time_left()
        return self._report


def test_the_schedule_starts_a_sweep_that_stops_five_seconds_before_the_deadline() -> None:
    service = Swept(SweepReport(found=3))

    answer = make_handler(service)(
        load_event("sweep/scheduler_every_minute"), LambdaContext(remaining_s=55)
    )

    assert service.time_left == pytest.approx(50)
    assert answer == SweepReport(found=3).model_dump()
    json.dumps(answer)


def test_the_counts_are_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    service = Swept(SweepReport(found=3, listing_error="S3 does not answer"))

    make_handler(service)(load_event("sweep/scheduler_every_minute"), LambdaContext())

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = (line for line in lines if "_aws" in line)
    assert metrics["FramesFound"] == [3.0]
    assert metrics["ListingFailed"] == [1.0]
    assert metrics["JobsResent"] == [0.0]
