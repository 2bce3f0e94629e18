"""Domain events: facts, published to every capability that subscribes to them.

An event is a CloudEvent 1.0 (https://github.com/cloudevents/spec), as JSON:

    {"specversion": "1.0", "id": "…", "source": "/hearth/tasks", "type": "task.created",
     "time": "2026-11-21T08:00:00.000000Z", "subject": "<task id>", "dataschema": "task.created.v1",
     "datacontenttype": "application/json", "data": {…}}

It travels as one job of the ledger for each subscriber (kind: the event's type; queue: the
subscriber), inserted in the transaction of the fact. So one subscriber that fails is retried alone,
and becomes visible alone. The schema of `data` is `events/schemas/<dataschema>.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hearth.declarations import SUBSCRIBERS
from hearth.errors import InvalidInput
from hearth.ids import format_time, parse_time
from hearth.ledger.table import NewJob

SPEC_VERSION = "1.0"
_VERSION = re.compile(r"\.v([1-9][0-9]{0,3})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """A domain event.

    Args:
        type: Such as `task.created`.
        id: Unique within `type`, and the same when a fact is published again, such as
            `<task id>:<version>`.
        time: When it happened; timezone-aware.
        subject: Id of the thing it is about.
        data: JSON values; described by the schema.
        version: Of the schema of `data`.
    """

    type: str
    id: str
    time: datetime
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1


class Publisher:
    """Turns events into jobs.

    Args:
        source: Name of the capability that publishes.
        subscribers: Event type → queues; by default what the capabilities declare.
    """

    def __init__(self, source: str, subscribers: Mapping[str, Sequence[str]] = SUBSCRIBERS) -> None:
        self._source = source
        self._subscribers = subscribers

    def jobs(self, *events: Event) -> list[NewJob]:
        """One job for each event and subscriber: for `Ledger.add`."""
        return [
            NewJob(
                kind=event.type,
                queue=queue,
                dedupe_key=f"event:{event.type}:{event.id}:{queue}",
                payload=self._payload(event),
            )
            for event in events
            for queue in self._subscribers.get(event.type, ())
        ]

    def _payload(self, event: Event) -> dict[str, Any]:
        return {
            "specversion": SPEC_VERSION,
            "id": event.id,
            "source": f"/hearth/{self._source}",
            "type": event.type,
            "time": format_time(event.time),
            "subject": event.subject,
            "datacontenttype": "application/json",
            "dataschema": f"{event.type}.v{event.version}",
            "data": dict(event.data),
        }


def received(payload: Mapping[str, Any]) -> Event:
    """Return the event of a subscriber's job: the inverse of `Publisher`.

    `data` is not validated: a subscriber validates the fields that it needs and ignores others.

    Raises:
        InvalidInput: The payload is not a CloudEvent.
    """
    try:
        texts = {name: payload[name] for name in ("type", "id", "time", "subject", "dataschema")}
        data = payload["data"]
    except KeyError as error:
        raise InvalidInput(
            f"the job's payload is not a CloudEvent: {error.args[0]} is missing"
        ) from error
    wrong = next((name for name, value in texts.items() if not isinstance(value, str)), None)
    if wrong is not None or not isinstance(data, Mapping):
        raise InvalidInput(
            f"the job's payload is not a CloudEvent: {wrong or 'data'} has the wrong type"
        )
    version = _VERSION.search(texts["dataschema"])
    if version is None:
        raise InvalidInput(f"dataschema {texts['dataschema'][:80]!r} names no version, such as .v1")
    return Event(
        type=texts["type"],
        id=texts["id"],
        time=parse_time(texts["time"]),
        subject=texts["subject"],
        data=data,
        version=int(version[1]),
    )
