"""The table of requested cancellations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from functions.clustering.repository.tables import cancellations_table
from hearth.db import insert_for

_c = cancellations_table.c


def request_cancellation(tx: Connection, job_id: str, who: str, now: datetime) -> None:
    """Record the request to cancel a job. Idempotent."""
    insert = insert_for(tx.dialect.name)(cancellations_table)
    tx.execute(
        insert.on_conflict_do_nothing(index_elements=["job_id"]),
        {"job_id": job_id, "requested_at": now, "requested_by": who},
    )


def is_cancellation_requested(tx: Connection, job_id: str) -> bool:
    """Whether the cancellation of a job was requested."""
    query = select(_c.job_id).where(_c.job_id == job_id)
    return tx.execute(query).one_or_none() is not None
