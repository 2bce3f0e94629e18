"""Stores tasks, and with each in the same transaction its history, its events and its reminders.

Every method takes the caller's unit of work and adds to its outbox what follows. One that raises
has stored nothing, so that of many changes in one transaction some may fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.tasks.changes import Actor, changed, is_open, source_of, successor
from functions.tasks.event_schemas import (
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskReopened,
    TaskUpdated,
)
from functions.tasks.repository import graph, rows
from functions.tasks.repository.rows import TaskRow
from hearth.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Unavailable
from hearth.ids import format_time
from hearth.ledger.events import Event
from hearth.ledger.ledger import NewJob, UnitOfWork

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sqlalchemy import Connection

QUEUE: Final = "tasks"
REMIND: Final = "tasks.remind"
MAX_DEPTH: Final = 10
MAX_SUBTASKS: Final = 100
_ATTEMPTS: Final = 10

Versions = frozenset[int] | None
"""The versions that a caller is content to change; None: whichever there is."""


class Writer:
    """Makes, changes and deletes tasks.

    Args:
        zone: The site's time zone.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def add(self, work: UnitOfWork, actor: Actor, task: TaskRow, now: datetime) -> bool:
        """Store a new task; False when its id is taken.

        Raises:
            NotFound: It is to be part of a task that the actor does not see.
            Conflict: That task has parts enough.
        """
        if task.parent_id is not None:
            graph.take_turn(work.tx)
            self._check_parent(work.tx, actor, task.id, task.parent_id)
        return self._insert(work, actor.id, task, now)

    def change(
        self,
        work: UnitOfWork,
        actor: Actor,
        task_id: str,
        given: Mapping[str, Any],
        now: datetime,
        *,
        expect: Versions = None,
        force: bool = False,
        close_incident: bool | None = None,
    ) -> TaskRow:
        """Store the next version of a task; the same one when nothing is different.

        Raises:
            NotFound: There is no such task that the actor sees.
            PreconditionFailed: Its version is none of `expect`.
            Conflict: It waits for others, or cannot be part of that task.
            InvalidInput: What is given does not fit together.
        """
        if given.get("parent_id") is not None:
            graph.take_turn(work.tx)
        for _ in range(_ATTEMPTS):
            before = seen(work.tx, actor, task_id, expect)
            after, changes = changed(before, given, actor.id, now, self.zone)
            if not changes:
                return before
            if after.parent_id is not None and after.parent_id != before.parent_id:
                self._check_parent(work.tx, actor, task_id, after.parent_id)
            completes = after.status == "completed" and before.status != "completed"
            following = None
            if completes:
                if not force:
                    _check_ready(work.tx, task_id)
                if before.next_id is None:
                    following = successor(after, now, self.zone)
                    after = replace(after, next_id=following.id if following else None)
                    if following:
                        changes = [*changes, {"field": "next_id", "old": None, "new": following.id}]
            if not rows.replace(work.tx, before, after):
                continue  # somebody was quicker: look again
            rows.record(work.tx, task_id, after.version, actor.id, now, changes)
            self._reschedule(work, before, after, now)
            if completes:
                self._tell_completed(work, actor, after, close_incident, now)
            else:
                names = [change["field"] for change in changes]
                self._tell_updated(work, actor, after, names, now)
                if is_open(after) and not is_open(before):
                    self._tell_reopened(work, actor, after, now)
            if following is not None:
                self._insert(work, actor.id, following, now)
            return after
        raise _contended(task_id)

    def touch(
        self,
        work: UnitOfWork,
        actor: Actor,
        task_id: str,
        change: Mapping[str, Any],
        now: datetime,
    ) -> TaskRow:
        """The next version of a task of which something changed that is stored beside it.

        Raises:
            NotFound: There is no such task that the actor sees.
        """
        for _ in range(_ATTEMPTS):
            before = seen(work.tx, actor, task_id)
            after = replace(before, version=before.version + 1, updated_at=now)
            if rows.replace(work.tx, before, after):
                rows.record(work.tx, task_id, after.version, actor.id, now, [change])
                self._tell_updated(work, actor, after, [change["field"]], now)
                return after
        raise _contended(task_id)

    def remove(
        self,
        work: UnitOfWork,
        actor: Actor,
        task_id: str,
        now: datetime,
        expect: Versions = None,
    ) -> None:
        """Delete a task with its comments, history and dependencies.

        Raises:
            NotFound: There is no such task that the actor sees.
            PreconditionFailed: Its version is none of `expect`.
            Forbidden: Somebody else created it.
            Conflict: It has parts.
        """
        # Nobody may make a part of it meanwhile.
        graph.take_turn(work.tx)
        for _ in range(_ATTEMPTS):
            task = seen(work.tx, actor, task_id, expect)
            if not actor.manages and task.created_by != actor.id:
                raise Forbidden("a task is deleted by who created it; cancel it instead")
            if parts := rows.count_subtasks(work.tx, task_id):
                raise Conflict(f"task {task_id} has {parts} subtasks; delete or move them first")
            if not rows.remove(work.tx, task):
                continue
            rows.cancel_jobs(work.tx, _reminder_keys(task))
            data = TaskDeleted(task_id=task_id, deleted_by=actor.id, deleted_at=now)
            self._tell(work, "task.deleted", task, now, data)
            return
        raise _contended(task_id)

    # ---- rules that need other tasks ----

    def _check_parent(self, tx: Connection, actor: Actor, task_id: str, parent_id: str) -> None:
        if rows.get(tx, parent_id, actor.viewer) is None:
            raise NotFound(f"task {parent_id}, of which this is to be a part, does not exist")
        if rows.count_subtasks(tx, parent_id) >= MAX_SUBTASKS:
            raise Conflict(f"task {parent_id} has {MAX_SUBTASKS} subtasks; there is no room")
        above: str | None = parent_id
        for _ in range(MAX_DEPTH):
            if above is None:
                return
            if above == task_id:
                raise Conflict(f"task {task_id} cannot be a part of itself")
            above = graph.parent_of(tx, above)
        raise Conflict(f"tasks are nested at most {MAX_DEPTH} deep")

    # ---- what follows from it ----

    def _insert(self, work: UnitOfWork, by: str, task: TaskRow, now: datetime) -> bool:
        if not rows.insert(work.tx, task, by, now):
            return False
        work.add(*_reminder_jobs(task, now))
        data = TaskCreated(
            task_id=task.id,
            title=task.title,
            description=task.description,
            priority=task.priority,
            category=task.category,
            status=task.status,
            created_by=task.created_by,
            assignee=task.assignee,
            due_at=task.due_at,
            source=source_of(task),
            created_at=task.created_at,
        )
        self._tell(work, "task.created", task, now, data)
        return True

    def _reschedule(self, work: UnitOfWork, before: TaskRow, after: TaskRow, now: datetime) -> None:
        wanted = _reminder_jobs(after, now)
        kept = {job.dedupe_key for job in wanted}
        stale = [key for key in _reminder_keys(before) if key not in kept]
        rows.cancel_jobs(work.tx, stale)
        if _reminder_keys(before) != _reminder_keys(after) or is_open(before) != is_open(after):
            work.add(*wanted)

    def _tell_updated(
        self, work: UnitOfWork, actor: Actor, task: TaskRow, names: list[str], now: datetime
    ) -> None:
        data = TaskUpdated(
            task_id=task.id,
            changed=names,
            updated_by=actor.id,
            version=task.version,
            updated_at=now,
        )
        self._tell(work, "task.updated", task, now, data)

    def _tell_reopened(self, work: UnitOfWork, actor: Actor, task: TaskRow, now: datetime) -> None:
        data = TaskReopened(
            task_id=task.id,
            title=task.title,
            reopened_by=actor.id,
            reopened_at=now,
            source=source_of(task),
        )
        self._tell(work, "task.reopened", task, now, data)

    def _tell_completed(
        self,
        work: UnitOfWork,
        actor: Actor,
        task: TaskRow,
        close_incident: bool | None,
        now: datetime,
    ) -> None:
        source = source_of(task)
        closes = source is not None if close_incident is None else close_incident
        data = TaskCompleted(
            task_id=task.id,
            title=task.title,
            completed_by=actor.id,
            completed_at=now,
            seconds_open=task.seconds_open or 0,
            close_incident=closes and source is not None,
            source=source,
        )
        self._tell(work, "task.completed", task, now, data)

    def _tell(
        self, work: UnitOfWork, kind: str, task: TaskRow, now: datetime, data: BaseModel
    ) -> None:
        work.emit(
            Event(
                type=kind,
                id=f"{task.id}:{format_time(task.created_at)}:{task.version}",
                time=now,
                subject=task.id,
                data=data.model_dump(mode="json"),
            )
        )


