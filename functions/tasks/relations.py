"""Writes beside a task: its comments, and the tasks that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from functions.tasks.repository import task_comments, task_dependencies
from functions.tasks.schemas import (
    CommentIn,
    CommentOut,
    DeletedOut,
    SingleCommentOut,
    SingleTaskOut,
)
from functions.tasks.service import TaskService, get_visible_task
from functions.tasks.task import Actor, to_response
from hearth.errors import Conflict, Forbidden, NotFound
from hearth.idempotency import IdempotentRequest, IdempotentRequests
from hearth.ids import new_ulid
from hearth.ledger.ledger import Ledger, UnitOfWork

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_COMMENTS: Final = 1_000
MAX_DEPENDENCIES: Final = 50
_MAX_VISITED: Final = 2_000


class TaskRelations:
    """Adds and deletes comments and dependencies.

    Args:
        tasks: Stores the next version of a task whose dependencies change.
    """

    def __init__(self, ledger: Ledger, tasks: TaskService) -> None:
        self._ledger = ledger
        self._requests = IdempotentRequests(ledger, "tasks")
        self._tasks = tasks

    def add_comment(
        self, actor: Actor, task_id: str, new: CommentIn, key: str | None = None
    ) -> tuple[SingleCommentOut, bool]:
        """Add a comment.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
            Conflict: It has too many comments.
        """

        def add(work: UnitOfWork) -> SingleCommentOut:
            get_visible_task(work.tx, actor, task_id)
            if task_comments.count(work.tx, task_id) >= MAX_COMMENTS:
                raise Conflict(f"task {task_id} has {MAX_COMMENTS} comments; there is no room")
            comment = task_comments.CommentRow(new_ulid(), task_id, actor.id, new.text, work.now)
            task_comments.insert(work.tx, comment)
            return SingleCommentOut(comment=CommentOut.model_validate(comment))

        content = ["comment", task_id, new.model_dump(mode="json")]
        return self._requests.run(IdempotentRequest(actor.id, key, content), SingleCommentOut, add)

    def delete_comment(self, actor: Actor, task_id: str, comment_id: str) -> DeletedOut:
        """Delete a comment of one's own.

        Raises:
            NotFound: The task or the comment does not exist, or is not visible to the actor.
            Forbidden: Another user wrote it.
        """

        def delete(work: UnitOfWork) -> DeletedOut:
            get_visible_task(work.tx, actor, task_id)
            found = task_comments.get(work.tx, task_id, comment_id)
            if found is None:
                raise NotFound(f"comment {comment_id[:40]} does not exist")
            if found.author != actor.id and not actor.manages:
                raise Forbidden("only its author may delete a comment")
            task_comments.delete(work.tx, comment_id)
            return DeletedOut()

        return self._ledger.transact(delete, actor.id)

    def add_dependency(self, actor: Actor, task_id: str, needs_id: str) -> SingleTaskOut:
        """Make one task depend on another; twice changes nothing.

        Raises:
            NotFound: One of them does not exist or is not visible to the actor.
            Conflict: It would make a cycle, or there are too many.
        """

        def add(work: UnitOfWork) -> SingleTaskOut:
            task_dependencies.lock_dependency_graph(work.tx)
            task = get_visible_task(work.tx, actor, task_id)
            get_visible_task(work.tx, actor, needs_id)
            check_no_cycle(work.tx, task_id, needs_id)
            if task_dependencies.insert(work.tx, task_id, needs_id):
                change = {"field": "depends_on", "old": None, "new": needs_id}
                task = self._tasks.touch(work, actor, task_id, change)
            return SingleTaskOut(task=to_response(task))

        return self._ledger.transact(add, actor.id)

    def delete_dependency(self, actor: Actor, task_id: str, needs_id: str) -> SingleTaskOut:
        """Make a task independent of another.

        Raises:
            NotFound: There is no such dependency, or the task is not visible to the actor.
        """

        def delete(work: UnitOfWork) -> SingleTaskOut:
            task_dependencies.lock_dependency_graph(work.tx)
            get_visible_task(work.tx, actor, task_id)
            if not task_dependencies.delete(work.tx, task_id, needs_id):
                raise NotFound(f"task {task_id} does not depend on {needs_id[:40]}")
            change = {"field": "depends_on", "old": needs_id, "new": None}
            task = self._tasks.touch(work, actor, task_id, change)
            return SingleTaskOut(task=to_response(task))

        return self._ledger.transact(delete, actor.id)


def check_no_cycle(tx: Connection, task_id: str, needs_id: str) -> None:
    """Check that `task_id` may depend on `needs_id`: a breadth-first search from the latter.

    Raises:
        Conflict: It would depend on itself, or on too many tasks.
    """
    direct = task_dependencies.list_needs(tx, [task_id]).get(task_id, [])
    if needs_id not in direct and len(direct) >= MAX_DEPENDENCIES:
        raise Conflict(f"task {task_id} depends on {MAX_DEPENDENCIES} tasks; there is no room")
    visited = {needs_id}
    frontier = {needs_id}
    while frontier:
        if task_id in frontier:
            raise Conflict(f"task {needs_id} depends on {task_id} already; that would be a cycle")
        found = task_dependencies.list_needs(tx, frontier)
        frontier = {needed for some in found.values() for needed in some} - visited
        visited |= frontier
        if len(visited) > _MAX_VISITED:
            raise Conflict(f"task {needs_id} depends on more than {_MAX_VISITED} tasks")
