"""Unit of work with a transactional outbox.

`Ledger.transact` runs a function in one transaction and hands it a `UnitOfWork`. What the function
emits or adds is inserted in that transaction and announced to the queues after the commit, so a
fact and the jobs that follow from it are stored together or not at all.
https://microservices.io/patterns/data/transactional-outbox.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hearth.ledger.table import delete_queued

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.ledger.events import Event
    from hearth.ledger.ledger import Ledger
    from hearth.ledger.table import Job, NewJob

SYSTEM: Final = "hearth"
"""The actor of what no person asked for."""


class UnitOfWork:
    """One attempt at a transaction, with an outbox of its own.

    Attributes:
        tx: The open transaction.
        actor: Id of the user who acts, or `SYSTEM`.
        now: When this attempt began, timezone-aware.
    """

    def __init__(self, ledger: Ledger, tx: Connection, actor: str) -> None:
        self.tx = tx
        self.actor = actor
        self.now = ledger.now()
        self._ledger = ledger
        self._pending: list[NewJob] = []
        self._inserted: list[Job] = []

    def emit(self, *events: Event) -> None:
        """Publish domain events: one job for each event and subscriber."""
        publisher = self._ledger.publisher
        if publisher is None:
            raise RuntimeError("the ledger has no publisher: use connect(settings, source=…)")
        self._pending += publisher.jobs(*events)

    def add(self, *jobs: NewJob) -> None:
        """Add jobs; one whose dedupe key exists already is announced again when it is queued."""
        self._pending += jobs

    def cancel(self, *dedupe_keys: str) -> None:
        """Delete those jobs that are still queued; a notification of one finds nothing to do."""
        delete_queued(self.tx, dedupe_keys)

    def flush(self) -> list[Job]:
        """Insert what was added since the last flush; the answer is every row of this outbox.

        Called before the commit. A function that needs the rows of its jobs calls it earlier.

        Raises:
            Unavailable: another transaction is adding the same job.
        """
        pending, self._pending = self._pending, []
        self._inserted += self._ledger.add(self.tx, pending)
        return self._inserted
