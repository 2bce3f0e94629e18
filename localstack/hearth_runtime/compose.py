"""Writes Docker Compose's files from template.yaml: the whole stack on one small machine.

`compose_base.yaml` holds what is the same for every template; what follows from the functions and
parameters of this one is put in at its @MARKS@.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.engine.memory_limits import limited
from hearth_runtime.engine.reload import sources
from hearth_runtime.launchers.container_images import images
from hearth_runtime.template.intrinsics import load_yaml
from hearth_runtime.template.parameters import PARAMETER_PREFIX
from hearth_runtime.template.reader import NEEDS_NOTHING, NOT_AT_HOME, TemplateSource

from .stack_state import SetupError

COMPOSE, DEVELOPMENT, EXAMPLE = "compose.yaml", "compose.dev.yaml", "env.example"
TOTAL_MB = 4096
RUNTIME_MB = 768  # with MiniStack: 115 at rest, and a kilobyte for each frame that is kept
CAMERAS_MB = 256  # a camera takes about 55, and their supervisor 50
DATABASE = "sqlite:////database/hearth.db"
_BASE = Path(__file__).with_name("compose_base.yaml")
_TAG = "${HEARTH_TAG:-latest}"
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9]+)\}")


@dataclass(frozen=True, slots=True)
class ComposePlan:
    """What to write.

    Attributes:
        template: The SAM template; its folder is the build's context.
        folder: Where the files will lie; paths in them are relative to it.
        total_mb: Megabytes that the stack takes at most, profiles apart.
        replicas: Containers of a function, by short name; 1 for a function not named.
    """

    template: Path
    folder: Path
    total_mb: int = TOTAL_MB
    replicas: Mapping[str, int] = field(default_factory=dict)


def compose_files(plan: ComposePlan) -> dict[str, str]:
    """The text of each file, by name; the same for the same template and plan.

    Raises:
        SetupError: The template cannot be run, or memory or replicas do not fit it.
    """
    source = TemplateSource.read(plan.template)
    document = load_yaml(plan.template.read_text("utf-8"), str(plan.template))
    parameters = home_parameters(document)
    resolved = source.resolve({})
    functions = sorted(resolved.functions, key=lambda spec: spec.short_name)
    if unknown := sorted(plan.replicas.keys() - {spec.short_name for spec in functions}):
        raise SetupError(f"The template has no function {unknown[0]}: check --replicas.")
    try:
        functions = list(limited(functions, plan.total_mb - RUNTIME_MB - CAMERAS_MB))
    except ValueError as error:
        raise SetupError(
            f"Beside {RUNTIME_MB + CAMERAS_MB} MB for runtime and cameras, {error}"
        ) from error
    names = [spec.short_name for spec in functions]
    up = _up(plan)
    context = _relative(plan.template.parent, plan.folder)
    marks = {
        "CONTEXT": context,
        "UP": json.dumps(up),
        "DATABASE": DATABASE,
        "BUCKET": resolved.buckets[0].name if resolved.buckets else '""',
        "RUNTIME_MB": str(RUNTIME_MB),
        "CAMERAS_MB": str(CAMERAS_MB),
        "FUNCTIONS": f"[{', '.join(names)}]",
        "PARAMETERS": "\n".join(_parameter(name) for name in parameters),
        "SERVICES": "\n\n".join(_services(plan, functions, context)),
    }
    text = re.sub("@([A-Z_]+)@", lambda match: marks[match[1]], _BASE.read_text("utf-8"))
    return {
        COMPOSE: text,
        DEVELOPMENT: _development(plan, functions, up),
        EXAMPLE: _example(parameters),
    }


def home_parameters(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The template's parameters that mean something at home: with their declarations, in order.

    What only tells how AWS deploys, permits, logs and alarms is not among them, and neither is what
    only conditions ask for.
    """
    named: set[str] = set()
    shared = document.get("Globals") or {}
    parts: list[Any] = [
        _at_home(shared.get(section) or {}, kind)
        for kind, section in (("AWS::Serverless::Function", "Function"),)
    ]
    for resource in (document.get("Resources") or {}).values():
        kind = str(resource.get("Type"))
        if not kind.startswith(NEEDS_NOTHING):
            parts.append(_at_home(resource.get("Properties") or {}, kind))
    for part in parts:
        named.update(_references(part))
    declared: Mapping[str, Mapping[str, Any]] = document.get("Parameters") or {}
    return {name: declared[name] for name in declared if name in named}


