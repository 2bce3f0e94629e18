"""`/api/v1/tasks`: tasks over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response

from functions.tasks.changes import Actor
from functions.tasks.schemas import (
    TASK_ID,
    BulkAnswer,
    BulkIn,
    CommentAnswer,
    CommentIn,
    CommentsAnswer,
    Completion,
    CreatedAnswer,
    DeletedAnswer,
    DependenciesAnswer,
    ExportQuery,
    HistoryAnswer,
    ImportAnswer,
    StatsAnswer,
    SubtasksAnswer,
    TaskAnswer,
    TaskChanges,
    TaskIn,
    TaskQuery,
    TasksAnswer,
)
from hearth.errors import InvalidInput
from hearth.http.app import PageQuery
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require

if TYPE_CHECKING:
    from functions.tasks.service import TaskService
    from functions.tasks.writer import Versions

TaskId = Annotated[str, Path(pattern=TASK_ID)]
Sees = Annotated[Principal, require("tasks:read")]
Writes = Annotated[Principal, require("tasks:write")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        pattern=r"^[!-~]+$",
        description="A repeat with the same key within 24 hours gets the first answer again.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1_000,
        description="Only while the task has this ETag; 412 otherwise.",
    ),
]


_MEDIA = {"csv": "text/csv; charset=utf-8", "ics": "text/calendar; charset=utf-8"}
_KINDS = {"text/csv": "csv", "text/calendar": "ics"}
_TAG = re.compile(r'"([1-9][0-9]{0,9})"', re.ASCII)
_FILE = {"schema": {"type": "string"}}


def create_app(service: TaskService) -> FastAPI:
    """The application that answers with what `service` does and knows."""
    router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])

    @router.post("", status_code=201)
    async def create_task(
        who: Writes, new: TaskIn, response: Response, key: Key = None
    ) -> CreatedAnswer:
        answer, repeated = service.create(actor(who), new, key)
        response.headers["Location"] = f"/api/v1/tasks/{answer.id}"
        mark(response, answer.task.version, repeated)
        return answer

    @router.get("")
    async def list_tasks(who: Sees, query: Annotated[TaskQuery, Query()]) -> TasksAnswer:
        return service.read.list(actor(who), query)

    @router.get("/stats")
    async def task_stats(who: Sees) -> StatsAnswer:
        return service.read.stats(actor(who))

    @router.post("/bulk")
    async def change_many(
        who: Writes, asked: BulkIn, response: Response, key: Key = None
    ) -> BulkAnswer:
        answer, repeated = service.bulk(actor(who), asked, key)
        mark(response, None, repeated)
        return answer

    @router.get(
        "/export",
        response_class=Response,
        responses={200: {"content": {"text/csv": _FILE, "text/calendar": _FILE}}},
    )
    async def export_tasks(who: Sees, query: Annotated[ExportQuery, Query()]) -> Response:
        data, cursor = service.export(actor(who), query)
        headers = {"Content-Disposition": f'attachment; filename="tasks.{query.format}"'}
        if cursor is not None:
            headers["X-Next-Cursor"] = cursor
        return Response(data, media_type=_MEDIA[query.format], headers=headers)

    @router.post(
        "/import",
        openapi_extra={
            "requestBody": {"required": True, "content": dict.fromkeys(_KINDS, _FILE)},
        },
    )
    async def import_tasks(
        who: Writes, request: Request, response: Response, key: Key = None
    ) -> ImportAnswer:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given not in _KINDS:
            raise InvalidInput(
                f"Content-Type is {given[:80]!r}; send a file as text/csv or text/calendar"
            )
        data = await request.body()
        answer, repeated = service.import_file(actor(who), _KINDS[given], data, key)
        mark(response, None, repeated)
        return answer

    @router.get("/{task_id:ulid}", responses={304: {"description": "Still the version you have."}})
    async def get_task(
        who: Sees,
        task_id: TaskId,
        response: Response,
        if_none_match: Annotated[str | None, Header(max_length=1_000)] = None,
    ) -> TaskAnswer:
        task = service.read.get(actor(who), task_id)
        tag = f'"{task.version}"'
        known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
        if tag in known or "*" in known:
            # An exception would be an error body; a response as it is passes the model by.
            return Response(status_code=304, headers={"ETag": tag})  # type: ignore[return-value]
        mark(response, task.version)
        return TaskAnswer(task=task)

    @router.put("/{task_id:ulid}", operation_id="put_task")
    @router.patch("/{task_id:ulid}", operation_id="patch_task")
    async def update_task(
        who: Writes,
        task_id: TaskId,
        changes: TaskChanges,
        response: Response,
        if_match: IfMatch = None,
    ) -> TaskAnswer:
        answer = service.update(actor(who), task_id, changes, versions(if_match))
        mark(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}")
    async def delete_task(who: Writes, task_id: TaskId, if_match: IfMatch = None) -> DeletedAnswer:
        return service.delete(actor(who), task_id, versions(if_match))

    @router.post("/{task_id:ulid}/complete")
    async def complete_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        how: Completion | None = None,
        if_match: IfMatch = None,
        key: Key = None,
    ) -> TaskAnswer:
        answer, repeated = service.complete(
            actor(who), task_id, how or Completion(), versions(if_match), key
        )
        mark(response, answer.task.version, repeated)
        return answer

    @router.post("/{task_id:ulid}/reopen")
    async def reopen_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        if_match: IfMatch = None,
        key: Key = None,
    ) -> TaskAnswer:
        answer, repeated = service.reopen(actor(who), task_id, versions(if_match), key)
        mark(response, answer.task.version, repeated)
        return answer

    @router.get("/{task_id:ulid}/comments")
    async def list_comments(
        who: Sees, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> CommentsAnswer:
        return service.read.comments(actor(who), task_id, query.limit, query.cursor)

    @router.post("/{task_id:ulid}/comments", status_code=201)
    async def add_comment(
        who: Writes, task_id: TaskId, new: CommentIn, response: Response, key: Key = None
    ) -> CommentAnswer:
        answer, repeated = service.comment(actor(who), task_id, new, key)
        mark(response, None, repeated)
        return answer

    @router.delete("/{task_id:ulid}/comments/{comment_id:ulid}")
    async def delete_comment(who: Writes, task_id: TaskId, comment_id: TaskId) -> DeletedAnswer:
        return service.delete_comment(actor(who), task_id, comment_id)

    @router.get("/{task_id:ulid}/subtasks")
    async def list_subtasks(who: Sees, task_id: TaskId) -> SubtasksAnswer:
        return service.read.subtasks(actor(who), task_id)

    @router.get("/{task_id:ulid}/dependencies")
    async def list_dependencies(who: Sees, task_id: TaskId) -> DependenciesAnswer:
        return service.read.dependencies(actor(who), task_id)

    @router.put("/{task_id:ulid}/dependencies/{needs_id:ulid}")
    async def add_dependency(
        who: Writes, task_id: TaskId, needs_id: TaskId, response: Response
    ) -> TaskAnswer:
        answer = service.depend(actor(who), task_id, needs_id)
        mark(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}/dependencies/{needs_id:ulid}")
    async def drop_dependency(
        who: Writes, task_id: TaskId, needs_id: TaskId, response: Response
    ) -> TaskAnswer:
        answer = service.undepend(actor(who), task_id, needs_id)
        mark(response, answer.task.version)
        return answer

    @router.get("/{task_id:ulid}/history")
    async def list_history(
        who: Sees, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> HistoryAnswer:
        return service.read.history(actor(who), task_id, query.limit, query.cursor)

    return create_http_app("Hearth tasks", router)


def actor(principal: Principal) -> Actor:
    """Who acts, as the service knows them."""
    return Actor(principal.id, principal.may("tasks:manage"))


def versions(if_match: str | None) -> Versions:
    """The versions that `If-Match` names; None: any (RFC 9110, 13.1.1).

    A weak tag, and one that is none of ours, matches nothing.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = (_TAG.fullmatch(part.strip()) for part in if_match.split(","))
    return frozenset(int(tag[1]) for tag in found if tag)


def mark(response: Response, version: int | None, repeated: bool = False) -> None:
    """Say which version the answer shows, and whether it was given before."""
    if version is not None:
        response.headers["ETag"] = f'"{version}"'
    if repeated:
        response.headers["Idempotency-Replayed"] = "true"
