"""Writes to one task: create, update, complete, reopen, delete.

Each public method is one transaction, done once for an idempotency key. Those that take a unit of
work belong to a transaction of their caller: with each task they store its history and emit its
events. One that raises has stored nothing, so that some changes of a transaction may fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.tasks import task_events
from functions.tasks.reminders import reminder_jobs, reminder_keys
from functions.tasks.repository import task_dependencies, task_history, tasks
from functions.tasks.repository.tasks import TaskRow
from functions.tasks.schemas import (
    CompletionIn,
    CreatedTaskOut,
    DeletedOut,
    SingleTaskOut,
    TaskChangesIn,
    TaskIn,
)
from functions.tasks.task import (
    Actor,
    apply_changes,
    is_open,
    new_task,
    next_occurrence,
    to_response,
)
from hearth.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Unavailable
from hearth.idempotency import IdempotentRequest, IdempotentRequests
from hearth.ledger.ledger import Ledger, UnitOfWork

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_DEPTH: Final = 10
MAX_SUBTASKS: Final = 100
_ATTEMPTS: Final = 10

Versions = frozenset[int] | None
"""The versions that a caller expects; None: any."""


class TaskService:
    """Creates, changes and deletes tasks.

    Args:
        zone: The site's time zone.
    """

    def __init__(self, ledger: Ledger, zone: ZoneInfo) -> None:
        self.zone = zone
        self._requests = IdempotentRequests(ledger, "tasks")

    # ---- one request each ----

    def create(
        self, actor: Actor, new: TaskIn, key: str | None = None
    ) -> tuple[CreatedTaskOut, bool]:
        """Create a task. The answer also says whether it is a replay (for all that take a key).

        Raises:
            NotFound, Conflict: See `insert`.
            InvalidInput: The repeat rule is not valid.
        """

        def create(work: UnitOfWork) -> CreatedTaskOut:
            task = new_task(new, actor.id, work.now, self.zone)
            self.insert(work, actor, task)
            return CreatedTaskOut(id=task.id, task=to_response(task))

        content = ["create", new.model_dump(mode="json")] if key is not None else None
        return self._requests.run(IdempotentRequest(actor.id, key, content), CreatedTaskOut, create)

    def update(
        self,
        actor: Actor,
        task_id: str,
        changes: TaskChangesIn,
        expected_versions: Versions = None,
    ) -> SingleTaskOut:
        """Change some fields; without `expected_versions` the last write wins.

        Raises:
            NotFound, PreconditionFailed, Conflict, InvalidInput: See `change`.
        """

        def update(work: UnitOfWork) -> SingleTaskOut:
            task = self.change(
                work, actor, task_id, changes.given(), expected_versions=expected_versions
            )
            return SingleTaskOut(task=to_response(task))

        return self._requests.run(IdempotentRequest(actor.id), SingleTaskOut, update)[0]

    def complete(
        self,
        actor: Actor,
        task_id: str,
        completion: CompletionIn,
        expected_versions: Versions = None,
        key: str | None = None,
    ) -> tuple[SingleTaskOut, bool]:
        """Complete a task; a repeated one gets its next occurrence. Twice changes nothing.

        Raises:
            NotFound, PreconditionFailed, Conflict: See `change`.
        """

        def complete(work: UnitOfWork) -> SingleTaskOut:
            task = self.change(
                work,
                actor,
                task_id,
                {"status": "completed"},
                expected_versions=expected_versions,
                force=completion.force,
                close_incident=completion.close_incident,
            )
            return SingleTaskOut(task=to_response(task))

        content = ["complete", task_id, completion.model_dump(mode="json")]
        return self._requests.run(
            IdempotentRequest(actor.id, key, content), SingleTaskOut, complete
        )

    def reopen(
        self,
        actor: Actor,
        task_id: str,
        expected_versions: Versions = None,
        key: str | None = None,
    ) -> tuple[SingleTaskOut, bool]:
        """Make a completed or cancelled task pending; an open one stays as it is.

        Raises:
            NotFound, PreconditionFailed: See `change`.
        """

        def reopen(work: UnitOfWork) -> SingleTaskOut:
            task = self.change_to_pending(work, actor, task_id, expected_versions)
            return SingleTaskOut(task=to_response(task))

        return self._requests.run(
            IdempotentRequest(actor.id, key, ["reopen", task_id]), SingleTaskOut, reopen
        )

    def delete(self, actor: Actor, task_id: str, expected_versions: Versions = None) -> DeletedOut:
        """Delete a task.

        Raises:
            NotFound, PreconditionFailed, Forbidden, Conflict: See `remove`.
        """

        def delete(work: UnitOfWork) -> DeletedOut:
            self.remove(work, actor, task_id, expected_versions)
            return DeletedOut()

        return self._requests.run(IdempotentRequest(actor.id), DeletedOut, delete)[0]

    # ---- parts of a transaction ----

    def insert(
        self, work: UnitOfWork, actor: Actor, task: TaskRow, *, import_id: str | None = None
    ) -> bool:
        """Store a new task; False when its id is taken.

        Args:
            import_id: The import that it comes with, which its event names.

        Raises:
            NotFound: The parent task does not exist or is not visible to the actor.
            Conflict: The parent has too many subtasks, or is nested too deeply.
        """
        if task.parent_id is not None:
            task_dependencies.lock_dependency_graph(work.tx)
            _check_parent(work.tx, actor, task.id, task.parent_id)
        return self._insert(work, task, import_id)

    def change(
        self,
        work: UnitOfWork,
        actor: Actor,
        task_id: str,
        given: Mapping[str, Any],
        *,
        expected_versions: Versions = None,
        force: bool = False,
        close_incident: bool | None = None,
        import_id: str | None = None,
    ) -> TaskRow:
        """Store the next version of a task; the same one when nothing is different.

        Args:
            import_id: The import that changes it, which the event of its completion names.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
            PreconditionFailed: Its version is not one of `expected_versions`.
            Conflict: It depends on open tasks, or cannot be a subtask of the new parent.
            InvalidInput: The new values do not fit together.
        """
        tx, now = work.tx, work.now
        if given.get("parent_id") is not None:
            task_dependencies.lock_dependency_graph(tx)
        for _ in range(_ATTEMPTS):
            before = get_visible_task(tx, actor, task_id, expected_versions)
            after, changes = apply_changes(before, given, actor.id, now, self.zone)
            if not changes:
                return before
            if after.parent_id is not None and after.parent_id != before.parent_id:
                _check_parent(tx, actor, task_id, after.parent_id)
            completes = after.status == "completed" and before.status != "completed"
            following = None
            if completes:
                if not force:
                    _check_dependencies(tx, task_id)
                if before.next_id is None:
                    following = next_occurrence(after, now, self.zone)
                    after = replace(after, next_id=following.id if following else None)
                    if following:
                        changes = [*changes, {"field": "next_id", "old": None, "new": following.id}]
            if not tasks.replace(tx, before, after):
                continue  # another request was quicker: read the task again
            task_history.record(tx, task_id, after.version, actor.id, now, changes)
            _reschedule(work, before, after)
            if completes:
                work.emit(
                    task_events.task_completed(after, actor.id, close_incident, now, import_id)
                )
            else:
                fields = [change["field"] for change in changes]
                work.emit(task_events.task_updated(after, actor.id, fields, now))
                if is_open(after) and not is_open(before):
                    work.emit(task_events.task_reopened(after, actor.id, now))
            if following is not None:
                self._insert(work, following)
            return after
        raise _contended(task_id)

    def change_to_pending(
        self, work: UnitOfWork, actor: Actor, task_id: str, expected_versions: Versions
    ) -> TaskRow:
        """Reopen a completed or cancelled task; an open one stays as it is.

        Raises:
            NotFound, PreconditionFailed: See `change`.
        """
        task = get_visible_task(work.tx, actor, task_id, expected_versions)
        if is_open(task):
            return task
        return self.change(
            work, actor, task_id, {"status": "pending"}, expected_versions=expected_versions
        )

    def touch(
        self, work: UnitOfWork, actor: Actor, task_id: str, change: Mapping[str, Any]
    ) -> TaskRow:
        """Store the next version of a task of which something changed in another table.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
        """
        tx, now = work.tx, work.now
        for _ in range(_ATTEMPTS):
            before = get_visible_task(tx, actor, task_id)
            after = replace(before, version=before.version + 1, updated_at=now)
            if tasks.replace(tx, before, after):
                task_history.record(tx, task_id, after.version, actor.id, now, [change])
                work.emit(task_events.task_updated(after, actor.id, [change["field"]], now))
                return after
        raise _contended(task_id)

    def remove(
        self, work: UnitOfWork, actor: Actor, task_id: str, expected_versions: Versions = None
    ) -> None:
        """Delete a task with its comments, history and dependencies.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
            PreconditionFailed: Its version is not one of `expected_versions`.
            Forbidden: Another user created it.
            Conflict: It has subtasks.
        """
        # Locked, so that no other request adds a subtask meanwhile.
        task_dependencies.lock_dependency_graph(work.tx)
        for _ in range(_ATTEMPTS):
            task = get_visible_task(work.tx, actor, task_id, expected_versions)
            if not actor.manages and task.created_by != actor.id:
                raise Forbidden("only its creator may delete a task; cancel it instead")
            if number := tasks.count_subtasks(work.tx, task_id):
                raise Conflict(f"task {task_id} has {number} subtasks; delete or move them first")
            if not tasks.remove(work.tx, task):
                continue
            work.cancel(*reminder_keys(task))
            work.emit(task_events.task_deleted(task, actor.id, work.now))
            return
        raise _contended(task_id)

    def _insert(self, work: UnitOfWork, task: TaskRow, import_id: str | None = None) -> bool:
        if not tasks.insert(work.tx, task, work.actor, work.now):
            return False
        work.add(*reminder_jobs(task, work.now))
        work.emit(task_events.task_created(task, work.now, import_id))
        return True


def get_visible_task(
    tx: Connection, actor: Actor, task_id: str, expected_versions: Versions = None
) -> TaskRow:
    """Return a task that the actor may see.

    Raises:
        NotFound: It does not exist, or is not visible; the error is the same (IDOR).
        PreconditionFailed: Its version is not one of `expected_versions`.
    """
    task = tasks.get(tx, task_id, actor.viewer)
    if task is None:
        raise NotFound(f"task {task_id[:40]} does not exist")
    if expected_versions is not None and task.version not in expected_versions:
        raise PreconditionFailed(
            f"task {task_id} has version {task.version} by now; read it again before changing it"
        )
    return task


def _check_parent(tx: Connection, actor: Actor, task_id: str, parent_id: str) -> None:
    if tasks.get(tx, parent_id, actor.viewer) is None:
        raise NotFound(f"parent task {parent_id} does not exist")
    if tasks.count_subtasks(tx, parent_id) >= MAX_SUBTASKS:
        raise Conflict(f"task {parent_id} has {MAX_SUBTASKS} subtasks; there is no room")
    above: str | None = parent_id
    for _ in range(MAX_DEPTH):
        if above is None:
            return
        if above == task_id:
            raise Conflict(f"task {task_id} cannot be a subtask of itself")
        above = tasks.parent_of(tx, above)
    raise Conflict(f"tasks are nested at most {MAX_DEPTH} deep")


def _check_dependencies(tx: Connection, task_id: str) -> None:
    if number := task_dependencies.count_open(tx, task_id):
        raise Conflict(
            f"task {task_id} depends on {number} open tasks; complete them first, or use force"
        )


def _reschedule(work: UnitOfWork, before: TaskRow, after: TaskRow) -> None:
    """Bring the reminder jobs in line with the task's due date, reminders and status."""
    wanted = reminder_jobs(after, work.now)
    kept = {job.dedupe_key for job in wanted}
    work.cancel(*(key for key in reminder_keys(before) if key not in kept))
    if reminder_keys(before) != reminder_keys(after) or is_open(before) != is_open(after):
        work.add(*wanted)


def _contended(task_id: str) -> Unavailable:
    return Unavailable(f"task {task_id} is being changed by many requests; try again")
