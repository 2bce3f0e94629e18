"""Which task waits for which, and which is part of which."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, func, select

from functions.tasks.repository.search import OPEN
from functions.tasks.repository.tables import dependencies, locks, tasks
from hearth.db import insert_for

_d = dependencies.c
_GRAPH = "graph"


def take_turn(tx: Connection) -> None:
    """Wait until nobody else changes the graph; until the end of the transaction nobody will.

    Two transactions that each add an edge of one circle would both find none.
    """
    insert = insert_for(tx.dialect.name)(locks)
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["name"], set_={"taken": (locks.c.taken + 1) % 1_000_000}
        ),
        {"name": _GRAPH, "taken": 0},
    )


def needs(tx: Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """What each of some tasks waits for; those that wait for nothing are left out."""
    found: dict[str, list[str]] = {}
    query = select(_d.task_id, _d.needs_id).where(_d.task_id.in_(ids))
    for task_id, needs_id in tx.execute(query.order_by(_d.task_id, _d.needs_id)):
        found.setdefault(task_id, []).append(needs_id)
    return found


def needed_by(tx: Connection, task_id: str, limit: int) -> list[str]:
    """What waits for a task."""
    query = select(_d.task_id).where(_d.needs_id == task_id).order_by(_d.task_id).limit(limit)
    return list(tx.execute(query).scalars())


def add(tx: Connection, task_id: str, needs_id: str) -> bool:
    """Let one task wait for another; False when it does so already."""
    added = tx.execute(
        insert_for(tx.dialect.name)(dependencies).on_conflict_do_nothing().returning(_d.task_id),
        {"task_id": task_id, "needs_id": needs_id},
    )
    return added.scalar_one_or_none() is not None


def drop(tx: Connection, task_id: str, needs_id: str) -> bool:
    """Let it wait no longer; False when it did not."""
    gone = tx.execute(delete(dependencies).where(_d.task_id == task_id, _d.needs_id == needs_id))
    return gone.rowcount == 1


def count_open_needs(tx: Connection, task_id: str) -> int:
    """How many tasks that this one waits for are still to be done."""
    query = (
        select(func.count())
        .select_from(dependencies.join(tasks, tasks.c.id == _d.needs_id))
        .where(_d.task_id == task_id, tasks.c.status.in_(OPEN))
    )
    return int(tx.execute(query).scalar_one())


def parent_of(tx: Connection, task_id: str) -> str | None:
    """What a task is part of."""
    return tx.execute(select(tasks.c.parent_id).where(tasks.c.id == task_id)).scalar_one_or_none()
