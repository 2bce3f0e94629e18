"""Reads: one task, lists, statistics, and what belongs to a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.tasks.files.exchange import write_file
from functions.tasks.repository import search, task_comments, task_dependencies, task_history, tasks
from functions.tasks.repository.search import Filters, Place
from functions.tasks.repository.tables import NEVER, PRIORITIES
from functions.tasks.repository.tasks import TaskRow
from functions.tasks.schemas import (
    CommentOut,
    CommentPage,
    DependenciesOut,
    ExportQuery,
    HistoryEntry,
    PriorityName,
    StatsOut,
    Status,
    SubtasksOut,
    TaskFilter,
    TaskHistoryPage,
    TaskOut,
    TaskPage,
    TaskQuery,
)
from functions.tasks.service import MAX_SUBTASKS, get_visible_task
from functions.tasks.task import Actor, due_at, to_response
from hearth.db import Database
from hearth.errors import InvalidInput
from hearth.ids import format_time, parse_time
from hearth.paging import decode_cursor, encode_cursor, page

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_WORDS: Final = 8
MAX_NEEDED_BY: Final = 100
_STATUSES: Final[tuple[Status, ...]] = (
    *("pending", "in_progress", "blocked", "completed", "cancelled"),
)


class TaskQueries:
    """Answers what users ask about the tasks that they may see.

    Args:
        zone: The site's time zone.
    """

    def __init__(self, db: Database, zone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._db = db
        self._zone = zone
        self._now = now

    def get(self, actor: Actor, task_id: str) -> TaskOut:
        """Return one task.

        Raises:
            NotFound: It does not exist or is not visible to the actor.
        """
        return to_response(self._db.read(lambda tx: get_visible_task(tx, actor, task_id)))

    def list(self, actor: Actor, query: TaskQuery) -> TaskPage:
        """Return one page of tasks, by number or by cursor.

        Raises:
            InvalidInput: The cursor belongs to another list.
        """
        after, number = (None, query.page)
        if query.cursor is not None:
            after, number = _parse_cursor(query)
        skip = 0 if after else (number - 1) * query.limit
        filters = self._filters(actor, query)
        found = self._db.read(
            lambda tx: search.find(
                tx,
                filters,
                query.sort,
                query.order == "desc",
                query.limit + 1,
                after=after,
                skip=skip,
            )
        )
        shown, next_cursor = page(
            found.tasks, query.limit, lambda task: _sort_key(task, query, number + 1)
        )
        return TaskPage(
            tasks=[to_response(task) for task in shown],
            total=found.total,
            total_is_exact=found.exact,
            page=number,
            limit=query.limit,
            total_pages=math.ceil(found.total / query.limit),
            has_next=next_cursor is not None,
            has_prev=number > 1,
            next_cursor=next_cursor,
        )

    def list_rows(
        self, actor: Actor, query: TaskFilter, limit: int
    ) -> tuple[Sequence[TaskRow], Callable[[TaskRow], str]]:
        """Return rows for an export, and a function that makes the cursor after one of them.

        Raises:
            InvalidInput: The cursor belongs to another list.
        """
        after, number = _parse_cursor(query) if query.cursor is not None else (None, 1)
        filters = self._filters(actor, query)
        found = self._db.read(
            lambda tx: search.find(
                tx, filters, query.sort, query.order == "desc", limit, after=after
            )
        )
        return found.tasks, lambda task: encode_cursor(*_sort_key(task, query, number + 1))

    def stats(self, actor: Actor) -> StatsOut:
        """Return counts of the tasks that the actor may see."""
        now = self._now()
        tallies = self._db.read(lambda tx: search.tally(tx, actor.viewer, now))
        by_status: dict[Status, int] = dict.fromkeys(_STATUSES, 0)
        by_priority: dict[Any, int] = dict.fromkeys(PRIORITIES, 0)
        overdue = timed = seconds = 0
        for item in tallies:
            by_status[item.status] += item.number  # type: ignore[index]
            by_priority[item.priority] += item.number
            overdue += item.overdue
            timed += item.timed
            seconds += item.seconds_open
        total = sum(by_status.values())
        by_name: dict[PriorityName, int] = by_priority
        return StatsOut(
            total=total,
            by_status=by_status,
            by_priority=by_name,
            completion_rate=by_status["completed"] / total if total else 0.0,
            overdue=overdue,
            average_completion_time_hours=seconds / timed / 3600 if timed else None,
        )

    def history(
        self, actor: Actor, task_id: str, limit: int, cursor: str | None
    ) -> TaskHistoryPage:
        """Return the changes of each version of a task.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
            InvalidInput: The cursor belongs to another list.
        """
        before = _parse_version(cursor) if cursor is not None else None

        def read(tx: Connection) -> Sequence[task_history.HistoryRow]:
            get_visible_task(tx, actor, task_id)
            return task_history.list_versions(tx, task_id, before, limit + 1)

        found = self._db.read(read)
        versions, next_cursor = page(found, limit, lambda entry: (str(entry.version),))
        return TaskHistoryPage(
            history=[HistoryEntry.model_validate(entry) for entry in versions],
            next_cursor=next_cursor,
        )

    def comments(self, actor: Actor, task_id: str, limit: int, cursor: str | None) -> CommentPage:
        """Return the comments on a task.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
            InvalidInput: The cursor belongs to another list.
        """
        after = decode_cursor(cursor, 1)[0] if cursor is not None else None

        def read(tx: Connection) -> Sequence[task_comments.CommentRow]:
            get_visible_task(tx, actor, task_id)
            return task_comments.list_after(tx, task_id, after, limit + 1)

        found = self._db.read(read)
        comments, next_cursor = page(found, limit, lambda comment: (comment.id,))
        return CommentPage(
            comments=[CommentOut.model_validate(comment) for comment in comments],
            next_cursor=next_cursor,
        )

    def subtasks(self, actor: Actor, task_id: str) -> SubtasksOut:
        """Return the subtasks that the actor may see.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
        """

        def read(tx: Connection) -> Sequence[TaskRow]:
            get_visible_task(tx, actor, task_id)
            return tasks.subtasks(tx, task_id, actor.viewer, MAX_SUBTASKS)

        return SubtasksOut(subtasks=[to_response(task) for task in self._db.read(read)])

    def dependencies(self, actor: Actor, task_id: str) -> DependenciesOut:
        """Return what a task depends on, and what depends on it.

        Raises:
            NotFound: The task does not exist or is not visible to the actor.
        """

        def read(tx: Connection) -> DependenciesOut:
            get_visible_task(tx, actor, task_id)
            needs = task_dependencies.list_needs(tx, [task_id]).get(task_id, [])
            needed_by = task_dependencies.list_needed_by(tx, task_id, MAX_NEEDED_BY)
            before = tasks.get_many(tx, needs, actor.viewer)
            behind = tasks.get_many(tx, needed_by, actor.viewer)
            return DependenciesOut(
                depends_on=[to_response(task) for task in before],
                needed_by=[to_response(task) for task in behind],
                hidden=len(needs) + len(needed_by) - len(before) - len(behind),
            )

        return self._db.read(read)

    def export(self, actor: Actor, query: ExportQuery) -> tuple[bytes, str | None]:
        """Return tasks as a file, and the cursor of the rest (None: there is none).

        Raises:
            InvalidInput: The cursor belongs to another list.
        """
        return write_file(self, actor, query, self._now())

    def _filters(self, actor: Actor, query: TaskFilter) -> Filters:
        words = (query.search or "").casefold().split()
        if len(words) > MAX_WORDS:
            raise InvalidInput(f"search has {len(words)} words; at most {MAX_WORDS} are looked for")
        return Filters(
            viewer=actor.viewer,
            status=tuple(dict.fromkeys(query.status)),
            priority=tuple(dict.fromkeys(query.priority)),
            category=query.category,
            assignee=query.assignee,
            due_before=due_at(query.due_before, self._zone),
            due_after=due_at(query.due_after, self._zone),
            overdue_at=self._now() if query.overdue else None,
            tags=query.tags,
            words=words,
        )


def _sort_key(task: TaskRow, query: TaskFilter, page_number: int) -> tuple[str, ...]:
    place = search.place_of(task, query.sort)
    key = format_time(place.key or NEVER) if query.sort != "priority" else place.key
    return query.sort, query.order, key, place.id, str(page_number)


def _parse_cursor(query: TaskFilter) -> tuple[Place, int]:
    sort, order, key, task_id, number = decode_cursor(query.cursor or "", 5)
    fits = (sort, order) == (query.sort, query.order) and number.isascii() and number.isdecimal()
    if fits and len(number) < 10 and (sort != "priority" or key in PRIORITIES):
        return Place(parse_time(key) if sort != "priority" else key, task_id), int(number)
    raise InvalidInput(
        f"the cursor belongs to a list sorted by {sort[:40]} {order[:40]}; "
        "keep the sort, or start again without a cursor"
    )


def _parse_version(cursor: str) -> int:
    (text,) = decode_cursor(cursor, 1)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidInput("the cursor is not one of a history; start again without a cursor")
    return int(text)
