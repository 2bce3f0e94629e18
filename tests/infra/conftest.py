from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from hearth_runtime.http.routing import RouteTable
from hearth_runtime.template.reader import Place, TemplateSource

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Template:
    """`template.yaml` as data (intrinsics in their long form), and as text."""

    body: dict[str, Any]
    text: str

    def of_type(self, kind: str) -> dict[str, Any]:
        """Logical id → resource, for the resources of one type."""
        return {
            name: resource
            for name, resource in self.body["Resources"].items()
            if resource["Type"] == kind
        }

    @property
    def functions(self) -> dict[str, Any]:
        """Logical id → properties of each Lambda function, `Globals` merged in."""
        defaults = self.body["Globals"]["Function"]
        merged = {}
        for name, resource in self.of_type("AWS::Serverless::Function").items():
            own = resource["Properties"]
            variables = {
                **defaults["Environment"]["Variables"],
                **own.get("Environment", {}).get("Variables", {}),
            }
            merged[name] = {**defaults, **own, "Environment": {"Variables": variables}}
        return merged

    def events(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """(logical id of the function, properties of the event) for one type of event."""
        return [
            (name, event["Properties"])
            for name, function in self.functions.items()
            for event in function.get("Events", {}).values()
            if event["Type"] == kind
        ]


@pytest.fixture(scope="session")
def template() -> Template:
    path = ROOT / "template.yaml"
    return Template(cfn_yaml.load(str(path)), path.read_text("utf-8"))


@pytest.fixture(scope="session")
def routes() -> RouteTable:
    """The routes of the template's API, as the gateway tries them."""
    source = TemplateSource.read(ROOT / "template.yaml")
    found = source.resolve({"DatabaseUrl": "sqlite:////nowhere/hearth.db"}, Place("hearth"))
    assert found.api is not None
    return RouteTable(found.api.routes)


@pytest.fixture(scope="session")
def committed() -> list[Path]:
    """Every file that git tracks or would, as it is on disk."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    paths = [ROOT / name for name in names.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]
