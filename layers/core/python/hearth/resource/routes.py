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

from fastapi import Path, Query, Response

from hearth.http.app import Router
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
from hearth.ids import ULID_PATTERN
from hearth.resource.declaration import Resource
from hearth.resource.operations import Operation, operations_of
from hearth.resource.service import ResourceService

_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Still the version you have."}}
RowId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


def resource_routes(
    resource: Resource,
    service: Callable[[], ResourceService],
    without: frozenset[str] = frozenset(),
) -> Router:
    """The router of a resource.

    Args:
        service: Gives the service when a request comes, so that the document can be written
            without one.
        without: Kinds of operations that the capability answers itself or not at all.
    """
    router = Router(prefix=resource.path, tags=[resource.path.split("/")[3]])
    for operation in operations_of(resource):
        if operation.kind in without:
            continue
        endpoint = _endpoint(operation, resource, service)
        # FastAPI reads from here the types that only the declaration knows.
        types: dict[str, Any] = {"who": Annotated[Principal, require(operation.permission)]}
        if operation.takes is not None:
            in_query = operation.method == "GET"
            types["given"] = Annotated[operation.takes, Query()] if in_query else operation.takes
        endpoint.__annotations__ |= types
        router.add_api_route(
            operation.path,
            endpoint,
            methods=[operation.method],
            name=operation.name,
            response_model=operation.gives,
            status_code=operation.status,
            responses=_UNCHANGED if operation.kind == "get" else None,
        )
    return router


def _endpoint(
    operation: Operation, resource: Resource, service: Callable[[], ResourceService]
) -> Callable[..., Any]:
    """A new function for an operation: FastAPI reads its parameters."""

    async def list_rows(who: Principal, given: Any) -> Any:
        return service().list(who.id, given)

    async def get_row(
        who: Principal, row_id: RowId, response: Response, if_none_match: IfNoneMatch = None
    ) -> Any:
        row: Any = service().get(who.id, row_id)
        return not_modified(if_none_match, version_tag(row.version)) or _tagged(response, row)

    async def list_history(who: Principal, row_id: RowId, given: Any) -> Any:
        return service().history(who.id, row_id, given.limit, given.cursor)

    async def create_row(
        who: Principal, given: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        row: Any
        row, replayed = service().create(who.id, given, key)
        response.headers["Location"] = f"{resource.path}/{row.id}"
        return _tagged(response, row, replayed)

    async def update_row(
        who: Principal, row_id: RowId, given: Any, response: Response, if_match: IfMatch = None
    ) -> Any:
        row = service().update(who.id, row_id, given, expected_versions(if_match))
        return _tagged(response, row)

    async def delete_row(who: Principal, row_id: RowId, if_match: IfMatch = None) -> Any:
        return service().delete(who.id, row_id, expected_versions(if_match))

    async def change_many(
        who: Principal, given: Any, response: Response, key: IdempotencyKey = None
    ) -> Any:
        answer, replayed = getattr(service(), operation.kind)(who.id, given, key)
        set_headers(response, replayed=replayed)
        return answer

    endpoints: dict[str, Callable[..., Any]] = {
        "list": list_rows,
        "get": get_row,
        "history": list_history,
        "create": create_row,
        "update": update_row,
        "delete": delete_row,
    }
    return endpoints.get(operation.kind, change_many)


def _tagged(response: Response, row: Any, replayed: bool = False) -> Any:
    set_headers(response, row.version, replayed)
    return row
