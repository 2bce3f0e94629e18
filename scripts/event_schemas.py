"""Write events/schemas/<type>.v<version>.json from the models of those who publish the events.

    .venv/bin/python scripts/event_schemas.py [--check]

--check writes nothing and fails (exit status 1) where a committed file is another. What is written
admits fields that it does not name: a copy of it in somebody's hands still fits when one is added.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / place) for place in (".", "layers/core/python", "layers/vision/python")]

from scripts.declare import gather  # noqa: E402  (where it is, is known only now)

FOLDER = ROOT / "events" / "schemas"
MODELS = {
    f"{event.type}.v{event.version}": f"functions.{capability.name}.{event.model}"
    for capability in gather(ROOT).values()
    for event in capability.publishes
}
"""What an event's `dataschema` says → the model of its `data`."""
Json = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    old = [name for name in MODELS if not _is_committed(name)]
    for name in old:
        if not arguments.check:
            FOLDER.mkdir(exist_ok=True)
            _file(name).write_text(as_text(schema(name)), "utf-8")
        else:
            sys.stderr.write(f"event_schemas: {name} is old; run scripts/event_schemas.py\n")
    return int(arguments.check and bool(old))


def schema(name: str) -> Json:
    """The JSON Schema of an event's data, as its producer's model writes it."""
    module, _, model = MODELS[name].partition(":")
    body: Json = getattr(importlib.import_module(module), model).model_json_schema(
        mode="serialization"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **_open(body),
    }


def as_text(body: Json) -> str:
    return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _open(value: Any) -> Any:
    """The same without what forbids other fields."""
    if isinstance(value, dict):
        return {
            key: _open(inner)
            for key, inner in value.items()
            if not (key == "additionalProperties" and inner is False)
        }
    return [_open(inner) for inner in value] if isinstance(value, list) else value


def _is_committed(name: str) -> bool:
    return _file(name).exists() and _file(name).read_text("utf-8") == as_text(schema(name))


def _file(name: str) -> Path:
    return FOLDER / f"{name}.json"


if __name__ == "__main__":
    sys.exit(main())
