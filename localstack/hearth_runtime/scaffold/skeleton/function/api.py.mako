"""`${path}` over HTTP."""

from __future__ import annotations

% if resource:
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ${package}.resource import ${constant}
from hearth.http.app import create_app as create_http_app
from hearth.resource.routes import resource_routes

if TYPE_CHECKING:
    from hearth.resource.service import ResourceService


def create_app(service: ResourceService) -> FastAPI:
    """The application with the nine operations of `${constant}`."""
    return create_http_app("${heading}", resource_routes(${constant}, lambda: service))
% else:
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query

from ${package}.schemas import LengthIn, LengthOut
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import require

if TYPE_CHECKING:
    from ${package}.service import ${title}Service


def create_app(service: ${title}Service) -> FastAPI:
    """The application that answers with what `service` decides."""
    router = Router(prefix="${path}", tags=["${slug}"])

    @router.get("/length", dependencies=[require("${slug}:read")])
    async def measure_text(query: Annotated[LengthIn, Query()]) -> LengthOut:
        return service.measure(query.text)

    return create_http_app("${heading}", router)
% endif
