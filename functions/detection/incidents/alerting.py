"""Tells people of an incident when it begins, and while it goes on of what is worse.

The evidence is drawn from the frame that is the peak so far. An image that cannot be drawn holds
back no alert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from functions.detection.incidents.event import started_event, updated_event
from functions.detection.incidents.settle_jobs import CONTINUED, STARTED
from functions.detection.incidents.settling import EvidenceSettings, get_peak, store_evidence
from functions.detection.policy import Policy
from functions.detection.repository.incident_rows import (
    get_incident,
    list_chain,
    update_incident,
)
from functions.detection.repository.tables import ENDED, OPEN
from functions.detection.schemas import Evidence
from hearth.errors import HearthError
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.ledger import Job, Ledger, UnitOfWork
from hearth.logging import logger
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Row


class AlertService:
    """Publishes the start and the changes of incidents.

    Args:
        policy: The policy in force.
        settings: Called on first use: it may load a face detector.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        policy: Callable[[], Policy],
        settings: Callable[[], EvidenceSettings],
    ) -> None:
        self._db = ledger.db
        self._store = store
        self._policy = policy
        self._settings = settings

    def alert(self, job: Job) -> Outcome:
        """Publish one change of an incident; one that is none any more is skipped.

        Raises:
            NotFound: its peak frame is not stored.
        """
        incident_id, change = job.payload["incident_id"], job.payload["change"]
        row = self._db.read(lambda tx: get_incident(tx, incident_id))
        if row is None or row.state not in (OPEN, ENDED) or not self._is_news(row, change):
            return Done()
        peak = self._db.read(lambda tx: get_peak(tx, row))
        evidence = self._draw(row, peak, change)
        site = self._settings().site
        if change == STARTED:
            event = started_event(row, peak, evidence, site)
        else:
            event = updated_event(row, change, peak, evidence, site)

        def write(work: UnitOfWork) -> None:
            if evidence is not None:
                shown = evidence.model_dump(mode="json")
                update_incident(work.tx, row.id, {"alert_evidence": shown})
            work.emit(event)

        return Done(write)

    def _is_news(self, row: Row[Any], change: str) -> bool:
        if row.continuation_of is None:
            return True
        parts = self._db.read(lambda tx: list_chain(tx, row.continuation_of))
        if change == CONTINUED:
            # After one, two, four … times the longest episode: seldom, however long it lasts.
            number = sum(1 for part in parts if part.first_seen < row.first_seen)
            return number & (number - 1) == 0
        known = {one["class_name"] for part in parts if part.id != row.id for one in part.classes}
        return change.startswith("class-") and change.removeprefix("class-") not in known

    def _draw(self, row: Row[Any], peak: Row[Any], change: str) -> Evidence | None:
        try:
            rules = self._policy().rules(row.camera_id)
            key = f"evidence/alerts/{row.id}.{change}.jpg"
            return store_evidence(self._store, row, peak, rules, self._settings(), key)
        except HearthError as error:
            logger.warning("an alert has no image", incident_id=row.id, reason=error.message)
            return None
