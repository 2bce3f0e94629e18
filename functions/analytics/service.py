"""Records events that programs send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from functions.analytics.buckets import EARLIEST
from functions.analytics.queries import AnalyticsQueries
from functions.analytics.repository.events import EventRow, add_events
from functions.analytics.schemas import EventIn, HealthOut
from hearth.db import Database, encode_json
from hearth.errors import Forbidden, InvalidInput, TooLarge
from hearth.ids import new_ulid, utc_now
from hearth.principal import Principal

MAX_METADATA_BYTES = 8 * 1024
MAX_METADATA_DEPTH = 8
_AHEAD = timedelta(days=1)


class AnalyticsService:
    """Records events; `queries` and `health` answer what the API reads.

    Args:
        zone: The site's time zone (IANA name).
        health: Checks the health of the system.
    """

    def __init__(
        self,
        db: Database,
        zone: str,
        health: Callable[[], HealthOut],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self.queries = AnalyticsQueries(db, zone, now)
        self.health = health
        self._now = now

    def record(self, principal: Principal, events: Sequence[EventIn]) -> list[str]:
        """Record events, all or none, and return their ids.

        Raises:
            InvalidInput: A time is out of range, or metadata is not JSON or nested too deep.
            TooLarge: Metadata has more than 8 kB.
            Forbidden: An event is in the name of another user.
        """
        now = self._now()
        ids = [event.event_id or new_ulid() for event in events]
        rows = [_row(principal, event, name, now) for event, name in zip(events, ids, strict=True)]
        self._db.write(partial(add_events, rows=rows))
        return ids


def _row(principal: Principal, event: EventIn, name: str, now: datetime) -> EventRow:
    user_id = event.user_id or principal.id
    if user_id != principal.id and not principal.may("analytics:read"):
        raise Forbidden("an event in the name of another user needs the permission analytics:read")
    at = event.timestamp or now
    if not EARLIEST <= at <= now + _AHEAD:
        raise InvalidInput(
            f"timestamp {at.isoformat()} is out of range; give a time from {EARLIEST.year} to a "
            "day from now"
        )
    _check_metadata(event.metadata)
    return EventRow(
        key=f"user/{principal.id}/{name}",
        event_type=event.event_type,
        service=event.service or "",
        severity=event.severity or "",
        user_id=user_id,
        metadata=event.metadata,
        at=at,
        received_at=now,
    )


def _check_metadata(metadata: dict[str, Any]) -> None:
    size = len(encode_json(metadata))
    if size > MAX_METADATA_BYTES:
        raise TooLarge(f"metadata has {size} bytes; at most {MAX_METADATA_BYTES} are stored")
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    if level:
        raise InvalidInput(f"metadata is nested more than {MAX_METADATA_DEPTH} deep")
