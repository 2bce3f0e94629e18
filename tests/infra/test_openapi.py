"""The document of the whole API is in step with the functions, and is a good document."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis

if TYPE_CHECKING:
    from hearth_runtime.http.routing import RouteTable
    from tests.infra.conftest import Template

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("openapi", ROOT / "scripts" / "openapi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    path = ROOT / "functions" / "docs" / "openapi.json"
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_committed_document_is_that_of_the_functions(script: ModuleType) -> None:
    made = script.as_text(script.document())
    assert made == script.DOCUMENT.read_text("utf-8"), "run .venv/bin/python scripts/openapi.py"


def test_every_operation_is_one_that_the_gateway_has_a_route_for(
    document: dict[str, Any], template: Template, routes: RouteTable
) -> None:
    used = set()
    for method, path, _ in operations(document):
        match = routes.find(method, path.replace("{", "").replace("}", ""))
        assert match is not None, (method, path)
        used.add((match.route.method, match.route.path))
    assert used == {(event["Method"], event["Path"]) for _, event in template.events("HttpApi")}


def test_it_is_valid(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()


def test_names_are_unique_and_references_lead_somewhere(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    for kind, name in set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(document))):
        assert name in document["components"][kind]


def test_every_operation_is_tagged_and_says_what_errors_look_like(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert set(operation["tags"]) <= tags, (method, path)
        for status in ("4XX", "5XX"):
            content = operation["responses"][status]["content"]
            by_function, by_gateway = (
                content[kind]["schema"]["$ref"].rpartition("/")[2]
                for kind in ("application/problem+json", "application/json")
            )
            assert (by_function, by_gateway) == ("ErrorAnswer", "GatewayError"), (method, path)


def test_recorded_requests_are_its_examples(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/api/v1/jobs"]["get"]["parameters"]
    (state,) = [parameter for parameter in parameters if parameter["name"] == "state"]
    assert state["examples"] == {"list_failed": {"value": "failed"}}


# ---- merging ----


def part(path: str, schema: dict[str, Any], name: str = "list_things_") -> dict[str, Any]:
    suffix = re.sub(r"\W", "_", path)
    reference = {"$ref": "#/components/schemas/Page"}
    return {
        "paths": {path: {"get": {"operationId": f"{name[:-1]}{suffix}_get", "x": reference}}},
        "components": {"schemas": {"Page": {"items": schema}, "Thing": {"type": "string"}}},
    }


def test_nothing_is_merged_into_nothing(script: ModuleType) -> None:
    assert script.merge({}, {}, {})["paths"] == {}


def test_schemas_of_one_name_are_kept_apart_where_they_differ(script: ModuleType) -> None:
    thing = {"$ref": "#/components/schemas/Thing"}
    one, two = part("/one", thing), part("/two", thing)
    two["components"]["schemas"]["Thing"] = {"type": "integer"}
    merged = script.merge({"one": one, "two": two}, {"one": "One.", "two": "Two."}, {})
    # Page reads the same in both, but refers to another Thing.
    assert merged["components"]["schemas"] == {
        "GatewayError": script.GATEWAY_ERROR,
        "Page": {"items": thing},
        "Thing": {"type": "string"},
        "TwoPage": {"items": {"$ref": "#/components/schemas/TwoThing"}},
        "TwoThing": {"type": "integer"},
    }
    assert merged["paths"]["/two"]["get"]["x"] == {"$ref": "#/components/schemas/TwoPage"}


def test_endpoints_of_one_name_are_told_apart_by_their_capability(script: ModuleType) -> None:
    parts = {"one": part("/one", {}), "two": part("/two", {}), "three": part("/3", {}, "other_")}
    merged = script.merge(parts, dict.fromkeys(parts, "."), {})
    names = [operation["operationId"] for _, _, operation in operations(merged)]
    assert names == ["one_list_things", "two_list_things", "other"]
