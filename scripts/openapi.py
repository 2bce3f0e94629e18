"""Write functions/docs/openapi.json: the documents of all HTTP functions as one.

    .venv/bin/python scripts/openapi.py [--check]

--check writes nothing and fails (exit status 1) where the committed file is another. The order is
that of the template, so the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / place) for place in (".", "layers/core/python", "localstack")]

from hearth_runtime.template.intrinsics import load_yaml  # noqa: E402  (where it is, is known only now)

DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
INFO = {
    "title": "Hearth",
    "version": "1",
    "description": (
        "Watches, understands and looks after a home or a small worksite.\n\n"
        "**Who calls.** `Authorization: Bearer …` with an access token or an API key. A program of"
        " the machine that the API runs on needs none while it listens on loopback.\n\n"
        "**Errors** have one shape, `ErrorAnswer`; `error.code` is for programs, `error.request_id`"
        " is in the log.\n\n"
        "**Limits.** Each user, key and anonymous address may ask so often a minute; every answer"
        " says what is left (`RateLimit`, `RateLimit-Policy`, `X-RateLimit-*`), and a 429 when to"
        " come back (`Retry-After`).\n\n"
        "**Lists** take `limit` and `cursor`; an answer without `next_cursor` is the last page."
    ),
}
Json = dict[str, Any]
GATEWAY_ERROR: Json = {
    "title": "GatewayError",
    "description": "What the gateway answers by itself, before or instead of a function.",
    "type": "object",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
    "examples": [{"message": "Unauthorized"}],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    text = as_text(document())
    if text == (DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""):
        return 0
    if arguments.check:
        sys.stderr.write(f"openapi: {DOCUMENT.relative_to(ROOT)} is old; run scripts/openapi.py\n")
        return 1
    DOCUMENT.write_text(text, "utf-8")
    return 0


def as_text(merged: Json) -> str:
    return json.dumps(merged, indent=1, ensure_ascii=False) + "\n"


def document() -> Json:
    """One document of every function with routes."""
    functions = capabilities()
    parts = {
        name: importlib.import_module(f"functions.{name}.api").create_app(None).openapi()
        for name in functions
    }
    routes = [(method, path) for part in parts.values() for path, method, _ in operations(part)]
    return merge(parts, functions, recorded_events(routes))


def capabilities() -> dict[str, str]:
    """Capability → what the template says of its function with routes, in the template's order."""
    template = load_yaml((ROOT / "template.yaml").read_text("utf-8"), "template.yaml")
    found = {}
    for resource in template["Resources"].values():
        properties = resource.get("Properties") or {}
        events = properties.get("Events") or {}
        if any(event["Type"] == "HttpApi" for event in events.values()):
            module = properties["ImageConfig"]["Command"][0]
            found[module.split(".")[1]] = properties["Description"]
    return found


def merge(parts: dict[str, Json], descriptions: dict[str, str], events: dict[str, Json]) -> Json:
    """The documents of `parts` (capability → document) as one, with `events` as examples."""
    names = Counter(
        operation_name(*operation) for part in parts.values() for operation in operations(part)
    )
    merged: Json = {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/", "description": "Where this document is."}],
        "tags": [],
        "paths": {},
        "components": {"schemas": {"GatewayError": GATEWAY_ERROR}, "securitySchemes": {}},
    }
    for capability, part in parts.items():
        part = renamed(part, capability, merged["components"]["schemas"])
        tags: dict[str, None] = {}
        for path, method, operation in operations(part):
            name = operation_name(path, method, operation)
            operation["operationId"] = f"{capability}_{name}" if names[name] > 1 else name
            tags |= dict.fromkeys(operation.get("tags", ()))
            add_examples(operation, events.get(f"{method.upper()} {path}", {}))
            for status in ("4XX", "5XX"):
                by_gateway = {"schema": {"$ref": "#/components/schemas/GatewayError"}}
                response = operation.get("responses", {}).get(status, {})
                response.setdefault("content", {}).setdefault("application/json", by_gateway)
        for path, methods in part["paths"].items():
            merged["paths"].setdefault(path, {}).update(methods)
        for kind, components in part.get("components", {}).items():
            merged["components"].setdefault(kind, {}).update(components)
        merged["tags"] += [{"name": tag, "description": descriptions[capability]} for tag in tags]
    return merged


def operations(part: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in part["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def operation_name(path: str, method: str, operation: Json) -> str:
    """The endpoint's own name: FastAPI appends path and method to it."""
    suffix = re.sub(r"\W", "_", path) + f"_{method}"
    return str(operation["operationId"]).removesuffix(suffix)


def renamed(part: Json, capability: str, taken: Json) -> Json:
    """`part` with its schemas renamed that mean something else in another part."""
    while True:
        schemas = part.get("components", {}).get("schemas", {})
        clash = {name for name, schema in schemas.items() if taken.get(name, schema) != schema}
        if not clash:
            return part
        # What refers to a renamed schema is another schema too: hence the loop.
        names = {name: f"{capability.capitalize()}{name}" for name in clash}
        text = re.sub(
            r'"#/components/schemas/([^"]+)"',
            lambda match, names=names: f'"#/components/schemas/{names.get(match[1], match[1])}"',
            json.dumps(part),
        )
        part = json.loads(text)
        schemas = part["components"]["schemas"]
        part["components"]["schemas"] = {names.get(name, name): schemas[name] for name in schemas}


# ---- examples ----


def recorded_events(routes: Iterable[tuple[str, str]]) -> dict[str, Json]:
    """Route → name of the case → recorded request, with the parameters that the route names.

    Args:
        routes: Method and path of each; the gateway knows only what they begin with.
    """
    # The one with fewer parameters says more about a path.
    tried = sorted(routes, key=lambda route: route[1].count("{"))
    found: dict[str, Json] = {}
    for file in sorted((ROOT / "events").glob("*/http_api_*.json")):
        event = json.loads(file.read_text("utf-8"))
        for method, path in tried:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            match = re.fullmatch(pattern, event["rawPath"])
            if match and method.upper() == event["requestContext"]["http"]["method"]:
                event["pathParameters"] = match.groupdict()
                case = file.stem.removeprefix("http_api_")
                found.setdefault(f"{method.upper()} {path}", {})[case] = event
                break
    return found


def add_examples(operation: Json, events: Json) -> None:
    """What recorded requests sent stands as examples beside what may be sent."""
    for case, event in events.items():
        given = {
            "query": event.get("queryStringParameters") or {},
            "path": event.get("pathParameters") or {},
        }
        for parameter in operation.get("parameters", ()):
            values = given.get(parameter["in"], {})
            if parameter["name"] in values:
                value = typed(values[parameter["name"]], parameter["schema"])
                parameter.setdefault("examples", {})[case] = {"value": value}
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None and event.get("body") and not event.get("isBase64Encoded"):
            content.setdefault("examples", {})[case] = {"value": json.loads(event["body"])}


def typed(value: str, schema: Json) -> Any:
    """A text of a query as the value that it stands for."""
    kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    if kinds & {"integer", "number", "boolean"}:
        return json.loads(value)
    return value


if __name__ == "__main__":
    sys.exit(main())
