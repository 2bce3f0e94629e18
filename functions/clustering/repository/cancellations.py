"""Jobs that somebody wants to stop. Each function works in the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from functions.clustering.repository.tables import cancellations_table
from hearth.db import insert_for

_c = cancellations_table.c


def ask(tx: Connection, job_id: str, who: str, now: datetime) -> None:
    """Note that a job is to stop; asking twice changes nothing."""
    insert = insert_for(tx.dialect.name)(cancellations_table)
    tx.execute(
        insert.on_conflict_do_nothing(index_elements=["job_id"]),
        {"job_id": job_id, "requested_at": now, "requested_by": who},
    )


def is_asked(tx: Connection, job_id: str) -> bool:
    """Whether a job is to stop."""
    query = select(_c.job_id).where(_c.job_id == job_id)
    return tx.execute(query).one_or_none() is not None
