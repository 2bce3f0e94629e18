"""The routes of a resource, with permissions, ETags, idempotency keys and a typed document.

    GET    {path}               list: filter, order, limit, cursor
    POST   {path}               create                      Idempotency-Key
    GET    {path}/{id}          read                        If-None-Match
    PATCH  {path}/{id}          update                      If-Match
    DELETE {path}/{id}          delete                      If-Match
    GET    {path}/{id}/history  who changed what, when
    POST   {path}/bulk          bulk create                 Idempotency-Key
    PATCH  {path}/bulk          bulk update                 Idempotency-Key
    PUT    {path}/bulk          bulk upsert, by the unique field
    POST   {path}/bulk/delete   bulk delete                 Idempotency-Key

Include the router before routes of the capability that would match `{path}` as an id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

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
from hearth.ids import ULID_PATTERN
from hearth.resource.declaration import Resource
from hearth.resource.models import BulkDelete, BulkOut, DeletedOut, HistoryPage, models_of
from hearth.resource.service import ResourceService

_UNCHANGED = "Still the version you have."
RowId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


def resource_routes(
    resource: Resource,
    service: Callable[[], ResourceService],
    without: frozenset[str] = frozenset(),
) -> APIRouter:
    """The router of a resource.

    Args:
        service: Gives the service when a request comes, so that the document can be written
            without one.
        without: Operations that the capability answers itself or not at all: `list`, `get`,
            `history`, `create`, `update`, `delete`, `bulk`.
    """
    models = models_of(resource)
    router = APIRouter(prefix=resource.path, tags=[resource.path.split("/")[3]])

    async def list_rows(who: Principal, query: Any) -> Any:
        return service().list(who.id, query)

    async def get_row(
        who: Principal, row_id: RowId, response: Response, if_none_match: IfNoneMatch = None
    ) -> Any:
        row: Any = service().get(who.id, row_id)
        return not_modified(if_none_match, version_tag(row.version)) or _marked(response, row)

    async def list_history(
        who: Principal, row_id: RowId, query: Annotated[PageQuery, Query()]
    ) -> HistoryPage:
        return service().history(who.id, row_id, query.limit, query.cursor)

    async def create_row(
        who: Principal, new: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        row: Any
        row, replayed = service().create(who.id, new, key)
        response.headers["Location"] = f"{resource.path}/{row.id}"
        return _marked(response, row, replayed)

    async def update_row(
        who: Principal, row_id: RowId, changes: Any, response: Response, if_match: IfMatch = None
    ) -> Any:
        return _marked(
            response, service().update(who.id, row_id, changes, expected_versions(if_match))
        )

    async def delete_row(who: Principal, row_id: RowId, if_match: IfMatch = None) -> DeletedOut:
        return service().delete(who.id, row_id, expected_versions(if_match))

    async def bulk_create(
        who: Principal, asked: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        return _replayed(response, service().bulk_create(who.id, asked, key))

    async def bulk_update(
        who: Principal, asked: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        return _replayed(response, service().bulk_update(who.id, asked, key))

    async def bulk_upsert(
        who: Principal, asked: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        return _replayed(response, service().bulk_upsert(who.id, asked, key))

    async def bulk_delete(
        who: Principal, asked: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        return _replayed(response, service().bulk_delete(who.id, asked, key))

    reads = Annotated[Principal, require(resource.read)]
    writes = Annotated[Principal, require(resource.write)]
    one, some = resource.name, resource.plural

    def route(
        operation: str,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        name: str,
        answer: type[Any],
        status: int = 200,
        **types: Any,
    ) -> None:
        if operation in without:
            return
        # FastAPI reads the parameters' types, which only the declaration knows, from here.
        endpoint.__annotations__ |= types
        unchanged: dict[int | str, dict[str, Any]] = {304: {"description": _UNCHANGED}}
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=name,
            response_model=answer,
            status_code=status,
            responses=unchanged if operation == "get" else None,
        )

    query: Any = Annotated[models.query, Query()]
    bulk, changes = models.bulk_create, models.bulk_update
    of_row = "/{row_id:ulid}"
    route("list", "GET", "", list_rows, f"list_{some}", models.page, who=reads, query=query)
    route(
        *("create", "POST", "", create_row, f"create_{one}", models.out, 201),
        who=writes,
        new=models.create,
    )
    route("bulk", "POST", "/bulk", bulk_create, f"create_{some}", BulkOut, who=writes, asked=bulk)
    route(
        *("bulk", "PATCH", "/bulk", bulk_update, f"update_{some}", BulkOut),
        who=writes,
        asked=changes,
    )
    if resource.key is not None:
        route(
            *("bulk", "PUT", "/bulk", bulk_upsert, f"upsert_{some}", BulkOut),
            who=writes,
            asked=bulk,
        )
    route(
        *("bulk", "POST", "/bulk/delete", bulk_delete, f"delete_{some}", BulkOut),
        who=writes,
        asked=BulkDelete,
    )
    route("get", "GET", of_row, get_row, f"get_{one}", models.out, who=reads)
    route(
        *("update", "PATCH", of_row, update_row, f"update_{one}", models.out),
        who=writes,
        changes=models.changes,
    )
    route("delete", "DELETE", of_row, delete_row, f"delete_{one}", DeletedOut, who=writes)
    route(
        *("history", "GET", f"{of_row}/history", list_history, f"list_{one}_history", HistoryPage),
        who=reads,
    )
    return router


def _marked(response: Response, row: Any, replayed: bool = False) -> Any:
    set_headers(response, row.version, replayed)
    return row


def _replayed(response: Response, answer: tuple[BulkOut, bool]) -> BulkOut:
    set_headers(response, replayed=answer[1])
    return answer[0]
