"""Rows of `task_dependencies`: which task needs which."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select
from sqlalchemy import delete as sql_delete

from functions.tasks.repository.search import OPEN
from functions.tasks.repository.tables import dependencies, locks, tasks
from hearth.db import insert_for

_d = dependencies.c
_GRAPH = "graph"


def lock_dependency_graph(tx: Connection) -> None:
    """Take the write lock of the graph of dependencies and subtasks, until the transaction ends.

    Without it two transactions that each add an edge of one cycle would both find none.
    """
    lock = insert_for(tx.dialect.name)(locks)
    tx.execute(
        lock.on_conflict_do_update(
            index_elements=["name"], set_={"taken": (locks.c.taken + 1) % 1_000_000}
        ),
        {"name": _GRAPH, "taken": 0},
    )


def list_needs(tx: Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """What each of some tasks depends on; those without dependencies are left out."""
    found: dict[str, list[str]] = {}
    query = select(_d.task_id, _d.needs_id).where(_d.task_id.in_(ids))
    for task_id, needs_id in tx.execute(query.order_by(_d.task_id, _d.needs_id)):
        found.setdefault(task_id, []).append(needs_id)
    return found


def list_needed_by(tx: Connection, task_id: str, limit: int) -> list[str]:
    """What depends on a task."""
    query = select(_d.task_id).where(_d.needs_id == task_id).order_by(_d.task_id).limit(limit)
    return list(tx.execute(query).scalars())


def insert(tx: Connection, task_id: str, needs_id: str) -> bool:
    """Add a dependency; False when it exists already."""
    added = tx.execute(
        insert_for(tx.dialect.name)(dependencies).on_conflict_do_nothing().returning(_d.task_id),
        {"task_id": task_id, "needs_id": needs_id},
    )
    return added.scalar_one_or_none() is not None


def delete(tx: Connection, task_id: str, needs_id: str) -> bool:
    """Delete a dependency; False when it does not exist."""
    gone = tx.execute(
        sql_delete(dependencies).where(_d.task_id == task_id, _d.needs_id == needs_id)
    )
    return gone.rowcount == 1


def count_open(tx: Connection, task_id: str) -> int:
    """How many open tasks a task depends on."""
    query = (
        select(func.count())
        .select_from(dependencies.join(tasks, tasks.c.id == _d.needs_id))
        .where(_d.task_id == task_id, tasks.c.status.in_(OPEN))
    )
    return int(tx.execute(query).scalar_one())
