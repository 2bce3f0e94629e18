"""Which files a new capability consists of, and what is in them.

The skeleton lies in `skeleton/` as Mako templates, one a file. A capability of Hearth's own goes
into the project (`functions/`, `tests/`, `events/`, a migration, a block of `template.yaml`, a line
of the README). A plugin is one folder that holds all of this, with a `template.yaml` of its own.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from hearth_runtime.stack_state import SetupError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,29}", re.ASCII)
_REVISION: Final = re.compile(r"^revision = \"(\d{4})\"$", re.MULTILINE)
MIGRATIONS: Final = Path("layers/core/python/hearth/migrations/versions")


@dataclass(frozen=True, slots=True)
class NewCapability:
    """A capability that shall be written.

    Attributes:
        name: In snake case: the folder and the import name.
        http: It gets an API of its own.
        queue: It gets a queue and a worker.
        resource: It gets an API with the nine operations of a declared model.
        plugin: It is a folder of its own, outside the project.
    """

    name: str
    http: bool = False
    queue: bool = False
    resource: bool = False
    plugin: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith("_"):
            raise SetupError(
                f"the name {self.name[:40]!r} must be in snake case: lower-case letters, digits "
                "and underscores, 2 to 30 characters, such as plant_care"
            )
        if keyword.iskeyword(self.name):
            raise SetupError(f"the name {self.name!r} must not be a keyword of Python")
        if self.plugin and importlib.util.find_spec(self.name) is not None:
            raise SetupError(
                f"the name {self.name!r} must not be that of an importable package; choose another"
            )
        if self.http and self.resource:
            raise SetupError("choose --http or --resource: a resource brings its routes along")
        if not (self.http or self.queue or self.resource):
            raise SetupError("choose at least one of --http, --queue and --resource")

    @property
    def slug(self) -> str:
        """As the queue, the functions and the routes are named."""
        return self.name.replace("_", "-")

    @property
    def package(self) -> str:
        """Under which its modules are imported."""
        return self.name if self.plugin else f"functions.{self.name}"

    @property
    def title(self) -> str:
        """As its resources of the template and its classes are named."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def has_api(self) -> bool:
        return self.http or self.resource

    @property
    def api_module(self) -> str:
        """The entry of the API; `main` is that of the queue where there is one."""
        return "main_api" if self.queue else "main"

    @property
    def api_name(self) -> str:
        """The name of the function that answers over HTTP."""
        return f"{self.slug}-api" if self.queue else self.slug

    def values(self) -> dict[str, Any]:
        """What the skeleton's files may name."""
        singular = self.name.removesuffix("s") or self.name
        plural = self.name if self.name.endswith("s") else f"{self.name}s"
        return {
            "name": self.name,
            "slug": self.slug,
            "package": self.package,
            "title": self.title,
            "heading": f"Hearth {self.name.replace('_', ' ')}",
            "path": f"/api/v1/{self.slug}",
            "table": plural,
            "singular": singular,
            "plural": plural,
            "constant": plural.upper(),
            "api": self.has_api,
            "api_name": self.api_name,
            "api_module": self.api_module,
            "functions": [self.slug] * self.queue + [self.api_name] * self.has_api,
            "api_id": f"{self.title}Api" if self.queue else self.title,
            "description": f"Answers and works for {self.name.replace('_', ' ')}",
            "http": self.http,
            "queue": self.queue,
            "resource": self.resource,
            "plugin": self.plugin,
            "folder": f"plugins/{self.name}" if self.plugin else f"functions/{self.name}",
            "stack": "${AWS::StackName}",  # an expression of CloudFormation's, not of Mako's
        }


def planned_files(new: NewCapability, root: Path) -> dict[Path, str]:
    """Path below `root` → content, of every file that is written whole.

    Args:
        new: The capability.
        root: The project, or for a plugin the folder of the plugins.
    """
    function = Path(new.name) if new.plugin else Path("functions", new.name)
    names = ["__init__.py", "capability.py", "settings.py", "wiring.py"]
    if new.http or new.queue:
        names.append("schemas.py")
    if new.has_api:
        names.append("api.py")
    if new.http:
        names.append("service.py")
    if new.queue:
        names += ["main.py", "handler.py", "worker.py"]
    if new.resource:
        names.append("resource.py")
    files = {function / name: _render(f"function/{name}", new.values()) for name in names}
    if new.has_api:
        entry = function / f"{new.api_module}.py"
        files[entry] = _render("function/main_api.py", new.values())
    files |= _tests(new, function)
    if new.plugin:
        files[function / "template.yaml"] = f"Resources:\n{queue_block(new)}{function_block(new)}"
    else:
        files |= _events(new)
        if new.resource:
            files[_migration_path(new, root)] = _migration(new, root)
    return files


def function_block(new: NewCapability) -> str:
    """The functions of a capability in `template.yaml`."""
    return _render("template.yaml", new.values())


def queue_block(new: NewCapability) -> str:
    """Its queue there; empty where it has none."""
    return _render("queue.yaml", new.values()) if new.queue else ""


def last_revision(root: Path) -> str:
    """The number of the newest migration."""
    found = (_REVISION.search(path.read_text("utf-8")) for path in (root / MIGRATIONS).glob("*.py"))
    return max(match[1] for match in found if match)


def next_revision(root: Path) -> str:
    """The number that follows the newest migration's."""
    return f"{int(last_revision(root)) + 1:04d}"


def _tests(new: NewCapability, function: Path) -> dict[Path, str]:
    kinds = {
        "conftest.py": (new.plugin, "unit"),
        "test_api.py": (new.http, "unit"),
        "test_worker.py": (new.queue, "unit"),
        "test_resource.py": (new.resource, "contract"),
    }
    return {
        (function / "tests" if new.plugin else Path("tests", suite, new.name)) / name: _render(
            f"tests/{name}", new.values()
        )
        for name, (wanted, suite) in kinds.items()
        if wanted
    }


def _events(new: NewCapability) -> dict[Path, str]:
    events = Path("events")
    files = {}
    if new.has_api:
        name = "http_api_length.json" if new.http else "http_api_list.json"
        files[events / new.api_name / name] = _render("events/http_api.json", new.values())
    if new.queue:
        files[events / new.slug / "sqs_hint.json"] = _render("events/sqs_hint.json", new.values())
    return files


def _migration_path(new: NewCapability, root: Path) -> Path:
    return MIGRATIONS / f"{next_revision(root)}_{new.name}.py"


def _migration(new: NewCapability, root: Path) -> str:
    revisions = {"revision": next_revision(root), "down_revision": last_revision(root)}
    return _render("migration.py", new.values() | revisions)


def _render(name: str, values: Mapping[str, Any]) -> str:
    # Not at import: the runtime's image writes no capabilities and has no Mako.
    from mako.template import Template

    source = resources.files("hearth_runtime.scaffold") / "skeleton" / f"{name}.mako"
    # It writes Python and YAML of checked names, no HTML.
    template = Template(source.read_text("utf-8"), strict_undefined=True)  # noqa: S702
    text: str = template.render(**values)
    return f"{text.strip(chr(10))}\n" if text.strip() else ""
