"""Many tasks in one request: bulk operations and the import of files.

Each item succeeds or fails by itself. Transactions take as many items as Aurora DSQL has room for.
"""

from __future__ import annotations

from typing import Any

from functions.tasks.files.exchange import import_answer, import_into, max_rows_of, read_file
from functions.tasks.repository.tasks import max_rows
from functions.tasks.schemas import (
    BulkIn,
    BulkItem,
    BulkOperation,
    ImportOut,
    ItemError,
    TaskBulkOut,
    TaskChangesIn,
)
from functions.tasks.service import TaskService
from functions.tasks.task import Actor, new_task
from functions.tasks.task_events import tasks_imported
from hearth.errors import HearthError, InvalidInput
from hearth.idempotency import IdempotentRequest, IdempotentRequests, split_by_rows
from hearth.ids import new_ulid
from hearth.ledger.ledger import Ledger, UnitOfWork


class BulkService:
    """Creates, changes and deletes many tasks.

    Args:
        tasks: Writes each of them.
    """

    def __init__(self, ledger: Ledger, tasks: TaskService) -> None:
        self._ledger = ledger
        self._requests = IdempotentRequests(ledger, "tasks")
        self._tasks = tasks

    def run(self, actor: Actor, bulk: BulkIn, key: str | None = None) -> tuple[TaskBulkOut, bool]:
        """Run up to 100 operations; one that fails does not stop the others."""

        def run_part(work: UnitOfWork, part: range) -> TaskBulkOut:
            return _to_response([self._attempt(work, actor, bulk, index) for index in part])

        content = ["bulk", bulk.model_dump(mode="json", exclude_unset=True)]
        answers, problem, replayed = self._requests.run_in_parts(
            IdempotentRequest(actor.id, key, content),
            TaskBulkOut,
            split_by_rows([_max_rows_of(operation) for operation in bulk.operations]),
            run_part,
        )
        items = [item for answer in answers for item in answer.items]
        for index, operation in enumerate(bulk.operations[len(items) :], len(items)):
            item = BulkItem(index=index, op=operation.op, id=operation.id, status=503)
            if problem is not None:
                _reject(item, problem)
            items.append(item)
        return _to_response(items), replayed

    def import_file(
        self, actor: Actor, kind: str, data: bytes, key: str | None = None
    ) -> tuple[ImportOut, bool]:
        """Create or change the tasks of a file; those that are the same already are left alone.

        One event tells of all of them, so that nobody is notified of each.

        Raises:
            InvalidInput: The file cannot be read, or has more than 1,000 tasks.
        """
        items = read_file(kind, data, self._tasks.zone)
        import_id = new_ulid()

        def import_part(work: UnitOfWork, part: range) -> ImportOut:
            return import_into(work, self._tasks, actor, items, part, import_id)

        answers, problem, replayed = self._requests.run_in_parts(
            IdempotentRequest(actor.id, key, ["import", kind, data.hex()]),
            ImportOut,
            split_by_rows([max_rows_of(item) for item in items]),
            import_part,
        )
        done = [item for answer in answers for item in answer.items]
        answer = import_answer(done, items, problem)
        if not replayed and answer.created + answer.updated:
            created, updated = answer.created, answer.updated
            self._ledger.transact(
                lambda work: work.emit(
                    tasks_imported(import_id, actor.id, created, updated, work.now)
                ),
                actor.id,
            )
        return answer, replayed

    def _attempt(self, work: UnitOfWork, actor: Actor, bulk: BulkIn, index: int) -> BulkItem:
        operation = bulk.operations[index]
        item = BulkItem(index=index, op=operation.op, id=operation.id, status=200)
        try:
            self._run_one(work, actor, operation, item)
        except HearthError as error:
            _reject(item, error)
        return item

    def _run_one(
        self, work: UnitOfWork, actor: Actor, operation: BulkOperation, item: BulkItem
    ) -> None:
        expected = None if operation.version is None else frozenset({operation.version})
        if operation.op == "create":
            if operation.task is None or operation.id is not None:
                raise InvalidInput("create takes a task, and no id")
            task = new_task(operation.task, actor.id, work.now, self._tasks.zone)
            self._tasks.insert(work, actor, task)
            item.id, item.status, item.version = task.id, 201, task.version
            return
        if operation.id is None or (operation.op == "update") != (operation.changes is not None):
            raise InvalidInput(f"{operation.op} takes an id, and changes only for update")
        if operation.op == "delete":
            self._tasks.remove(work, actor, operation.id, expected)
            return
        if operation.op == "reopen":
            task = self._tasks.change_to_pending(work, actor, operation.id, expected)
            item.version = task.version
            return
        given: dict[str, Any] = (
            operation.changes.given() if operation.changes else {"status": "completed"}
        )
        item.version = self._tasks.change(
            work,
            actor,
            operation.id,
            given,
            expected_versions=expected,
            force=operation.force,
            close_incident=operation.close_incident,
        ).version


def _to_response(items: list[BulkItem]) -> TaskBulkOut:
    failed = sum(item.error is not None for item in items)
    return TaskBulkOut(succeeded=len(items) - failed, failed=failed, items=items)


def _reject(item: BulkItem, error: HearthError) -> None:
    item.status = error.status
    item.error = ItemError(code=error.code, message=error.message)


def _max_rows_of(operation: BulkOperation) -> int:
    if operation.task is not None:
        return max_rows(operation.task.title, operation.task.description, new=True)
    given = operation.changes or TaskChangesIn()
    return max_rows(given.title, given.description, new=False)
