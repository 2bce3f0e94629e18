"""Rows in S3: a job that is begun, followed, cancelled, killed and repeated."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
import pytest

from functions.clustering import worker as worker_module
from functions.clustering.algorithms import clusters
from hearth.errors import Unavailable
from tests.contract.clustering.harness import ANA, BEN, BOSS, BUCKET, Harness, blobs


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def order(harness: Harness, who: Any = BOSS, **body: Any) -> Any:
    address = body.pop("input", None) or harness.put("rooms.npy", npy(blobs(90, 3)))
    job = harness.post("/cluster", {"input": address, "n_clusters": 3, **body}, who)
    assert job["status"] == "queued"
    return job


def state(harness: Harness, job: Any, who: Any = BOSS) -> Any:
    return harness.get(f"/jobs/{job['job_id']}", who)


def test_rows_in_s3_become_a_job_whose_result_is_that_of_the_request(harness: Harness) -> None:
    rows = blobs(90, 3)
    job = order(harness)
    assert harness.refused(f"/jobs/{job['job_id']}/result", None, method="GET")[0] == 409
    assert harness.deliver() == {"batchItemFailures": []}
    done = state(harness, job)
    assert (done["status"], done["progress"]) == ("done", 1.0)
    result = harness.get(f"/jobs/{job['job_id']}/result")
    direct = harness.post("/cluster", {"data": rows.tolist(), "n_clusters": 3})
    assert result["labels"] == direct["labels"]
    assert result["processing_time"] is None
    assert "90 rows, read as float64" in result["notes"][0]
    assert json.loads(harness.store.objects[done["result_key"]]) == result


def test_a_model_is_saved_with_the_job_and_scores_a_file(harness: Harness) -> None:
    job = order(harness, save_as="rooms")
    harness.deliver()
    result = harness.get(f"/jobs/{job['job_id']}/result")
    model_id = result["model"]["id"]
    assert harness.get(f"/models/{model_id}")["rows"] == 90
    scored = harness.post("/score", {"model": model_id, "input": job["input"]})
    harness.deliver()
    assert harness.get(f"/jobs/{scored['job_id']}/result")["labels"] == result["labels"]


def test_a_column_of_the_file_may_be_the_target(home: Harness) -> None:
    rng = np.random.default_rng(1)
    cause = rng.normal(0, 1, 100)
    lines = "\n".join(
        f"{a:.6f},{b:.6f},{2 * a:.6f}" for a, b in zip(cause, rng.normal(size=100), strict=True)
    )
    address = home.put("rooms.csv", f"cause,noise,y\n{lines}\n".encode())
    job = home.post("/importance", {"input": address, "target_column": "y"})
    home.deliver()
    assert home.get(f"/jobs/{job['job_id']}/result")["columns"][0]["column"] == "cause"


# ---- repeated and killed ----


def test_after_a_killed_worker_another_one_gives_the_same_bytes(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process is gone: nothing after this runs."""

    job = order(harness, save_as="rooms")
    put = harness.store.put
    seen: list[tuple[str, bytes]] = []

    def dying_put(key: str, data: bytes, content_type: str) -> str:
        stored = put(key, data, content_type)
        seen.append((key, data))
        if len(seen) == 2:  # result and model lie in S3, the row is not written
            raise Killed
        return stored

    monkeypatch.setattr(harness.store, "put", dying_put)
    with pytest.raises(Killed):
        harness.deliver()
    assert state(harness, job)["status"] == "running"
    assert harness.get("/models")["models"] == []
    harness.clock.advance(400)  # the lease has run out; the sweep announces it again
    harness.ledger.announce(harness.ledger.due(10))
    harness.deliver()
    assert state(harness, job)["status"] == "done"
    assert state(harness, job)["attempts"] == 2
    assert seen[:2] == seen[2:], "the second attempt wrote other bytes"
    assert len(harness.get("/models")["models"]) == 1


def test_an_unavailable_store_is_retried(home: Harness) -> None:
    job = order(home)
    home.store.offline = True
    home.deliver()
    assert state(home, job)["status"] == "queued"
    home.store.offline = False
    home.clock.advance(600)
    home.ledger.announce(home.ledger.due(10))
    home.deliver()
    assert state(home, job)["status"] == "done"


# ---- cancelled ----


def test_a_job_that_waits_is_cancelled_before_it_reads_anything(harness: Harness) -> None:
    job = order(harness)
    assert harness.post(f"/jobs/{job['job_id']}/cancel", None)["status"] == "cancelling"
    assert harness.post(f"/jobs/{job['job_id']}/cancel", None)["status"] == "cancelling"
    harness.deliver()
    ended = state(harness, job)
    assert (ended["status"], ended["error"]["code"]) == ("cancelled", "CANCELLED")
    assert ended["result_key"] not in harness.store.objects
    # Once more is no error, and it stays cancelled when somebody retries it.
    assert harness.post(f"/jobs/{job['job_id']}/cancel", None)["status"] == "cancelled"
    harness.ledger.retry(job["job_id"])
    harness.deliver()
    assert state(harness, job)["status"] == "cancelled"


