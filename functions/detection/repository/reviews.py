"""Reviews of incidents: rows are added, never changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from functions.detection.repository.tables import incidents, reviews
from functions.detection.schemas import ReviewOut
from hearth.db import insert_for


def list_reviews(tx: Connection, incident_id: str) -> list[ReviewOut]:
    """The reviews of an incident, in order of time."""
    c = reviews.c
    rows = tx.execute(
        select(c.verdict, c.reason, c.reviewed_by, c.reviewed_at)
        .where(c.incident_id == incident_id)
        .order_by(c.reviewed_at, c.id)
    )
    return [ReviewOut.model_validate(row._asdict()) for row in rows]


def count_reviews(tx: Connection) -> dict[str, dict[str, int]]:
    """Camera → verdict → incidents of which it is the latest review."""
    c = incidents.c
    rows = tx.execute(
        select(c.camera_id, c.review, func.count())
        .where(c.review.is_not(None), c.continuation_of.is_(None))
        .group_by(c.camera_id, c.review)
    )
    counts: dict[str, dict[str, int]] = {}
    for camera_id, verdict, number in rows:
        counts.setdefault(camera_id, {})[verdict] = number
    return counts


def add_review(
    tx: Connection, review_id: str, incident_id: str, review: ReviewOut, now: datetime
) -> None:
    """Store a review, and note it at the incident as its latest."""
    tx.execute(
        insert_for(tx.dialect.name)(reviews).values(
            id=review_id, incident_id=incident_id, **(review.model_dump() | {"reviewed_at": now})
        )
    )
    tx.execute(
        update(incidents)
        .where(incidents.c.id == incident_id)
        .values(review=review.verdict, reviewed_at=now)
    )
