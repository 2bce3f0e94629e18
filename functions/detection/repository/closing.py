"""Closes and reopens incidents: a pure function of the set of their tasks' events, in any order."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from functions.detection.repository.tables import closings, incidents
from hearth.db import insert_for


def record_task_event(
    tx: Connection, incident_id: str, task_id: str, at: datetime, *, reopened: bool
) -> None:
    """Store that a task was completed or reopened, and close or reopen its incident accordingly.

    `updated_at` stays: it is when its frames changed the incident last.
    """
    of_incident = incidents.c.id == incident_id
    # Locks the row: two tasks at once would each miss the other's event.
    lock = update(incidents).where(of_incident).values(closed_at=incidents.c.closed_at)
    if tx.execute(lock).rowcount == 0:
        return
    fact = {"incident_id": incident_id, "task_id": task_id, "at": at, "reopened": reopened}
    tx.execute(insert_for(tx.dialect.name)(closings).on_conflict_do_nothing(), fact)
    c = closings.c
    events = select(c.task_id, c.at).where(c.incident_id == incident_id)
    reopenings = tx.execute(events.where(c.reopened).order_by(c.at)).all()
    last_reopened: dict[str, datetime] = {task: when for task, when in reopenings}  # noqa: C416
    closed_at = closed_by = None
    for task, when in tx.execute(events.where(~c.reopened).order_by(c.at, c.task_id)):
        if task not in last_reopened or when > last_reopened[task]:
            closed_at, closed_by = when, task
            break
    tx.execute(
        update(incidents).where(of_incident).values(closed_at=closed_at, closed_by_task=closed_by)
    )
