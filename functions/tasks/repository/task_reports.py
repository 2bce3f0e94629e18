"""Rows of `task_reports`: which reports have had their corrective task."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from functions.tasks.repository.tables import reports
from hearth.db import insert_for


def claim(tx: Connection, report_id: str, task_id: str, now: datetime) -> bool:
    """Claim a report for its corrective task; False when it has been claimed before."""
    claimed = tx.execute(
        insert_for(tx.dialect.name)(reports)
        .on_conflict_do_nothing(index_elements=["report_id"])
        .returning(reports.c.report_id),
        {"report_id": report_id, "task_id": task_id, "created_at": now},
    )
    return claimed.scalar_one_or_none() is not None


def get_task_id(tx: Connection, report_id: str) -> str | None:
    """The corrective task of a report."""
    found = tx.execute(select(reports.c.task_id).where(reports.c.report_id == report_id))
    return found.scalar_one_or_none()
