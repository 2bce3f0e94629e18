"""`scripts/sbom`: a bill of materials that names everything a function's image installs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
SBOM = ROOT / "scripts" / "sbom"
# The first test waits for a document of each function, of some seconds each where others work too.
pytestmark = pytest.mark.timeout(600)
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/Dockerfile"))


def sbom(*names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SBOM, *names], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """What the script writes, by function."""
    done = sbom()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"dist/sbom/{name}.cdx.json" for name in FUNCTIONS]
    return {name: (ROOT / f"dist/sbom/{name}.cdx.json").read_text() for name in FUNCTIONS}


def pinned(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package that a function pins, read without the library."""
    own, light = ROOT / f"functions/{name}/requirements.txt", ROOT / "layers/core/requirements.txt"
    text = (own if own.is_file() else light).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", line):
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found[match[1]] = (match[2], hashes)
    return found


def named(document: dict[str, Any]) -> dict[str, tuple[str, frozenset[str]]]:
    return {
        component["name"]: (
            component["version"],
            frozenset(
                digest["content"]
                for reference in component["externalReferences"]
                for digest in reference.get("hashes", [])
            ),
        )
        for component in document["components"]
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_valid_and_names_every_package_with_version_and_hashes(
    texts: dict[str, str], name: str
) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(texts[name]) is None
    document = json.loads(texts[name])
    assert document["metadata"]["component"]["name"] == f"hearth-{name}"
    assert pinned(name)
    assert named(document) == pinned(name)


def test_the_same_requirements_give_the_same_bytes(texts: dict[str, str]) -> None:
    assert sbom(FUNCTIONS[0]).returncode == 0
    assert (ROOT / f"dist/sbom/{FUNCTIONS[0]}.cdx.json").read_text() == texts[FUNCTIONS[0]]


def test_a_function_that_is_not_there_is_told() -> None:
    done = sbom("none")
    assert done.returncode == 64
    assert "there is no functions/none/Dockerfile" in done.stderr
