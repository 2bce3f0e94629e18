"""What callers are told of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.tasks.changes import Actor, due_at, shown
from functions.tasks.repository import graph, notes, rows, search
from functions.tasks.repository.rows import TaskRow
from functions.tasks.repository.search import Filters, Place
from functions.tasks.repository.tables import NEVER, PRIORITIES
from functions.tasks.schemas import (
    CommentOut,
    CommentsAnswer,
    DependenciesAnswer,
    HistoryAnswer,
    HistoryEntry,
    PriorityName,
    StatsAnswer,
    Status,
    SubtasksAnswer,
    TaskFilter,
    TaskOut,
    TaskQuery,
    TasksAnswer,
)
from functions.tasks.writer import MAX_SUBTASKS, seen
from hearth.db import Database
from hearth.errors import InvalidInput
from hearth.ids import format_time, parse_time
from hearth.paging import decode_cursor, encode_cursor

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_WORDS: Final = 8
MAX_NEEDED_BY: Final = 100
_STATUSES: Final[tuple[Status, ...]] = (
    *("pending", "in_progress", "blocked", "completed", "cancelled"),
)


class Reader:
    """Answers questions; changes nothing.

    Args:
        db: Where the tasks are.
        zone: Of the site.
        now: The present, timezone-aware.
    """

    def __init__(self, db: Database, zone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._db = db
        self._zone = zone
        self._now = now

    def get(self, actor: Actor, task_id: str) -> TaskOut:
        """One task.

        Raises:
            NotFound: None that the actor sees.
        """
        return shown(self._db.read(lambda tx: seen(tx, actor, task_id)))

    def list(self, actor: Actor, query: TaskQuery) -> TasksAnswer:
        """One page of tasks, by number or by cursor.

        Raises:
            InvalidInput: A cursor of another list.
        """
        after, page = (None, query.page)
        if query.cursor is not None:
            after, page = _place(query)
        skip = 0 if after else (page - 1) * query.limit
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
        page_of, more = found.tasks[: query.limit], len(found.tasks) > query.limit
        return TasksAnswer(
            tasks=[shown(task) for task in page_of],
            total=found.total,
            total_is_exact=found.exact,
            page=page,
            limit=query.limit,
            total_pages=math.ceil(found.total / query.limit),
            has_next=more,
            has_prev=page > 1,
            next_cursor=_cursor(page_of[-1], query, page + 1) if more else None,
        )

    def some(
        self, actor: Actor, query: TaskFilter, limit: int
    ) -> tuple[Sequence[TaskRow], Callable[[TaskRow], str]]:
        """Tasks as they are stored, for an export; and what makes a cursor behind one of them.

        Raises:
            InvalidInput: A cursor of another list.
        """
        after, page = _place(query) if query.cursor is not None else (None, 1)
        filters = self._filters(actor, query)
        found = self._db.read(
            lambda tx: search.find(
                tx, filters, query.sort, query.order == "desc", limit, after=after
            )
        )
        return found.tasks, lambda task: _cursor(task, query, page + 1)

    def stats(self, actor: Actor) -> StatsAnswer:
        """Counts of the tasks that the actor sees."""
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
        return StatsAnswer(
            total=total,
            by_status=by_status,
            by_priority=by_name,
            completion_rate=by_status["completed"] / total if total else 0.0,
            overdue=overdue,
            average_completion_time_hours=seconds / timed / 3600 if timed else None,
        )

    def history(self, actor: Actor, task_id: str, limit: int, cursor: str | None) -> HistoryAnswer:
        """What made each version of a task.

        Raises:
            NotFound: None that the actor sees.
            InvalidInput: A cursor of another list.
        """
        before = _version(cursor) if cursor is not None else None

        def look(tx: Connection) -> Sequence[rows.HistoryRow]:
            seen(tx, actor, task_id)
            return rows.list_history(tx, task_id, before, limit + 1)

        found = self._db.read(look)
        last = found[limit - 1] if len(found) > limit else None
        return HistoryAnswer(
            history=[HistoryEntry.model_validate(entry) for entry in found[:limit]],
            next_cursor=encode_cursor(str(last.version)) if last else None,
        )

    def comments(
        self, actor: Actor, task_id: str, limit: int, cursor: str | None
    ) -> CommentsAnswer:
        """Comments on a task.

        Raises:
            NotFound: None that the actor sees.
            InvalidInput: A cursor of another list.
        """
        after = decode_cursor(cursor, 1)[0] if cursor is not None else None

        def look(tx: Connection) -> Sequence[notes.CommentRow]:
            seen(tx, actor, task_id)
            return notes.page(tx, task_id, after, limit + 1)

        found = self._db.read(look)
        last = found[limit - 1] if len(found) > limit else None
        return CommentsAnswer(
            comments=[CommentOut.model_validate(comment) for comment in found[:limit]],
            next_cursor=encode_cursor(last.id) if last else None,
        )

    def subtasks(self, actor: Actor, task_id: str) -> SubtasksAnswer:
        """The parts of a task that the actor sees.

        Raises:
            NotFound: They do not see the task itself.
        """

        def look(tx: Connection) -> Sequence[TaskRow]:
            seen(tx, actor, task_id)
            return rows.subtasks(tx, task_id, actor.viewer, MAX_SUBTASKS)

        return SubtasksAnswer(subtasks=[shown(task) for task in self._db.read(look)])

    def dependencies(self, actor: Actor, task_id: str) -> DependenciesAnswer:
        """What a task waits for, and what waits for it.

        Raises:
            NotFound: They do not see the task itself.
        """

        def look(tx: Connection) -> DependenciesAnswer:
            seen(tx, actor, task_id)
            needs = graph.needs(tx, [task_id]).get(task_id, [])
            needed_by = graph.needed_by(tx, task_id, MAX_NEEDED_BY)
            before = rows.get_many(tx, needs, actor.viewer)
            behind = rows.get_many(tx, needed_by, actor.viewer)
            return DependenciesAnswer(
                depends_on=[shown(task) for task in before],
                needed_by=[shown(task) for task in behind],
                hidden=len(needs) + len(needed_by) - len(before) - len(behind),
            )

        return self._db.read(look)

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


def _cursor(task: TaskRow, query: TaskFilter, page: int) -> str:
    place = search.place_of(task, query.sort)
    key = format_time(place.key or NEVER) if query.sort != "priority" else place.key
    return encode_cursor(query.sort, query.order, key, place.id, str(page))


def _place(query: TaskFilter) -> tuple[Place, int]:
    sort, order, key, task_id, page = decode_cursor(query.cursor or "", 5)
    fits = (sort, order) == (query.sort, query.order) and page.isascii() and page.isdecimal()
    if fits and len(page) < 10 and (sort != "priority" or key in PRIORITIES):
        return Place(parse_time(key) if sort != "priority" else key, task_id), int(page)
    raise InvalidInput(
        f"the cursor belongs to a list sorted by {sort[:40]} {order[:40]}; "
        "keep the sort, or start again without a cursor"
    )


def _version(cursor: str) -> int:
    (text,) = decode_cursor(cursor, 1)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidInput("the cursor is not one of a history; start again without a cursor")
    return int(text)
