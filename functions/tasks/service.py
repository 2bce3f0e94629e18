"""What callers may do to tasks. Each method is one transaction; of very many tasks, several."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from functions.tasks.changes import Actor, made, shown
from functions.tasks.exchange import (
    import_answer,
    import_into,
    read_file,
    rows_of,
    write_file,
)
from functions.tasks.reading import Reader
from functions.tasks.repository import graph, notes, rows
from functions.tasks.saved_filters import SAVED_FILTERS
from functions.tasks.schemas import (
    BulkAnswer,
    BulkIn,
    BulkItem,
    BulkOperation,
    CommentAnswer,
    CommentIn,
    CommentOut,
    Completion,
    CreatedAnswer,
    DeletedAnswer,
    ExportQuery,
    ImportAnswer,
    ItemError,
    TaskAnswer,
    TaskChanges,
    TaskIn,
)
from functions.tasks.writer import Versions, Writer, seen
from hearth.db import Database
from hearth.errors import Conflict, Forbidden, HearthError, InvalidInput, NotFound
from hearth.idempotency import IdempotentRequest, IdempotentRequests, split_by_rows
from hearth.ids import new_ulid, utc_now
from hearth.ledger.ledger import Ledger, UnitOfWork
from hearth.resource.service import ResourceService

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_COMMENTS: Final = 1_000
MAX_DEPENDENCIES: Final = 50
_MAX_WALK: Final = 2_000


class TaskService:
    """Changes tasks.

    Args:
        db: Where they are.
        ledger: Where their events and reminders go.
        writer: Stores them.
        now: The present, timezone-aware.
    """

    def __init__(
        self, db: Database, ledger: Ledger, writer: Writer, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._writer = writer
        self._now = now
        self._requests = IdempotentRequests(ledger, "tasks")
        self.read = Reader(db, writer.zone, now)
        self.saved_filters = ResourceService(SAVED_FILTERS, ledger)

    def create(
        self, actor: Actor, new: TaskIn, key: str | None = None
    ) -> tuple[CreatedAnswer, bool]:
        """A new task; and whether this was said before (so for all that take a key).

        Raises:
            NotFound, Conflict: It cannot be part of that task.
            InvalidInput: A repeat rule that cannot be.
        """

        def work(unit: UnitOfWork) -> CreatedAnswer:
            task = self._create(unit, actor, new)
            return CreatedAnswer(id=task.id, task=shown(task))

        content = ["create", new.model_dump(mode="json")]
        return self._requests.run(IdempotentRequest(actor.id, key, content), CreatedAnswer, work)

    def update(
        self, actor: Actor, task_id: str, changes: TaskChanges, expect: Versions = None
    ) -> TaskAnswer:
        """Change some fields; the last one to write wins, unless `expect` says otherwise.

        Raises:
            NotFound, PreconditionFailed, Conflict, InvalidInput: See Writer.change.
        """
        given = changes.given()

        def work(unit: UnitOfWork) -> TaskAnswer:
            task = self._writer.change(unit, actor, task_id, given, self._now(), expect=expect)
            return TaskAnswer(task=shown(task))

        return self._requests.run(IdempotentRequest(actor.id), TaskAnswer, work)[0]

    def complete(
        self,
        actor: Actor,
        task_id: str,
        how: Completion,
        expect: Versions = None,
        key: str | None = None,
    ) -> tuple[TaskAnswer, bool]:
        """Complete a task; a repeated one gets its next occurrence. Twice changes nothing.

        Raises:
            NotFound, PreconditionFailed, Conflict: See Writer.change.
        """

        def work(unit: UnitOfWork) -> TaskAnswer:
            task = self._writer.change(
                unit,
                actor,
                task_id,
                {"status": "completed"},
                self._now(),
                expect=expect,
                force=how.force,
                close_incident=how.close_incident,
            )
            return TaskAnswer(task=shown(task))

        content = ["complete", task_id, how.model_dump(mode="json")]
        return self._requests.run(IdempotentRequest(actor.id, key, content), TaskAnswer, work)

    def reopen(
        self, actor: Actor, task_id: str, expect: Versions = None, key: str | None = None
    ) -> tuple[TaskAnswer, bool]:
        """Make a completed or cancelled task pending; an open one stays as it is.

        Raises:
            NotFound, PreconditionFailed: See Writer.change.
        """

        def work(unit: UnitOfWork) -> TaskAnswer:
            return TaskAnswer(task=shown(self._reopen(unit, actor, task_id, expect)))

        return self._requests.run(
            IdempotentRequest(actor.id, key, ["reopen", task_id]), TaskAnswer, work
        )

    def delete(self, actor: Actor, task_id: str, expect: Versions = None) -> DeletedAnswer:
        """Delete a task.

        Raises:
            NotFound, PreconditionFailed, Forbidden, Conflict: See Writer.remove.
        """

        def work(unit: UnitOfWork) -> DeletedAnswer:
            self._writer.remove(unit, actor, task_id, self._now(), expect)
            return DeletedAnswer()

        return self._requests.run(IdempotentRequest(actor.id), DeletedAnswer, work)[0]

    # ---- comments ----

    def comment(
        self, actor: Actor, task_id: str, new: CommentIn, key: str | None = None
    ) -> tuple[CommentAnswer, bool]:
        """Add a comment.

        Raises:
            NotFound: No such task that the actor sees.
            Conflict: It has comments enough.
        """

        def work(unit: UnitOfWork) -> CommentAnswer:
            seen(unit.tx, actor, task_id)
            if notes.count(unit.tx, task_id) >= MAX_COMMENTS:
                raise Conflict(f"task {task_id} has {MAX_COMMENTS} comments; there is no room")
            comment = notes.CommentRow(new_ulid(), task_id, actor.id, new.text, self._now())
            notes.add(unit.tx, comment)
            return CommentAnswer(comment=CommentOut.model_validate(comment))

        content = ["comment", task_id, new.model_dump(mode="json")]
        return self._requests.run(IdempotentRequest(actor.id, key, content), CommentAnswer, work)

    def delete_comment(self, actor: Actor, task_id: str, comment_id: str) -> DeletedAnswer:
        """Delete one's own comment.

        Raises:
            NotFound: No such comment, on no such task.
            Forbidden: It is somebody else's.
        """

        def work(tx: Connection) -> DeletedAnswer:
            seen(tx, actor, task_id)
            found = notes.get(tx, task_id, comment_id)
            if found is None:
                raise NotFound(f"comment {comment_id[:40]} does not exist")
            if found.author != actor.id and not actor.manages:
                raise Forbidden("a comment is deleted by who wrote it")
            notes.remove(tx, comment_id)
            return DeletedAnswer()

        return self._db.write(work)

    # ---- dependencies ----

    def depend(self, actor: Actor, task_id: str, needs_id: str) -> TaskAnswer:
        """Let one task wait for another; twice changes nothing.

        Raises:
            NotFound: The actor does not see both.
            Conflict: The other waits for this one, or there are too many.
        """

        def work(unit: UnitOfWork) -> TaskAnswer:
            graph.take_turn(unit.tx)
            task = seen(unit.tx, actor, task_id)
            seen(unit.tx, actor, needs_id)
            check_no_circle(unit.tx, task_id, needs_id)
            if graph.add(unit.tx, task_id, needs_id):
                change = {"field": "depends_on", "old": None, "new": needs_id}
                task = self._writer.touch(unit, actor, task_id, change, self._now())
            return TaskAnswer(task=shown(task))

        return self._requests.run(IdempotentRequest(actor.id), TaskAnswer, work)[0]

    def undepend(self, actor: Actor, task_id: str, needs_id: str) -> TaskAnswer:
        """Let it wait no longer.

        Raises:
            NotFound: It does not, or the actor does not see it.
        """

        def work(unit: UnitOfWork) -> TaskAnswer:
            graph.take_turn(unit.tx)
            seen(unit.tx, actor, task_id)
            if not graph.drop(unit.tx, task_id, needs_id):
                raise NotFound(f"task {task_id} does not depend on {needs_id[:40]}")
            change = {"field": "depends_on", "old": needs_id, "new": None}
            task = self._writer.touch(unit, actor, task_id, change, self._now())
            return TaskAnswer(task=shown(task))

        return self._requests.run(IdempotentRequest(actor.id), TaskAnswer, work)[0]

    # ---- many at once ----

    def bulk(self, actor: Actor, asked: BulkIn, key: str | None = None) -> tuple[BulkAnswer, bool]:
        """Do up to 100 things; what fails is told, and the rest is done."""

        def work(unit: UnitOfWork, part: range) -> BulkAnswer:
            items = []
            for index in part:
                operation = asked.operations[index]
                item = BulkItem(index=index, op=operation.op, id=operation.id, status=200)
                try:
                    self._one_of_many(unit, actor, operation, item)
                except HearthError as error:
                    _refuse(item, error)
                items.append(item)
            return _of_bulk(items)

        content = ["bulk", asked.model_dump(mode="json", exclude_unset=True)]
        said, problem, repeated = self._requests.run_in_parts(
            IdempotentRequest(actor.id, key, content),
            BulkAnswer,
            split_by_rows([_rows_of(operation) for operation in asked.operations]),
            work,
        )
        items = [item for answer in said for item in answer.items]
        for index, operation in enumerate(asked.operations[len(items) :], len(items)):
            item = BulkItem(index=index, op=operation.op, id=operation.id, status=503)
            if problem is not None:
                _refuse(item, problem)
            items.append(item)
        return _of_bulk(items), repeated

    def _one_of_many(
        self, unit: UnitOfWork, actor: Actor, asked: BulkOperation, item: BulkItem
    ) -> None:
        expect = None if asked.version is None else frozenset({asked.version})
        if asked.op == "create":
            if asked.task is None or asked.id is not None:
                raise InvalidInput("create takes a task, and no id")
            task = self._create(unit, actor, asked.task)
            item.id, item.status, item.version = task.id, 201, task.version
            return
        if asked.id is None or (asked.op == "update") != (asked.changes is not None):
            raise InvalidInput(f"{asked.op} takes an id, and changes only for update")
        if asked.op == "delete":
            self._writer.remove(unit, actor, asked.id, self._now(), expect)
            return
        if asked.op == "reopen":
            item.version = self._reopen(unit, actor, asked.id, expect).version
            return
        given: dict[str, Any] = (
            asked.changes.given() if asked.changes is not None else {"status": "completed"}
        )
        item.version = self._writer.change(
            unit,
            actor,
            asked.id,
            given,
            self._now(),
            expect=expect,
            force=asked.force,
            close_incident=asked.close_incident,
        ).version

    def _create(self, unit: UnitOfWork, actor: Actor, new: TaskIn) -> rows.TaskRow:
        now = self._now()
        task = made(new, actor.id, now, self._writer.zone)
        self._writer.add(unit, actor, task, now)
        return task

    def _reopen(
        self, unit: UnitOfWork, actor: Actor, task_id: str, expect: Versions
    ) -> rows.TaskRow:
        task = seen(unit.tx, actor, task_id, expect)
        if task.status not in ("completed", "cancelled"):
            return task
        return self._writer.change(
            unit, actor, task_id, {"status": "pending"}, self._now(), expect=expect
        )

    # ---- files ----

    def export(self, actor: Actor, query: ExportQuery) -> tuple[bytes, str | None]:
        """Tasks as a file, and the cursor for the rest (None: that was all).

        Raises:
            InvalidInput: A cursor of another list.
        """
        return write_file(self.read, actor, query, self._now())

    def import_file(
        self, actor: Actor, kind: str, data: bytes, key: str | None = None
    ) -> tuple[ImportAnswer, bool]:
        """Make or change the tasks of a file; those that are there as they are stay.

        Raises:
            InvalidInput: Not such a file, or more than 1,000 tasks.
        """
        items = read_file(kind, data, self._writer.zone)

        def work(unit: UnitOfWork, part: range) -> ImportAnswer:
            return import_into(unit, self._writer, actor, items, part, self._now())

        said, problem, repeated = self._requests.run_in_parts(
            IdempotentRequest(actor.id, key, ["import", kind, data.hex()]),
            ImportAnswer,
            split_by_rows([rows_of(item) for item in items]),
            work,
        )
        return import_answer(
            [of for answer in said for of in answer.items], items, problem
        ), repeated


def _of_bulk(items: list[BulkItem]) -> BulkAnswer:
    failed = sum(item.error is not None for item in items)
    return BulkAnswer(succeeded=len(items) - failed, failed=failed, items=items)


def _refuse(item: BulkItem, error: HearthError) -> None:
    item.status = error.status
    item.error = ItemError(code=error.code, message=error.message)


def _rows_of(operation: BulkOperation) -> int:
    """How many rows an operation writes at most."""
    if operation.task is not None:
        return rows.most_rows(operation.task.title, operation.task.description, new=True)
    given = operation.changes or TaskChanges()
    return rows.most_rows(given.title, given.description, new=False)


def check_no_circle(tx: Connection, task_id: str, needs_id: str) -> None:
    """Check that `task_id` may wait for `needs_id`.

    Raises:
        Conflict: It would wait for itself, or for too many.
    """
    direct = graph.needs(tx, [task_id]).get(task_id, [])
    if needs_id not in direct and len(direct) >= MAX_DEPENDENCIES:
        raise Conflict(f"task {task_id} depends on {MAX_DEPENDENCIES} tasks; there is no room")
    known = {needs_id}
    edge = {needs_id}
    while edge:
        if task_id in edge:
            raise Conflict(f"task {needs_id} depends on {task_id} already; that would be a circle")
        edge = {needed for found in graph.needs(tx, edge).values() for needed in found} - known
        known |= edge
        if len(known) > _MAX_WALK:
            raise Conflict(f"task {needs_id} depends on more than {_MAX_WALK} tasks")
