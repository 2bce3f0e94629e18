"""The tests that Schemathesis makes of an OpenAPI document: in process, behind the gateway.

    SERVICE = Deferred()
    CONTRACT = OpenApiContract(create_app(SERVICE))

    @CONTRACT.document().parametrize()
    @examples(40)
    def test_tasks_keeps_to_its_document(case: schemathesis.Case) -> None:
        CONTRACT.check(case)

A module fixture fills a database, points `SERVICE` at the real service and names ids that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from hearth.http.auth import Principal
from tests.support.callers import acting_as, caller

load_all_checks()

TOKEN = {"Authorization": "Bearer known-to-the-authorizer"}
_LONGEST_CURSOR = 2048


class Deferred:
    """Stands in for a service until there is a database: documents are read at collection."""

    service: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


def examples(number: int) -> Callable[[Any], Any]:
    """Try `number` requests of each kind, the same ones in every run."""
    decorate: Callable[[Any], Any] = settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return decorate


def is_wrong(case: schemathesis.Case, place: ParameterLocation) -> bool:
    """Whether that part of the request is wrong on purpose, and must stay so."""
    return case.meta is not None and case.meta.is_negative_at(place)


def objects_of(body: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a body."""
    for value in body.values() if isinstance(body, dict) else body:
        if isinstance(value, dict | list):
            yield from objects_of(value)
    if isinstance(body, dict):
        yield body


@dataclass
class OpenApiContract:
    """An API that must keep to its document.

    Args:
        app: The API, without a gateway before it.
        principal: Gives the one caller whom the authorizer knows.
        accepted: Statuses that a request may get which the document allows, where no document can
            say all that a request must fulfil; the default is any below 400, and a few others.

    Attributes:
        ids: Path parameter → ids that exist; they replace most of those that Schemathesis invents.
        cursor: Gives a cursor that the list at a path gave out; no document can say which exist.
    """

    app: FastAPI
    principal: Callable[[], Principal] = caller
    accepted: Sequence[str] = ()
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursor: Callable[[str], str] | None = None
    _requests: count[int] = field(default_factory=count)

    def document(self) -> Any:
        """What Schemathesis reads; its `parametrize()` makes the tests."""
        config = SchemathesisConfig()
        config.projects.default.generation.update(deterministic=True)
        if self.accepted:
            checks = config.projects.default.checks
            checks.positive_data_acceptance.expected_statuses = list(self.accepted)
        document = schemathesis.openapi.from_dict(self.app.openapi(), config=config)
        document.app = self.behind_the_gateway
        return document

    async def behind_the_gateway(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One token is known to the authorizer; each request comes from another address."""
        token = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
        principal = self.principal() if token == TOKEN["Authorization"] else None
        number = next(self._requests)
        address = f"192.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        asked = {**scope, "client": (address, 0)}
        await acting_as(self.app, principal)(asked, receive, send)

    def check(self, case: schemathesis.Case) -> None:
        """Send the request, and apply every check that Schemathesis has to the response."""
        wrong_path = is_wrong(case, ParameterLocation.PATH)
        for name, value in case.path_parameters.items():
            if name in self.ids and isinstance(value, str) and not wrong_path:
                number = sum(map(ord, value))
                if number % 4:
                    case.path_parameters[name] = self.ids[name][number % len(self.ids[name])]
        cursor = case.query.get("cursor")
        if self.cursor and isinstance(cursor, str) and len(cursor) <= _LONGEST_CURSOR:
            case.query["cursor"] = self.cursor(case.path)
        wrong_headers = is_wrong(case, ParameterLocation.HEADER)
        case.call_and_validate(headers=None if wrong_headers else TOKEN)
