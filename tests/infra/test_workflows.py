"""Rules for the workflows; scripts/lint-template checks their form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def body(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def test_an_action_of_others_is_pinned_by_its_commit_and_says_its_version(workflow: Path) -> None:
    lines = [line for line in workflow.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        local = re.search(r"uses: \./\.github/workflows/[\w.-]+\.yml$", line)
        assert local or re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_no_long_lived_key_is_read(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    assert "secrets." not in text
    assert "aws-access-key-id" not in text


def test_a_job_may_only_read_unless_it_speaks_to_aws(workflow: Path) -> None:
    assert body(workflow)["permissions"] == {"contents": "read"}
    for name, job in body(workflow)["jobs"].items():
        own = job.get("permissions", {"contents": "read"})
        assert set(own.items()) <= {("contents", "read"), ("id-token", "write")}, name
        assert ("id-token" in own) is ("aws-region" in str(job) or "deploy.yml" in str(job)), name


def test_production_waits_for_staging_and_staging_for_everything_else() -> None:
    jobs = body(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    assert jobs["production"]["needs"] == "staging"
    assert jobs["staging"]["needs"] == "images"
    assert set(jobs["images"]["needs"]) == {"test", "templates"}
    assert jobs["images"]["if"] == "github.event_name == 'push'"
    deploy = body(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]["deploy"]
    assert deploy["environment"] == "${{ inputs.environment }}"


def test_every_script_that_a_workflow_runs_exists(workflow: Path) -> None:
    named = set(re.findall(r"(?<![\w/.])(?:scripts|\.ci)/[\w.-]+", workflow.read_text("utf-8")))
    assert [script for script in named if not (ROOT / script).exists()] == []
