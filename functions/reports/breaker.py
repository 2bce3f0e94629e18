"""Circuit breaker: stop asking what keeps failing, for all replicas at once.

    closed ──5 failed calls in a row──▶ open ──30 s──▶ half-open ──probe succeeds──▶ closed
                                         ▲                 └──probe fails──▶ open

The state is in the database, because a Lambda's memory is neither shared nor lasting.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.reports.repository import breakers
from hearth.ids import utc_now

if TYPE_CHECKING:
    from hearth.db import Database

THRESHOLD = 5
OPEN_FOR = timedelta(seconds=30)
PROBE_FOR = timedelta(seconds=60)
"""How long one caller may probe before another may: longer than any call takes."""


class CircuitBreaker:
    """One breaker.

    Args:
        db: Where its state is.
        name: Which; one for each endpoint and model.
        now: The present, UTC.
        threshold: Failed logical calls in a row that open it; retries inside a call don't count.
        open_for: How long it stays open before one probe is let through.
    """

    def __init__(
        self,
        db: Database,
        name: str,
        now: Callable[[], datetime] = utc_now,
        threshold: int = THRESHOLD,
        open_for: timedelta = OPEN_FOR,
    ) -> None:
        self._db = db
        self._name = name
        self._now = now
        self._threshold = threshold
        self._open_for = open_for

    def allows(self) -> bool:
        """Whether to make the call; when half-open, True for one caller at a time.

        Raises:
            Unavailable: The database does not answer.
        """
        state = self._db.read(lambda tx: breakers.get_breaker(tx, self._name))
        if state.opened_at is None:
            return True
        now = self._now()
        if now < state.opened_at + self._open_for:
            return False
        return self._db.write(lambda tx: breakers.take_probe(tx, self._name, now, now + PROBE_FOR))

    def succeeded(self) -> None:
        """Close it; nothing is written when it had nothing to forget."""
        state = self._db.read(lambda tx: breakers.get_breaker(tx, self._name))
        if state.failures:
            self._db.write(lambda tx: breakers.close_breaker(tx, self._name, self._now()))

    def failed(self) -> None:
        """Count one failed logical call."""
        self._db.write(
            lambda tx: breakers.add_failure(tx, self._name, self._now(), self._threshold)
        )
