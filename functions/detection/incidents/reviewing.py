"""Stores what people say of incidents, and has reports, tasks and counts follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from functions.detection.repository.incident_rows import get_incident
from functions.detection.repository.reviews import add_review
from functions.detection.repository.tables import ENDED, OPEN
from functions.detection.schemas import IncidentReviewed, ReviewIn, ReviewOut
from hearth.errors import Conflict, NotFound
from hearth.frames import QUEUE
from hearth.ids import new_ulid, utc_now
from hearth.ledger.events import Event
from hearth.ledger.ledger import Ledger, NewJob, UnitOfWork
from hearth.principal import Principal

REVIEW: Final = "detection.review"
INCIDENT_REVIEWED: Final = "safety.incident.reviewed"


class ReviewService:
    """Reviews incidents; the latest review counts, and each is kept."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._now = now

    def review(self, incident_id: str, given: ReviewIn, principal: Principal) -> str:
        """Store a review of an incident; of one of its parts, it is one of the whole.

        Returns:
            The id of the whole incident.

        Raises:
            NotFound: no such incident.
            Conflict: it has become part of another one.
        """

        def write(work: UnitOfWork) -> str:
            row = get_incident(work.tx, incident_id)
            if row is None or (row.state not in (OPEN, ENDED) and row.revision == 1):
                raise NotFound(f"incident {incident_id[:80]!r} does not exist")
            if row.state not in (OPEN, ENDED):
                raise Conflict(f"incident {incident_id} has been superseded; review the later one")
            whole_id: str = row.continuation_of or row.id
            now, review_id = self._now(), new_ulid()
            review = ReviewOut(
                verdict=given.verdict,
                reason=given.reason,
                reviewed_by=principal.id,
                reviewed_at=now,
            )
            add_review(work.tx, review_id, whole_id, review, now)
            data = IncidentReviewed(
                incident_id=whole_id, camera_id=row.camera_id, zone=row.zone or None, review=review
            )
            work.emit(
                Event(INCIDENT_REVIEWED, review_id, now, whole_id, data.model_dump(mode="json"))
            )
            # The report tells of it, in a new revision.
            work.add(NewJob(REVIEW, QUEUE, f"review:{review_id}", {"incident_id": whole_id}))
            return whole_id

        return self._ledger.transact(write, principal.id)
