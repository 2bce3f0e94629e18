"""Write hearth/declared.py: what every functions/<name>/capability.py declares, as tables.

    .venv/bin/python scripts/declare.py [--check] [--plugins FOLDER]

--check writes nothing and fails (exit status 1) where the committed file is another. Declarations
that contradict each other or the template are refused in any case, each with its file and what to
do about it. A capability.py is read by itself, without the rest of its function.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / place) for place in ("layers/core/python", "localstack")]

from hearth.capability import Capability  # noqa: E402  (where it is, is known only now)
from hearth_runtime.template.intrinsics import load_yaml  # noqa: E402

TABLES: Final = ROOT / "layers" / "core" / "python" / "hearth" / "declared.py"
MIGRATIONS: Final = "layers/core/python/hearth/migrations/versions"
_REVISION = re.compile(r'^revision = "([^"]+)"$', re.MULTILINE)
_QUEUE = re.compile(r"\$\{AWS::StackName\}-(.+)")
_HEAD = '''"""What all capabilities declare. Written by scripts/declare.py; do not edit."""

from __future__ import annotations

from typing import Final
'''


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument(
        "--plugins", type=Path, help="print what the functions in this folder declare, for PLUGINS"
    )
    arguments = parser.parse_args()
    capabilities = gather(ROOT)
    queues = template_queues(ROOT / "template.yaml")
    plugins: dict[str, Capability] = {}
    if arguments.plugins is not None:
        folder = arguments.plugins.resolve()
        plugins = gather(folder, "*/capability.py")
        queues = queues.union(*map(template_queues, folder.glob("*/template.yaml")))
    mistakes = [
        *mistakes_of(capabilities | plugins, queues),
        *taken_numbers(ROOT / MIGRATIONS, ROOT),
    ]
    for mistake in mistakes:
        sys.stderr.write(f"declare: {mistake}\n")
    if mistakes:
        return 1
    if arguments.plugins is not None:
        given = {name: value for name, value in tables(plugins.values()).items() if value}
        sys.stdout.write(json.dumps(given, separators=(",", ":")) + "\n")
        return 0
    text = as_text(tables(capabilities.values()))
    if text == (TABLES.read_text("utf-8") if TABLES.exists() else ""):
        return 0
    if arguments.check:
        sys.stderr.write(f"declare: {TABLES.relative_to(ROOT)} is old; run scripts/declare.py\n")
        return 1
    TABLES.write_text(text, "utf-8")
    return 0


def gather(root: Path, pattern: str = "functions/*/capability.py") -> dict[str, Capability]:
    """File, relative to `root` → what it declares.

    Raises:
        SystemExit: A file declares no capability, or one that is named otherwise than its folder.
    """
    found: dict[str, Capability] = {}
    for path in sorted(root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        capability = runpy.run_path(str(path)).get("CAPABILITY")
        if not isinstance(capability, Capability) or capability.name != path.parent.name:
            sys.exit(
                f"declare: {name} must declare CAPABILITY = Capability(name={path.parent.name!r})"
            )
        found[name] = capability
    return found


def template_queues(path: Path) -> frozenset[str]:
    """Names of a template's queues, without the stack's."""
    template = load_yaml(path.read_text("utf-8"), str(path))
    names = (
        str((resource.get("Properties") or {}).get("QueueName", {}).get("Fn::Sub", ""))
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SQS::Queue"
    )
    return frozenset(match[1] for match in map(_QUEUE.fullmatch, names) if match)


def mistakes_of(capabilities: Mapping[str, Capability], queues: frozenset[str]) -> Iterator[str]:
    """What cannot be true of all `capabilities` at once, each with the file and the remedy."""
    for noun, names in (
        ("function", lambda one: one.functions),
        ("permission", lambda one: one.permissions),
        ("job kind", lambda one: [*one.jobs, *(event.type for event in one.publishes)]),
        ("table", lambda one: one.tables),
        ("queue", lambda one: [one.queue] if one.queue else []),
    ):
        first: dict[str, str] = {}
        for file, capability in capabilities.items():
            for name in names(capability):
                if name in first:
                    yield f"{file}: {noun} {name!r} is declared in {first[name]}; rename one"
                first.setdefault(name, file)
    published = {event.type for one in capabilities.values() for event in one.publishes}
    for file, capability in capabilities.items():
        for event_type in capability.subscribes:
            if event_type not in published:
                yield (
                    f"{file}: nobody publishes the event {event_type!r}; subscribe to one of "
                    f"{', '.join(sorted(published))}, or declare it where it is published"
                )
        if capability.queue and capability.queue not in queues:
            yield (
                f"{file}: template.yaml has no queue {capability.queue!r}; add one with "
                f'QueueName: !Sub "${{AWS::StackName}}-{capability.queue}"'
            )
        if (capability.jobs or capability.subscribes) and not capability.queue:
            yield f"{file}: jobs and subscriptions need a queue; name it with queue="


def taken_numbers(folder: Path, root: Path) -> Iterator[str]:
    """Migrations that share a number, each with the remedy."""
    first: dict[str, str] = {}
    for path in sorted(folder.glob("[0-9]*.py")):
        name = path.relative_to(root).as_posix()
        numbers = {path.name.partition("_")[0], *_REVISION.findall(path.read_text("utf-8"))}
        for number in sorted(numbers):
            if number in first:
                yield (
                    f"{name}: revision {number} is taken by {first[number]}; give it the next free "
                    "number in its name, revision and down_revision"
                )
        for number in numbers:
            first.setdefault(number, name)


def tables(capabilities: Iterable[Capability]) -> dict[str, Any]:
    """The declarations as `hearth.declared` holds them, and as PLUGINS carries a user's."""
    some = list(capabilities)
    subscribers: dict[str, list[str]] = {}
    for one in some:
        for event_type in one.subscribes:
            subscribers.setdefault(event_type, []).append(one.queue)
    return {
        "permissions": {name: role for one in some for name, role in one.permissions.items()},
        "jobs": {kind: keep for one in some for kind, keep in one.jobs.items()},
        "events": {event.type: event.keep for one in some for event in one.publishes},
        "subscribers": {event_type: sorted(queues) for event_type, queues in subscribers.items()},
        "queues": sorted(one.queue for one in some if one.queue),
        "functions": sorted(name for one in some for name in one.functions),
    }


def as_text(body: Mapping[str, Any]) -> str:
    """The generated module."""
    types = {
        "permissions": "dict[str, str]",
        "jobs": "dict[str, str]",
        "events": "dict[str, str]",
        "subscribers": "dict[str, list[str]]",
        "queues": "list[str]",
        "functions": "list[str]",
    }
    lines = [_HEAD]
    for name, value in body.items():
        lines.append(f"{name.upper()}: Final[{types[name]}] = {_literal(value)}")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    """`value` with one entry a line, as ruff formats it."""
    return re.sub(r'(?<=["\]])\n', ",\n", json.dumps(value, indent=4, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
