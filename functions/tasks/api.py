"""Routes below `/api/v1/tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query, Request, Response

from functions.tasks.saved_filters import SAVED_FILTERS, apply_saved_filter
from functions.tasks.schemas import (
    TASK_ID,
    BulkIn,
    CommentIn,
    CommentPage,
    CompletionIn,
    CreatedTaskOut,
    DeletedOut,
    DependenciesOut,
    ExportQuery,
    ImportOut,
    SingleCommentOut,
    SingleTaskOut,
    StatsOut,
    SubtasksOut,
    TaskBulkOut,
    TaskChangesIn,
    TaskHistoryPage,
    TaskIn,
    TaskPage,
    TaskQuery,
)
from functions.tasks.task import Actor
from hearth.errors import InvalidInput
from hearth.http.app import Router
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
    from functions.tasks.wiring import Services

TaskId = Annotated[str, Path(pattern=TASK_ID)]
Reads = Annotated[Principal, require("tasks:read")]
Writes = Annotated[Principal, require("tasks:write")]
_MEDIA = {"csv": "text/csv; charset=utf-8", "ics": "text/calendar; charset=utf-8"}
_KINDS = {"text/csv": "csv", "text/calendar": "ics"}
_FILE = {"schema": {"type": "string"}}


def create_app(services: Services) -> FastAPI:
    """Build the application."""
    router = Router(prefix="/api/v1/tasks", tags=["tasks"])
    saved_filters = resource_routes(SAVED_FILTERS, lambda: services.saved_filters)

    @router.post("", status_code=201)
    async def create_task(
        who: Writes, new: TaskIn, response: Response, key: IdempotencyKey = None
    ) -> CreatedTaskOut:
        answer, replayed = services.tasks.create(actor(who), new, key)
        response.headers["Location"] = f"/api/v1/tasks/{answer.id}"
        set_headers(response, answer.task.version, replayed)
        return answer

    @router.get("")
    async def list_tasks(who: Reads, query: Annotated[TaskQuery, Query()]) -> TaskPage:
        completed = apply_saved_filter(services.saved_filters, who.id, query)
        return services.queries.list(actor(who), completed)

    @router.get("/stats")
    async def task_stats(who: Reads) -> StatsOut:
        return services.queries.stats(actor(who))

    @router.post("/bulk")
    async def change_many(
        who: Writes, bulk: BulkIn, response: Response, key: IdempotencyKey = None
    ) -> TaskBulkOut:
        answer, replayed = services.bulk.run(actor(who), bulk, key)
        set_headers(response, replayed=replayed)
        return answer

    @router.get(
        "/export",
        response_class=Response,
        responses={200: {"content": {"text/csv": _FILE, "text/calendar": _FILE}}},
    )
    async def export_tasks(who: Reads, query: Annotated[ExportQuery, Query()]) -> Response:
        completed = apply_saved_filter(services.saved_filters, who.id, query)
        data, cursor = services.queries.export(actor(who), completed)
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
    ) -> ImportOut:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given not in _KINDS:
            raise InvalidInput(
                f"Content-Type is {given[:80]!r}; send a file as text/csv or text/calendar"
            )
        data = await request.body()
        answer, replayed = services.bulk.import_file(actor(who), _KINDS[given], data, key)
        set_headers(response, replayed=replayed)
        return answer

    @router.get("/{task_id:ulid}", responses={304: {"description": "Still the version you have."}})
    async def get_task(
        who: Reads,
        task_id: TaskId,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> SingleTaskOut:
        task = services.queries.get(actor(who), task_id)
        if same := not_modified(if_none_match, version_tag(task.version)):
            return same  # type: ignore[return-value]  # a response as it is passes the model by
        set_headers(response, task.version)
        return SingleTaskOut(task=task)

    @router.put("/{task_id:ulid}", operation_id="put_task")
    @router.patch("/{task_id:ulid}", operation_id="patch_task")
    async def update_task(
        who: Writes,
        task_id: TaskId,
        changes: TaskChangesIn,
        response: Response,
        if_match: IfMatch = None,
    ) -> SingleTaskOut:
        answer = services.tasks.update(actor(who), task_id, changes, expected_versions(if_match))
        set_headers(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}")
    async def delete_task(who: Writes, task_id: TaskId, if_match: IfMatch = None) -> DeletedOut:
        return services.tasks.delete(actor(who), task_id, expected_versions(if_match))

    @router.post("/{task_id:ulid}/complete")
    async def complete_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        completion: CompletionIn | None = None,
        if_match: IfMatch = None,
        key: IdempotencyKey = None,
    ) -> SingleTaskOut:
        answer, replayed = services.tasks.complete(
            actor(who), task_id, completion or CompletionIn(), expected_versions(if_match), key
        )
        set_headers(response, answer.task.version, replayed)
        return answer

    @router.post("/{task_id:ulid}/reopen")
    async def reopen_task(
        who: Writes,
        task_id: TaskId,
        response: Response,
        if_match: IfMatch = None,
        key: IdempotencyKey = None,
    ) -> SingleTaskOut:
        answer, replayed = services.tasks.reopen(
            actor(who), task_id, expected_versions(if_match), key
        )
        set_headers(response, answer.task.version, replayed)
        return answer

    @router.get("/{task_id:ulid}/comments")
    async def list_comments(
        who: Reads, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> CommentPage:
        return services.queries.comments(actor(who), task_id, query.limit, query.cursor)

    @router.post("/{task_id:ulid}/comments", status_code=201)
    async def add_comment(
        who: Writes, task_id: TaskId, new: CommentIn, response: Response, key: IdempotencyKey = None
    ) -> SingleCommentOut:
        answer, replayed = services.relations.add_comment(actor(who), task_id, new, key)
        set_headers(response, replayed=replayed)
        return answer

    @router.delete("/{task_id:ulid}/comments/{comment_id:ulid}")
    async def delete_comment(who: Writes, task_id: TaskId, comment_id: TaskId) -> DeletedOut:
        return services.relations.delete_comment(actor(who), task_id, comment_id)

    @router.get("/{task_id:ulid}/subtasks")
    async def list_subtasks(who: Reads, task_id: TaskId) -> SubtasksOut:
        return services.queries.subtasks(actor(who), task_id)

    @router.get("/{task_id:ulid}/dependencies")
    async def list_dependencies(who: Reads, task_id: TaskId) -> DependenciesOut:
        return services.queries.dependencies(actor(who), task_id)

    @router.put("/{task_id:ulid}/dependencies/{needs_id:ulid}")
    async def add_dependency(
        who: Writes, task_id: TaskId, needs_id: TaskId, response: Response
    ) -> SingleTaskOut:
        answer = services.relations.add_dependency(actor(who), task_id, needs_id)
        set_headers(response, answer.task.version)
        return answer

    @router.delete("/{task_id:ulid}/dependencies/{needs_id:ulid}")
    async def drop_dependency(
        who: Writes, task_id: TaskId, needs_id: TaskId, response: Response
    ) -> SingleTaskOut:
        answer = services.relations.delete_dependency(actor(who), task_id, needs_id)
        set_headers(response, answer.task.version)
        return answer

    @router.get("/{task_id:ulid}/history")
    async def list_history(
        who: Reads, task_id: TaskId, query: Annotated[PageQuery, Query()]
    ) -> TaskHistoryPage:
        return services.queries.history(actor(who), task_id, query.limit, query.cursor)

    return create_http_app("Hearth tasks", saved_filters, router)


def actor(principal: Principal) -> Actor:
    """Return the actor of a request."""
    return Actor(principal.id, principal.may("tasks:manage"))
