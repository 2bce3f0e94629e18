"""`/api/v1/tasks`: tasks over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response

from functions.tasks.changes import Actor
from functions.tasks.saved_filters import SAVED_FILTERS, apply_saved_filter
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
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require
from hearth.http.conditional import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    expected_versions,
    not_modified,
    set_headers,
    version_tag,
)
from hearth.http.query import PageQuery
from hearth.resource.routes import resource_routes

if TYPE_CHECKING:
    from functions.tasks.service import TaskService

TaskId = Annotated[str, Path(pattern=TASK_ID)]
Sees = Annotated[Principal, require("tasks:read")]
Writes = Annotated[Principal, require("tasks:write")]
_MEDIA = {"csv": "text/csv; charset=utf-8", "ics": "text/calendar; charset=utf-8"}
_KINDS = {"text/csv": "csv", "text/calendar": "ics"}
_FILE = {"schema": {"type": "string"}}


def create_app(service: TaskService) -> FastAPI:
    """The application that answers with what `service` does and knows."""
    router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
    saved_filters = resource_routes(SAVED_FILTERS, lambda: service.saved_filters)

    @router.post("", status_code=201)
    async def create_task(
        who: Writes, new: TaskIn, response: Response, key: IdempotencyKey = None
    ) -> CreatedAnswer:
        answer, repeated = service.create(actor(who), new, key)
        response.headers["Location"] = f"/api/v1/tasks/{answer.id}"
        set_headers(response, answer.task.version, repeated)
        return answer

    @router.get("")
    async def list_tasks(who: Sees, query: Annotated[TaskQuery, Query()]) -> TasksAnswer:
        completed = apply_saved_filter(service.saved_filters, who.id, query)
        return service.read.list(actor(who), completed)

    @router.get("/stats")
    async def task_stats(who: Sees) -> StatsAnswer:
        return service.read.stats(actor(who))

    @router.post("/bulk")
    async def change_many(
        who: Writes, asked: BulkIn, response: Response, key: IdempotencyKey = None
    ) -> BulkAnswer:
        answer, repeated = service.bulk(actor(who), asked, key)
        set_headers(response, replayed=repeated)
        return answer

    @router.get(
        "/export",
        response_class=Response,
        responses={200: {"content": {"text/csv": _FILE, "text/calendar": _FILE}}},
    )
    async def export_tasks(who: Sees, query: Annotated[ExportQuery, Query()]) -> Response:
        completed = apply_saved_filter(service.saved_filters, who.id, query)
        data, cursor = service.export(actor(who), completed)
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
        who: Writes, request: Request, response: Response, key: IdempotencyKey = None
    ) -> ImportAnswer:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given not in _KINDS:
            raise InvalidInput(
                f"Content-Type is {given[:80]!r}; send a file as text/csv or text/calendar"
            )
        data = await request.body()
        answer, repeated = service.import_file(actor(who), _KINDS[given], data, key)
        set_headers(response, replayed=repeated)
        return answer

    @router.get("/{task_id:ulid}", responses={304: {"description": "Still the version you have."}})
    async def get_task(
        who: Sees,
        task_id: TaskId,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> TaskAnswer:
        task = service.read.get(actor(who), task_id)
        if same := not_modified(if_none_match, version_tag(task.version)):
            return same  # type: ignore[return-value]  # a response as it is passes the model by
        set_headers(response, task.version)
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
        answer = service.update(actor(who), task_id, changes, expected_versions(if_match))
        set_headers(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}")
    async def delete_task(who: Writes, task_id: TaskId, if_match: IfMatch = None) -> DeletedAnswer:
        return service.delete(actor(who), task_id, expected_versions(if_match))

    @router.post("/{task_id:ulid}/complete")
    async def complete_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        how: Completion | None = None,
        if_match: IfMatch = None,
        key: IdempotencyKey = None,
    ) -> TaskAnswer:
        answer, repeated = service.complete(
            actor(who), task_id, how or Completion(), expected_versions(if_match), key
        )
        set_headers(response, answer.task.version, repeated)
        return answer

    @router.post("/{task_id:ulid}/reopen")
    async def reopen_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        if_match: IfMatch = None,
        key: IdempotencyKey = None,
    ) -> TaskAnswer:
        answer, repeated = service.reopen(actor(who), task_id, expected_versions(if_match), key)
        set_headers(response, answer.task.version, repeated)
        return answer

    @router.get("/{task_id:ulid}/comments")
    async def list_comments(
        who: Sees, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> CommentsAnswer:
        return service.read.comments(actor(who), task_id, query.limit, query.cursor)

    @router.post("/{task_id:ulid}/comments", status_code=201)
    async def add_comment(
        who: Writes, task_id: TaskId, new: CommentIn, response: Response, key: IdempotencyKey = None
    ) -> CommentAnswer:
        answer, repeated = service.comment(actor(who), task_id, new, key)
        set_headers(response, replayed=repeated)
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
        set_headers(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}/dependencies/{needs_id:ulid}")
    async def drop_dependency(
        who: Writes, task_id: TaskId, needs_id: TaskId, response: Response
    ) -> TaskAnswer:
        answer = service.undepend(actor(who), task_id, needs_id)
        set_headers(response, answer.task.version)
        return answer

    @router.get("/{task_id:ulid}/history")
    async def list_history(
        who: Sees, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> HistoryAnswer:
        return service.read.history(actor(who), task_id, query.limit, query.cursor)

    return create_http_app("Hearth tasks", saved_filters, router)


def actor(principal: Principal) -> Actor:
    """Who acts, as the service knows them."""
    return Actor(principal.id, principal.may("tasks:manage"))
