"""The declared model of `${name}`: its table, operations, routes and permissions follow from it."""

from __future__ import annotations

from typing import Final

from hearth.resource.declaration import Boolean, Resource, Text

${constant}: Final = Resource(
    "${singular}",
    table="${table}",
    path="${path}",
    plural="${plural}",
    scope="owner",
    read="${slug}:read",
    write="${slug}:write",
    fields=(
        Text("name", max_length=80, unique=True),
        Text("note", max_length=2_000, min_length=0, multiline=True, default=""),
        Boolean("done", default=False),
    ),
)
