"""Who may call what: the template and the functions say the same, and each would refuse alone."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hearth.http.auth import PERMISSIONS, Principal, Role, principal_of
from tests.infra.test_template import folder, target
from tests.support.callers import acting_as

if TYPE_CHECKING:
    from starlette.types import ASGIApp

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


def test_a_route_is_public_where_its_function_asks_nobody_and_nowhere_else(
    template: Template,
) -> None:
    public = {
        (event["Method"], event["Path"])
        for _, event in template.events("HttpApi")
        if event.get("Auth", {}).get("Authorizer") == "NONE"
    }
    asking_nobody = {
        route
        for app in applications(template).values()
        for route, operation in operations(app).items()
        if not operation.get("security")
    }
    assert asking_nobody == public


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
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
        assert re.search(r"lambda_handler_for\([^\n]*, platform\.limits\)", source), module


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_request_says_who_calls_and_may_do_what_its_role_may(path: Path) -> None:
    event = json.loads(path.read_text("utf-8"))
    principal = principal_of(event)
    if principal is None:
        assert "authorizer" not in event["requestContext"]
        return
    assert principal.permissions <= PERMISSIONS[principal.role]
    assert principal.context() == event["requestContext"]["authorizer"]["lambda"]
