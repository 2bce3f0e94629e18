"""Rows of `task_history`: one for each version of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from functions.tasks.repository.tables import history

_h = history.c


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """The changes of one version."""

    version: int
    changed_by: str
    changed_at: datetime
    changes: list[dict[str, Any]]


def record(
    tx: Connection,
    task_id: str,
    version: int,
    changed_by: str,
    changed_at: datetime,
    changes: Sequence[Mapping[str, Any]],
) -> None:
    """Store the changes of a version (`field`, `old`, `new`)."""
    row = HistoryRow(version, changed_by, changed_at, [dict(change) for change in changes])
    tx.execute(history.insert(), asdict(row) | {"task_id": task_id})


def list_versions(tx: Connection, task_id: str, before: int | None, limit: int) -> list[HistoryRow]:
    """Versions of a task, the latest first, those below `before`."""
    query = (
        select(_h.version, _h.changed_by, _h.changed_at, _h.changes)
        .where(_h.task_id == task_id)
        .order_by(_h.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_h.version < before)
    return [HistoryRow(*row) for row in tx.execute(query)]


def delete_all(tx: Connection, task_id: str) -> None:
    """Delete the history of a task."""
    tx.execute(delete(history).where(_h.task_id == task_id))
