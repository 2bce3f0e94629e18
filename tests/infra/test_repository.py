"""Rules for the files of this repository: a remark made twice becomes a check."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("functions", "layers", "localstack")


def product_modules() -> list[Path]:
    return sorted(path for room in PRODUCT for path in (ROOT / room).rglob("*.py"))


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


# ---- size and place ----


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("functions/*/handler.py", 60),
        ("functions/*/main*.py", 20),
        ("README.md", 150),
    ],
)
def test_what_should_be_a_page_is_a_page(pattern: str, most: int) -> None:
    long = {str(p.relative_to(ROOT)): lines_of(p) for p in ROOT.glob(pattern) if lines_of(p) > most}
    assert long == {}


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    long = {str(p.relative_to(ROOT)): n for p in product_modules() if (n := lines_of(p)) > 500}
    assert long == {}


def test_there_is_no_attic() -> None:
    attics = {"utils", "util", "common", "helpers", "helper", "misc", "shared"}
    assert [p for p in product_modules() if attics & {p.stem, p.parent.name}] == []


def test_localstack_hides_no_package_of_that_name() -> None:
    assert not (ROOT / "localstack" / "__init__.py").exists()


# ---- imports ----


def test_the_import_contracts_hold() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"Contracts: \d\d kept, 0 broken", result.stdout), result.stdout


# ---- requirements ----


def requirement_files() -> list[Path]:
    places = (
        "requirements*.txt",
        ".ci/requirements-*.txt",
        "*/requirements.txt",
        "functions/*/requirements.txt",
        "layers/*/requirements.txt",
    )
    return sorted(path for place in places for path in ROOT.glob(place))


@pytest.mark.parametrize("path", requirement_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned_with_its_hashes(path: Path) -> None:
    requirements = re.sub(r"\\\n", " ", path.read_text("utf-8")).splitlines()
    for line in filter(None, (line.split("#")[0].strip() for line in requirements)):
        name, *rest = line.split(" --hash=sha256:")
        # An option or an address would tie the file to one index.
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^\s;]+( ;.*)?", name.strip()), (
            line
        )
        assert rest, f"{name.strip()} has no hash"
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest.strip()) for digest in rest), name


# ---- what stays on a developer's machine ----

# In pieces, or this file would find itself.
_REGISTRIES = re.compile(
    "|".join((r"pypi\." + "org", "python" + "hosted", r"npmjs\." + "(com|org)"))
)
_HOMES = re.compile(r"(?<![\w./-])/(?:home/\w|Users/\w|" + "work/" + "|" + "root/" + ")")


def test_no_file_names_a_package_registry_or_a_path_of_one_machine(committed: list[Path]) -> None:
    found = []
    for path in committed:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a font
        found += [
            f"{path.relative_to(ROOT)}:{number}: {match.group()}"
            for number, line in enumerate(text.splitlines(), 1)
            for pattern in (_REGISTRIES, _HOMES)
            if (match := pattern.search(line))
        ]
    assert found == []
