"""`hearth new`: each kind of capability is written into a copy of the project and called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hearth.db import Database
from hearth.ledger.ledger import JobState, Ledger, NewJob
from hearth_runtime.stack_state import StackState, read_state
from hearth_runtime.template.intrinsics import load_yaml
from tests.support.fakes import MemoryQueues
from tests.support.transform import transform

pytestmark = pytest.mark.timeout(400)  # it runs linters, tests and a stack
ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "word_count": ("--http",),
    "nightly": ("--queue",),
    "plants": ("--resource",),
    "pool_care": ("--http", "--queue"),
}
PLUGINS = {"garden_gate": ("--http", "--queue"), "tools": ("--resource",)}


def run(project: Path, *command: str, timeout_s: float = 300) -> str:
    """The output of a program that is run in the copy, on the copy's modules."""
    places = [
        ".",
        "localstack",
        *(str(p.relative_to(project)) for p in project.glob("layers/*/python")),
    ]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(project / p) for p in places)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one new capability of each kind."""
    copy = tmp_path_factory.mktemp("new") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    subprocess.run(["git", "init", "--quiet", str(copy)], check=True)  # some rules ask it for files
    if (ROOT / ".mypy_cache").is_dir():  # what did not change need not be checked again
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache")
    for kind, flags in KINDS.items():
        run(copy, "-m", "hearth_runtime", "new", kind, *flags)
    for plugin, flags in PLUGINS.items():
        run(copy, "-m", "hearth_runtime", "new", plugin, *flags, "--into", "../mine")
    return copy


def test_what_it_writes_is_formatted_linted_and_typed(project: Path) -> None:
    folders = [f"functions/{name}" for name in KINDS] + [
        f"tests/{suite}/{name}"
        for suite in ("unit", "contract")
        for name in KINDS
        if (project / "tests" / suite / name).is_dir()
    ]
    run(project, "-m", "ruff", "format", "--check", *folders)
    run(project, "-m", "ruff", "check", *folders)
    # Its own folders and what they import; the configuration's packages are the whole product.
    run(project, "-m", "mypy", "--config-file", "pyproject.toml", *folders[: len(KINDS)])


def test_its_declarations_and_generated_files_are_in_step(project: Path) -> None:
    for program in ("declare.py", "dockerfiles", "event_schemas.py", "openapi.py"):
        run(project, f"scripts/{program}", "--check")


def test_the_rules_of_the_house_hold_with_it(project: Path) -> None:
    rules = ("authorization", "events", "limits", "openapi", "repository", "template")
    run(project, "-m", "pytest", "-q", *(f"tests/infra/test_{rule}.py" for rule in rules))
    run(project, "-m", "hearth_runtime", "compose", "--check", "--template", "template.yaml")


def test_its_own_tests_pass(project: Path) -> None:
    folders = [
        f"tests/{suite}/{name}"
        for suite in ("unit", "contract")
        for name in KINDS
        if (project / "tests" / suite / name).is_dir()
    ]
    told = run(project, "-m", "pytest", "-q", *folders)
    assert " passed" in told
    for plugin in PLUGINS:
        own = ["-o", "pythonpath=../mine", "--rootdir", "../mine", f"../mine/{plugin}/tests"]
        assert " passed" in run(project, "-m", "pytest", "-q", *own)


def test_a_plugin_is_deployed_by_the_one_template(project: Path) -> None:
    done = subprocess.run(
        ["scripts/plugins", "../mine"],
        cwd=project,
        env=os.environ | {"HEARTH_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["queues"] == ["garden-gate"]
    merged = load_yaml((project / "template.plugins.yaml").read_text("utf-8"), "merged")
    resources = transform(merged)["Resources"]
    assert {"GardenGateFunction", "GardenGateApiFunction", "ToolsFunction"} <= resources.keys()
    for plugin in PLUGINS:
        dockerfile = (project / "plugins" / plugin / "Dockerfile").read_text("utf-8")
        assert f'CMD ["{plugin}.main.lambda_handler"]' in dockerfile
        assert f"functions/{plugin}" not in dockerfile
    shutil.rmtree(project / "plugins")


@pytest.fixture(scope="module")
def stack(project: Path) -> Iterator[StackState]:
    """The copy's stack, with the plugin."""
    data = project.parent / "data"
    places = [project, project / "localstack", *project.glob("layers/*/python")]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "hearth_runtime", "up", "--data", str(data)),
            *("--template", str(project / "template.yaml")),
            *("--functions", str(project.parent / "mine")),
        ],
        cwd=project,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while (state := read_state(data)) is None:
            assert process.poll() is None, process.communicate()[1][-3000:]
            assert time.monotonic() < deadline, "the stack does not get ready"
            time.sleep(0.2)
        yield state
    finally:
        process.terminate()
        process.communicate(timeout=30)


def call(stack: StackState, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of a request to the stack's API."""
    request = urllib.request.Request(
        f"{stack.gateway_url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)


@pytest.mark.parametrize("path", ["word-count", "pool-care", "garden-gate"])
def test_its_api_answers(stack: StackState, path: str) -> None:
    expected = {"characters": 8, "words": 2}
    assert call(stack, f"/api/v1/{path}/length?text=two%20word") == (200, expected)


@pytest.mark.parametrize("path", ["plants", "tools"])
def test_its_resource_keeps_rows(stack: StackState, path: str) -> None:
    status, created = call(stack, f"/api/v1/{path}", {"name": "ficus"})
    assert status == 201
    assert created["name"] == "ficus"
    assert [row["name"] for row in call(stack, f"/api/v1/{path}")[1]["items"]] == ["ficus"]


@pytest.mark.parametrize("queue", ["nightly", "pool-care", "garden-gate"])
def test_its_worker_does_a_job(stack: StackState, queue: str) -> None:
    db = Database(f"sqlite:///{Path(stack.log_path).parent / 'hearth.db'}")
    ledger = Ledger(db, MemoryQueues())
    kind = f"{queue}.work"
    (job,) = db.write(lambda tx: ledger.add(tx, [NewJob(kind, queue, kind, {"text": "some"})]))
    # Nobody was notified: the sweep finds the job and sends its hint.
    deadline = time.monotonic() + 90
    while (found := ledger.get(job.id)) is not None and found.state is not JobState.DONE:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    db.close()
    assert found is not None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("tasks", "--http"), "exists"),
        (("Garden", "--http"), "snake case"),
        (("class", "--http"), "keyword"),
        (("json", "--http", "--into", "../other"), "importable package"),
        (("garden",), "at least one of"),
        (("garden", "--http", "--resource"), "choose --http or --resource"),
    ],
)
def test_a_name_or_a_choice_that_cannot_be_is_rejected(
    project: Path, arguments: tuple[str, ...], reason: str
) -> None:
    places = [project, project / "localstack"]
    done = subprocess.run(
        [sys.executable, "-m", "hearth_runtime", "new", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert reason in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
