"""Who may call what: the template and the functions say the same, and each would refuse alone."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from hearth.http.auth import PERMISSIONS, Principal, Role, principal_of
from scripts.declare import gather
from tests.infra.test_template import folder, target
from tests.support.callers import acting_as

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from hearth_runtime.http.routing import RouteTable
    from tests.infra.conftest import Template

ROOT = Path(__file__).resolve().parents[2]
EVENTS = sorted((ROOT / "events").glob("*/http_api_*.json"))
ID = "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"
NOBODY = Principal("u1", "user", Role.GUEST, frozenset())


def applications(template: Template) -> dict[str, Any]:
    """Capability → its application, for each function with routes."""
    names = {folder(template.functions[name]) for name, _ in template.events("HttpApi")}
    return {
        name: importlib.import_module(f"functions.{name}.api").create_app(None)
        for name in sorted(names)
    }


def operations(app: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def ask(app: ASGIApp, method: str, path: str) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://home") as client:
            return await client.request(method, re.sub(r"\{.*?\}", ID, path))

    return asyncio.run(call())


def asks_who_calls(dependant: Any) -> bool:
    """Whether `require` or `require_caller` is among what a route depends on."""
    name = getattr(dependant.call, "__qualname__", "")
    return name in ("require.<locals>.check", "require_caller.<locals>.check") or any(
        asks_who_calls(one) for one in dependant.dependencies
    )


def test_every_route_asks_who_calls_unless_its_capability_declares_it_public(
    template: Template,
) -> None:
    declared = {one.name: set(one.public_routes) for one in gather(ROOT).values()}
    for name, app in applications(template).items():
        # Also those that the document does not show.
        dependants = {
            f"{method} {route.path}": route.dependant
            for route in iter_route_contexts(app.routes)
            if hasattr(route, "dependant")
            for method in route.methods or ()
        }
        assert len(dependants) >= len(operations(app)), name
        open_to_all = {key for key, one in dependants.items() if not asks_who_calls(one)}
        assert open_to_all == declared[name], name
        documented = {
            f"{method} {path}"
            for (method, path), operation in operations(app).items()
            if not operation.get("security")
        }
        assert documented == declared[name], name


def test_the_gateway_lets_the_anonymous_through_on_public_routes_alone(template: Template) -> None:
    public = {
        f"{event['Method']} {event['Path']}"
        for _, event in template.events("HttpApi")
        if event.get("Auth", {}).get("Authorizer") == "NONE"
    }
    assert public == {route for one in gather(ROOT).values() for route in one.public_routes}


@pytest.mark.parametrize(
    ("method", "path", "public"),
    [
        ("POST", "/api/v1/auth/login", True),
        ("POST", "/api/v1/auth/%6cogin", True),
        ("GET", "/api/v1/auth/login", False),
        ("POST", "/api/v1/auth/login/", False),
        ("POST", "/api/v1/auth/login%2F..%2Fusers", False),
        ("POST", "/api/v1/auth//login", False),
        ("GET", "/api/v1/auth/users", False),
        ("GET", "/docs/app.js", True),
        ("PUT", "/api/v1/tasks/x/dependencies/y", False),
        ("OPTIONS", "/api/v1/tasks", False),
    ],
)
def test_a_public_route_is_no_way_around_the_authorizer(
    routes: RouteTable, method: str, path: str, public: bool
) -> None:
    match = routes.find(method, path)
    assert match is not None
    assert match.route.public is public


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_request_came_on_the_route_that_the_gateway_gives_it(
    routes: RouteTable, path: Path
) -> None:
    event = json.loads(path.read_text("utf-8"))
    match = routes.find(event["requestContext"]["http"]["method"], quote(event["rawPath"]))
    assert match is not None
    assert event["routeKey"] == event["requestContext"]["routeKey"] == match.route.key
    assert event.get("pathParameters", {}) == match.parameters


def test_the_api_asks_its_authorizer_unless_a_route_opts_out(template: Template) -> None:
    auth = template.body["Resources"]["Api"]["Properties"]["Auth"]
    hearth = auth["Authorizers"][auth["DefaultAuthorizer"]]
    assert hearth["FunctionArn"] == {"Ref": "AuthorizerFunction.Alias"}
    assert hearth["EnableSimpleResponses"] is True
    assert hearth["EnableFunctionDefaultPermissions"] is True
    assert hearth["Identity"]["Headers"] == ["Authorization"]
    # Somebody who was locked out stays in for no longer than this.
    assert hearth["Identity"]["ReauthorizeEvery"] <= 60
    for _, event in template.events("HttpApi"):
        assert event.get("Auth", {"Authorizer": "NONE"}) == {"Authorizer": "NONE"}, event["Path"]


def test_a_function_would_refuse_the_anonymous_and_the_powerless_by_itself(
    template: Template,
) -> None:
    for name, app in applications(template).items():
        for (method, path), operation in operations(app).items():
            if not operation.get("security"):
                continue
            anonymous = ask(app, method, path)
            assert anonymous.status_code == 401, f"{name}: {method} {path}"
            assert anonymous.json()["error"]["code"] == "UNAUTHENTICATED"
            # Whoever is known may read and change what is their own without a permission.
            if name != "auth":
                powerless = ask(acting_as(app, NOBODY), method, path)
                assert powerless.status_code == 403, f"{name}: {method} {path}"


def test_every_function_that_asks_who_calls_counts_their_requests(template: Template) -> None:
    for name, _ in template.events("HttpApi"):
        module = target(template.functions[name])[0]
        if module.startswith("functions.docs."):  # public files: the gateway limits each route
            continue
        # The composition root: the entry itself, or the wiring that it calls.
        entry = ROOT / f"{module.replace('.', '/')}.py"
        sources = [file for file in (entry, entry.with_name("wiring.py")) if file.is_file()]
        source = "".join(file.read_text("utf-8") for file in sources)
        assert re.search(r"lambda_handler_for\(.*, platform\.limits\s*\)", source, re.DOTALL), (
            module
        )


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_request_says_who_calls_and_may_do_what_its_role_may(path: Path) -> None:
    event = json.loads(path.read_text("utf-8"))
    principal = principal_of(event)
    if principal is None:
        assert "authorizer" not in event["requestContext"]
        return
    assert principal.permissions <= PERMISSIONS[principal.role]
    assert principal.context() == event["requestContext"]["authorizer"]["lambda"]
