"""Queue work: counts domain events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from functions.analytics.buckets import EARLIEST, LATEST
from functions.analytics.repository.events import EventRow, add_events
from hearth.errors import InvalidInput
from hearth.http.query import TimeParameter
from hearth.ids import utc_now
from hearth.ledger.consumer import Deadline, Done, Failed, Outcome
from hearth.ledger.ledger import Job, UnitOfWork
from hearth.parsing import parse_model

QUEUE = "analytics"
_SOURCE = "/hearth/"
_log = logging.getLogger(__name__)


class CloudEvent(BaseModel):
    """The fields of an event that are read; `data` is not stored, because it may name people."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    source: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    type: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    time: TimeParameter
    subject: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00]*$")] = ""


class EventWorker:
    """Stores one row for each domain event."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    def work(self, jobs: Sequence[Job], _: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """Record the events of a batch."""
        for job in jobs:
            try:
                row = self._row(job.payload)
            except InvalidInput as error:
                yield job, Failed(error)
            else:
                yield job, Done(None if row is None else partial(_write, row=row))

    def _row(self, payload: Mapping[str, Any]) -> EventRow | None:
        """None for an event of a time that no query reaches, as of a recording with a wrong date.

        Raises:
            InvalidInput: It is not a CloudEvent.
        """
        event = parse_model(CloudEvent, payload, "the CloudEvent")
        if not EARLIEST <= event.time < LATEST:
            _log.warning("event %s is not counted: %s is out of range", event.id, event.time)
            return None
        return EventRow(
            key=f"{event.source}/{event.type}/{event.id}",
            event_type=event.type,
            service=event.source.removeprefix(_SOURCE),
            severity="",
            user_id=None,
            metadata={"subject": event.subject},
            at=event.time,
            received_at=self._now(),
        )


def _write(work: UnitOfWork, row: EventRow) -> None:
    add_events(work.tx, [row])