def seen(tx: Connection, actor: Actor, task_id: str, expect: Versions = None) -> TaskRow:
    """A task, for who may see it.

    Raises:
        NotFound: There is none, or none for them: the answer is the same.
        PreconditionFailed: Its version is none of `expect`.
    """
    task = rows.get(tx, task_id, actor.viewer)
    if task is None:
        raise NotFound(f"task {task_id[:40]} does not exist")
    if expect is not None and task.version not in expect:
        raise PreconditionFailed(
            f"task {task_id} has version {task.version} by now; read it again before changing it"
        )
    return task


def _contended(task_id: str) -> Unavailable:
    return Unavailable(f"task {task_id} is changed by many at once; try again")


def _check_ready(tx: Connection, task_id: str) -> None:
    if waiting := graph.count_open_needs(tx, task_id):
        raise Conflict(
            f"task {task_id} depends on {waiting} open tasks; complete them first, or use force"
        )


# ---- reminders ----


def reminder_name(task_id: str, due: datetime, minutes: int) -> str:
    """What one reminder of one due date is called."""
    return f"{task_id}:{format_time(due)}:{minutes}"


def _reminder_keys(task: TaskRow) -> list[str]:
    if task.due_at is None:
        return []
    return [f"remind:{reminder_name(task.id, task.due_at, m)}" for m in task.reminders]


def _reminder_jobs(task: TaskRow, now: datetime) -> list[NewJob]:
    """One for each reminder that is still of use: at once when only its own time has passed."""
    if task.due_at is None or task.due_at <= now or not is_open(task):
        return []
    return [
        NewJob(
            kind=REMIND,
            queue=QUEUE,
            dedupe_key=f"remind:{reminder_name(task.id, task.due_at, minutes)}",
            payload={
                "task_id": task.id,
                "due_at": format_time(task.due_at),
                "minutes": minutes,
            },
            available_at=max(now, task.due_at - timedelta(minutes=minutes)),
        )
        for minutes in task.reminders
    ]
