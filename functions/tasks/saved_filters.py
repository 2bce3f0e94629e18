"""Saved filters: a person's named queries, used with `GET /api/v1/tasks?saved=<id>`."""

from __future__ import annotations

from typing import Any, TypeVar

from functions.tasks.schemas import TaskCriteria, TaskFilter
from hearth.resource.declaration import Json, Resource, Text
from hearth.resource.service import ResourceService

Q = TypeVar("Q", bound=TaskFilter)

SAVED_FILTERS = Resource(
    "saved_filter",
    table="task_saved_filters",
    path="/api/v1/tasks/filters",
    scope="owner",
    read="tasks:read",
    write="tasks:write",
    fields=(
        Text("name", max_length=80, unique=True),
        Json("query", model=TaskCriteria, description="As the query of `GET /api/v1/tasks`."),
    ),
    max_rows=200,
    description="A person's named queries of tasks.",
)


def apply_saved_filter(filters: ResourceService, actor: str, query: Q) -> Q:
    """A query with what its saved filter says of everything that the query itself leaves open.

    Raises:
        NotFound: The actor has no such filter.
    """
    if query.saved is None:
        return query
    saved: Any = filters.get(actor, query.saved)
    criteria: TaskCriteria = saved.query
    names = criteria.model_fields_set - query.model_fields_set
    return query.model_copy(update={name: getattr(criteria, name) for name in names})