def _at_home(properties: Mapping[str, Any], kind: str) -> dict[str, Any]:
    left_out = NOT_AT_HOME.get(kind, ())
    return {key: value for key, value in properties.items() if key not in left_out}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "Ref":
                yield str(inner)
            elif key == "Fn::Sub":
                text = inner if isinstance(inner, str) else inner[0]
                # A dynamic reference is AWS's to resolve.
                if "{{resolve:" not in text:
                    yield from _VARIABLE.findall(text)
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def variable(parameter: str) -> str:
    """A parameter's name in the file .env: SiteName is SITE_NAME."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()


def _parameter(name: str) -> str:
    default = DATABASE if name == "DatabaseUrl" else ""
    return f"      {PARAMETER_PREFIX}{name}: ${{{variable(name)}:-{default}}}"


def _up(plan: ComposePlan) -> list[str]:
    command = ["up", "--attached", "--host=0.0.0.0", "--port=8080", "--control-port=8081"]
    command.append(f"--memory={plan.total_mb - RUNTIME_MB - CAMERAS_MB}")
    command += [f"--replicas={name}={count}" for name, count in sorted(plan.replicas.items())]
    return [*command, "--json"]


def _services(plan: ComposePlan, functions: list[FunctionSpec], context: str) -> Iterator[str]:
    tagged = images(plan.template, _TAG)
    for spec in functions:
        name, image = spec.short_name, tagged[spec.handler]
        folder = image.removeprefix("hearth-").removesuffix(f":{_TAG}")
        dockerfile = PurePosixPath("functions", folder, "Dockerfile")
        lines = [
            f"  {name}:",
            "    <<: *function",
            f"    image: {image}",
            f"    build: {{ context: {context}, dockerfile: {dockerfile}, target: hardened }}",
            f"    entrypoint: [/var/runtime/leash, {name}]",
            f"    command: [{spec.handler}]",
            f"    mem_limit: {spec.memory_mb}m",
            f"    memswap_limit: {spec.memory_mb}m",
        ]
        if (count := plan.replicas.get(name, 1)) > 1:
            lines.append(f"    deploy: {{ replicas: {count} }}")
        weights = PurePosixPath("functions", folder, "weights")
        if (plan.template.parent / weights).is_dir():
            models = f"${{MODELS:-{context}/{weights}}}:/models:ro"
            lines.append(f'    volumes: [*database, "{models}"]')
        yield "\n".join(lines)


def _development(plan: ComposePlan, functions: list[FunctionSpec], up: list[str]) -> str:
    root = plan.template.resolve().parent
    mounts = [
        f"{_relative(path, plan.folder)}:{target}:ro" for target, path in sources(root).items()
    ]
    lines = [
        "# Written by `hearth compose`. The code of this folder, not the images', and hot reload:",
        "#",
        f"#     docker compose -f {COMPOSE} -f {DEVELOPMENT} up",
        "#",
        "# A changed template takes `docker compose restart runtime`.",
        "",
        "x-function: &function",
        "  volumes:",
        *(f"    - {mount}" for mount in mounts),
        "",
        "services:",
        "  runtime:",
        f"    command: {json.dumps([*up, '--reload'])}",
        "    volumes:",
        *(
            f"      - {_relative(root / name, plan.folder)}:/var/task/{name}:ro"
            for name in ("functions", "layers", plan.template.name)
        ),
        *(f"  {spec.short_name}: *function" for spec in functions),
    ]
    return "\n".join(lines) + "\n"


def _example(parameters: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "# Written by `hearth compose`. Settings of a stack under Docker Compose: copy it to .env",
        "# beside compose.yaml, and take away the # in front of what you change.",
        "# `docker compose up -d` then applies it.",
        "",
        "# Cameras besides those of `hearth cameras add`, separated by blanks: NAME=SOURCE.",
        "#CAMERAS=gate=rtsp://user:password@192.0.2.7/stream yard=/media/yard.mp4",
        "# Folder with films and images, /media for cameras.",
        "#MEDIA=/srv/films",
        "# Folder with models and the policy: /models for MODEL_PATH, MODEL_CLASSES, POLICY, and",
        "# what `docker compose run --rm models add FILE` finds.",
        "#MODELS=/srv/models",
        "# Address and port of the HTTP API on this machine.",
        "#HEARTH_BIND=127.0.0.1",
        "#HEARTH_PORT=8080",
        "# Functions that send e-mail, or ask a model or database elsewhere, need false.",
        "#HEARTH_OFFLINE=true",
        "# Version of the images, as scripts/build tags them.",
        "#HEARTH_TAG=latest",
        "# Profile `postgres`.",
        "#POSTGRES_PASSWORD=",
        "",
        "# ---- parameters of template.yaml ----",
    ]
    for name, declaration in parameters.items():
        default = DATABASE if name == "DatabaseUrl" else _text(declaration.get("Default", ""))
        described = str(declaration.get("Description", name))
        lines += ["", f"# {described}"]
        if allowed := declaration.get("AllowedValues"):
            lines.append(f"# One of: {', '.join(map(_text, allowed))}")
        lines.append(f"#{variable(name)}={default}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _relative(path: Path, folder: Path) -> str:
    """A path as Compose takes it: relative to its file; a dot tells it from a volume."""
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return relative if relative.startswith(".") else f"./{relative}"
