"""The operations of a resource as data: the routes are made of it, and so can other doors be.

A command line, a tool or a GraphQL schema reads from here what can be done, who may, and which
models cross the border; `ResourceService` has a method for each `kind`.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel

from hearth.http.query import PageQuery
from hearth.resource.declaration import Resource
from hearth.resource.models import BulkDelete, BulkOut, DeletedOut, HistoryPage, models_of

OF_ROW = "/{row_id:ulid}"


class Operation(NamedTuple):
    """What can be done.

    Attributes:
        kind: The method of the service.
        name: Unique among all resources, such as `create_saved_filter`.
        method: Of HTTP.
        path: Behind the resource's own.
        permission: Who may.
        takes: The model of the query or of the body.
        gives: The model of the answer.
        status: Of a success.
    """

    kind: str
    name: str
    method: str
    path: str
    permission: str
    takes: type[BaseModel] | None
    gives: type[BaseModel]
    status: int = 200


def operations_of(resource: Resource) -> tuple[Operation, ...]:
    """The operations of a resource; bulk upsert only where a field is unique."""
    models = models_of(resource)
    read, write = resource.read, resource.write
    one, some = resource.name, resource.plural
    create, page = models.create, models.page
    bulk, many = models.bulk_create, models.bulk_update
    found = (
        Operation("list", f"list_{some}", "GET", "", read, models.query, page),
        Operation("create", f"create_{one}", "POST", "", write, create, models.out, 201),
        Operation("bulk_create", f"create_{some}", "POST", "/bulk", write, bulk, BulkOut),
        Operation("bulk_update", f"update_{some}", "PATCH", "/bulk", write, many, BulkOut),
        Operation("bulk_upsert", f"upsert_{some}", "PUT", "/bulk", write, bulk, BulkOut),
        Operation(
            "bulk_delete", f"delete_{some}", "POST", "/bulk/delete", write, BulkDelete, BulkOut
        ),
        Operation("get", f"get_{one}", "GET", OF_ROW, read, None, models.out),
        Operation("update", f"update_{one}", "PATCH", OF_ROW, write, models.changes, models.out),
        Operation("delete", f"delete_{one}", "DELETE", OF_ROW, write, None, DeletedOut),
        Operation(
            *("history", f"list_{one}_history", "GET", f"{OF_ROW}/history"),
            *(read, PageQuery, HistoryPage),
        ),
    )
    return tuple(op for op in found if op.kind != "bulk_upsert" or resource.key is not None)
