"""Applications that all tests of a process share: FastAPI takes 0.2 s to build one."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


class SharedApp:
    """What `create_app(*services)` answers to requests, without building the application again.

    The application behind it is built once for each `create_app` and finds the services of a
    request in its context; so instances with other services can be used beside each other, also by
    several threads.
    """

    def __init__(self, create_app: Callable[..., FastAPI], *services: Any) -> None:
        self._app, self._of_the_request = _built(create_app, len(services))
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for of_the_request, service in zip(self._of_the_request, self._services, strict=True):
            of_the_request._current.set(service)
        await self._app(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI document."""
        return self._app.openapi()


class _ServiceOfTheRequest:
    """Stands in for a service; each request brings its own."""

    def __init__(self) -> None:
        self._current: ContextVar[Any] = ContextVar("service")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current.get(), name)


@cache
def _built(
    create_app: Callable[..., FastAPI], services: int
) -> tuple[FastAPI, tuple[_ServiceOfTheRequest, ...]]:
    of_the_request = tuple(_ServiceOfTheRequest() for _ in range(services))
    return create_app(*of_the_request), of_the_request
