"""A backup of a stack that works, restored into an empty folder, is the same stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Stack, hearth, key_of, person, policy_file, stack

CAMERA = "dock"


def outcome(it: Stack, incidents: list[str]) -> dict[str, Any]:
    """All that a user gets to see, bytes included."""
    reports = it.get("/reports", limit=100)["reports"]
    return {
        "cameras": it.get("/cameras"),
        "incidents": it.get("/incidents", limit=100),
        "reports": reports,
        "jobs": sorted(it.jobs(), key=lambda job: str(job["id"])),
        "evidence": {one: it.get_bytes(f"/incidents/{one}/evidence") for one in incidents},
        "pdf": {one["id"]: it.get_bytes(f"/reports/{one['id']}/pdf") for one in reports},
    }


@pytest.mark.slow
def test_a_running_stack_comes_back_from_its_backup(tmp_path: Path) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    whole, small = tmp_path / "whole.tar.gz", tmp_path / "small.tar.gz"
    policy = policy_file(tmp_path / "policy.yaml", [CAMERA])
    with stack(data, "--policy", policy) as it:
        keys = it.put_frames(CAMERA, [person()] * 4)
        it.settle(keys)
        [incident] = [one["incident_id"] for one in it.incidents(CAMERA)]
        before = outcome(it, [incident])
        done = hearth("backup", whole, "--json", data=data)
        assert done.code == 0, done.err
        assert hearth("backup", small, "--exclude-frames", data=data).code == 0
        again = hearth("backup", whole, data=data)
        assert (again.code, "exists" in again.err) == (1, True)
        over = hearth("restore", whole, "--force", data=data)
        assert (over.code, "hearth down" in over.err) == (2, True)
        assert outcome(it, [incident]) == before
    facts = done.json()
    # Besides the frames: the PDF, the evidence, that of the alert, and the clip.
    assert (facts["running"], facts["frames"], facts["objects"]) == (True, True, len(keys) + 4)
    assert before["pdf"]
    assert small.stat().st_size < whole.stat().st_size

    restored = hearth("restore", whole, "--json", data=new)
    assert restored.code == 0, restored.err
    assert restored.json()["schema_revision"] == facts["schema_revision"]
    with stack(new, "--policy", policy) as it:
        assert outcome(it, [incident]) == before
        # Nothing is judged again, and what comes is.
        it.invoke("sweep")
        assert outcome(it, [incident]) == before
        it.put(key_of("gate", 0), person())
        it.settle([key_of("gate", 0)])

    assert hearth("restore", small, data=tmp_path / "small").code == 0
    with stack(tmp_path / "small", "--policy", policy) as it:
        assert outcome(it, [incident]) == before


def test_a_command_names_the_fault_and_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(b"\x1f\x8b" + b"x" * 100)
    done = hearth("restore", tmp_path / "b.tar.gz", data=tmp_path / "data")
    assert done.code == 1
    assert "damaged" in done.err
    assert not (tmp_path / "data").exists()
    done = hearth("backup", tmp_path / "c.zip", data=tmp_path)
    assert done.code == 1
    assert ".tar.gz or .tar.zst" in done.err