def test_a_job_that_runs_stops_in_the_middle_of_a_stage(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = order(harness, save_as="rooms")
    monkeypatch.setattr(clusters, "cluster", lambda *_: time.sleep(60))
    progress = harness.ledger.progress

    def cancelled_meanwhile(leased: Any, part: float) -> None:
        progress(leased, part)
        if part >= worker_module.COMPUTING[0]:
            assert harness.post(f"/jobs/{job['job_id']}/cancel", None)["status"] == "cancelling"

    monkeypatch.setattr(harness.ledger, "progress", cancelled_meanwhile)
    began = time.monotonic()
    harness.deliver()
    assert time.monotonic() - began < 30
    ended = state(harness, job)
    assert (ended["status"], ended["error"]["code"]) == ("cancelled", "CANCELLED")
    assert ended["result_key"] not in harness.store.objects
    assert harness.get("/models")["models"] == []


def test_a_job_that_is_done_cannot_be_cancelled(home: Harness) -> None:
    job = order(home)
    home.deliver()
    status, code, message = home.refused(f"/jobs/{job['job_id']}/cancel", None)
    assert (status, code) == (409, "CONFLICT")
    assert "is done; it cannot be cancelled any more" in message


# ---- followed ----


def test_progress_grows_from_stage_to_stage(home: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    progress = home.ledger.progress
    monkeypatch.setattr(
        home.ledger, "progress", lambda job, part: (told.append(part), progress(job, part))
    )
    monkeypatch.setattr(worker_module, "PROGRESS_INTERVAL_S", 0.0)
    order(home)
    home.deliver()
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] >= 0.95


def test_a_job_without_time_left_fails_with_its_stage(home: Harness) -> None:
    job = order(home)
    home.deliver(remaining_s=0.5)
    ended = state(home, job)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "TIMED_OUT")
    assert "up to: reading the rows" in ended["error"]["message"]


def test_a_job_is_visible_to_its_caller_and_to_managers(home: Harness) -> None:
    job = order(home, ANA)
    assert state(home, job, ANA)["status"] == "queued"
    assert state(home, job, BOSS)["status"] == "queued"
    for path, method in (("", "GET"), ("/result", "GET"), ("/cancel", "POST")):
        assert home.refused(f"/jobs/{job['job_id']}{path}", None, BEN, method)[0] == 404


# ---- refused ----


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        (f"s3://{BUCKET}/datasets/none.npy", 404, "does not exist"),
        ("s3://elsewhere/datasets/a.npy", 400, f"read from s3://{BUCKET}/ only"),
        (f"s3://{BUCKET}/evidence/a.npy", 400, "lies under"),
        (f"s3://{BUCKET}/datasets/a.pickle", 400, "ends in none of"),
        ("https://example.org/a.npy", 400, "String should match pattern"),
    ],
)
def test_an_address_of_no_file_is_refused_at_once(
    home: Harness, address: str, status: int, message: str
) -> None:
    found, _, told = home.refused("/cluster", {"input": address})
    assert found == status
    assert message in told
    assert home.queues.sent == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.npy", npy(blobs(90, 3))[:-8], "is cut off: it holds 89 of 90 rows"),
        ("a.csv", npy(blobs(90, 3)), "is no .csv file: it begins as .npy"),
        ("a.csv", b"a,b\n1,2\n3,x\n", "line 3, column 1: 'x' is no number"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_job_once_and_by_name(
    home: Harness, name: str, data: bytes, message: str
) -> None:
    job = order(home, input=home.put(name, data))
    home.deliver()
    ended = state(home, job)
    assert (ended["status"], ended["attempts"]) == ("failed", 1)
    assert message in ended["error"]["message"]
    assert ended["error"]["details"][0]["field"].startswith("input")


def test_a_job_of_another_capability_does_not_exist(home: Harness) -> None:
    status, code, _ = home.refused("/jobs/01J00000000000000000000000", None, method="GET")
    assert (status, code) == (404, "NOT_FOUND")


def test_a_queue_that_does_not_answer_loses_no_job(home: Harness) -> None:
    home.queues.offline = True
    job = order(home)
    home.queues.offline = False
    home.clock.advance(60)
    home.ledger.announce(home.ledger.due(10))
    home.deliver()
    assert state(home, job)["status"] == "done"
    assert issubclass(Unavailable, Exception)
