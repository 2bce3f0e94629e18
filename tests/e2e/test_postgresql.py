"""The whole stack on PostgreSQL instead of SQLite."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.e2e.driver import person, policy_file, stack


@pytest.mark.slow
def test_incidents_and_reports_on_postgresql_equal_those_on_sqlite(
    postgres_url: str, tmp_path: Path
) -> None:
    policy = policy_file(tmp_path / "policy.yaml", ["gate"])
    options = ["--policy", policy, "--param", f"DatabaseUrl={postgres_url}"]
    with stack(tmp_path / "pg", *options) as it:
        jobs = it.settle(it.put_frames("gate", [person()] * 4))
        assert {job["state"] for job in jobs.values()} == {"done"}
        outcome = it.outcome("gate")
        assert it.invoke("sweep")["listing_error"] is None
    [incident] = outcome["incidents"]
    assert incident["frames_observed"] == 4
    assert list(outcome["reports"]) == [incident["incident_id"]]
    assert not (tmp_path / "pg" / "hearth.db").exists()
    with psycopg.connect(postgres_url) as connection:
        states = connection.execute("SELECT DISTINCT state FROM jobs").fetchall()
    assert states == [("done",)]

    with stack(tmp_path / "pg", *options) as it:  # the second start finds all of it
        assert it.outcome("gate") == outcome

    with stack(tmp_path / "sqlite", "--policy", policy) as it:
        it.settle(it.put_frames("gate", [person()] * 4))
        assert it.outcome("gate") == outcome
