"""Circuit breaker: stops calls to a provider that keeps failing, for all replicas at once.

    closed ──5 failed calls in a row──▶ open ──30 s──▶ half-open ──probe succeeds──▶ closed
                                         ▲                 └──probe fails──▶ open

The state is in the database, because a Lambda's memory is neither shared nor persistent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hearth.ids import utc_now
from hearth_llm import breaker_table

if TYPE_CHECKING:
    from hearth.db import Database

THRESHOLD = 5
OPEN_FOR = timedelta(seconds=30)
PROBE_FOR = timedelta(seconds=60)
"""How long one caller may probe before another one may; longer than any call takes."""


class CircuitBreaker:
    """The circuit breaker of one provider.

    Args:
        name: Names the endpoint and model.
        threshold: Failed calls in a row that open it; retries inside a call do not count.
        open_for: How long it stays open before it allows one probe.
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

    def allows_call(self) -> bool:
        """Whether to make the call; when half-open, true for one caller at a time.

        Raises:
            Unavailable: The database does not answer.
        """
        state = self._db.read(lambda tx: breaker_table.get_breaker(tx, self._name))
        if state.opened_at is None:
            return True
        now = self._now()
        if now < state.opened_at + self._open_for:
            return False
        return self._db.write(
            lambda tx: breaker_table.claim_probe(tx, self._name, now, now + PROBE_FOR)
        )

    def record_success(self) -> None:
        """Close the breaker; writes only when failures were counted."""
        state = self._db.read(lambda tx: breaker_table.get_breaker(tx, self._name))
        if state.failures:
            self._db.write(lambda tx: breaker_table.close_breaker(tx, self._name, self._now()))

    def record_failure(self) -> None:
        """Count one failed call."""
        self._db.write(
            lambda tx: breaker_table.add_failure(tx, self._name, self._now(), self._threshold)
        )
