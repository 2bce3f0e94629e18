"""A resource with a field of every kind, for the suites that prove `hearth.resource`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from hearth.errors import Conflict
from hearth.resource.declaration import (
    Boolean,
    Choice,
    Integer,
    Json,
    Number,
    Resource,
    Secret,
    Text,
    Time,
)


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    corners: int
    note: str = ""


def gadgets(**changes: Any) -> Resource:
    """The resource; its permissions are those of tasks, because every role knows them."""
    declared: dict[str, Any] = {
        "table": "gadgets",
        "path": "/api/v1/gadgets",
        "read": "tasks:read",
        "write": "tasks:write",
        "events": "gadget",
        "fields": (
            Text("name", max_length=80, unique=True),
            Text("notes", default="", min_length=0, max_length=2_000, multiline=True),
            Text("place", nullable=True),
            Choice("color", values=("red", "green"), default="red"),
            Integer("count", default=0),
            Number("weight", nullable=True),
            Boolean("enabled", default=True),
            Time("bought_at", nullable=True),
            Json("shape", model=Shape, nullable=True),
            Text("serial", nullable=True, fixed=True),
            Text("slug", derived=True),
            Secret("password", nullable=True),
        ),
    }
    return Resource("gadget", **(declared | changes))


GADGETS = gadgets()


def prepare(values: dict[str, Any], before: dict[str, Any] | None) -> None:
    """The rule of gadgets: a derived slug, and one name that is reserved."""
    if values["name"] == "reserved":
        raise Conflict("gadget 'reserved' exists already")
    values["slug"] = values["name"].lower().replace(" ", "-")
