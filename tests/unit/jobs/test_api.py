"""The jobs API, from API Gateway's event to its answer, on a real ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.events import load_event

if TYPE_CHECKING:
    from tests.unit.jobs.conftest import Office

UNKNOWN = "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"


# ---- summary ----


def test_an_empty_ledger_has_nothing_open(office: Office) -> None:
    assert office.answer(load_event("jobs/http_api_summary")) == (
        200,
        {"jobs": {}, "open": 0, "failed": 0, "oldest_open_seconds": None},
    )


def test_the_summary_counts_by_kind_and_state(office: Office) -> None:
    office.finish("a")
    office.clock.advance(10)
    office.start("b")
    office.clock.advance(20)
    office.add("c")
    office.add("d", "safety.violation.detected")
    office.fail("e", "safety.violation.detected")
    office.clock.advance(2.5)

    assert office.get("/summary") == {
        "jobs": {
            "detection.frame": {"done": 1, "queued": 1, "running": 1},
            "safety.violation.detected": {"failed": 1, "queued": 1},
        },
        "open": 3,
        "failed": 1,
        "oldest_open_seconds": 22.5,
    }


def test_done_work_has_no_age(office: Office) -> None:
    office.finish("a")
    office.fail("b")

    assert office.get("/summary")["oldest_open_seconds"] is None


@pytest.mark.parametrize(
    ("prefix", "count"),
    [
        ("", 6),
        ("frame:", 5),
        ("frame:frames/cam1/", 2),
        ("frame:frames/cam_/", 1),  # "_" is LIKE's any character
        ("frame:frames/cam%", 1),  # "%" is LIKE's any text
        ("frame:frames/CAM1/", 0),  # SQLite's LIKE ignores case
        ("frame:frames/cam1/a.jpg", 1),
        ("frame:frames/cam1/a.jpg.", 0),
        ("/", 1),  # LIKE's escape character here
        ("rame:", 0),
    ],
)
def test_a_prefix_counts_exactly_the_keys_that_begin_with_it(
    office: Office, prefix: str, count: int
) -> None:
    for key in (
        "frame:frames/cam1/a.jpg",
        "frame:frames/cam1/b.jpg",
        "frame:frames/cam_/a.jpg",
        "frame:frames/cam%/a.jpg",
        "frame:frames/cam12/a.jpg",
        "/odd",
    ):
        office.add(key)

    assert office.get("/summary", dedupe_prefix=prefix)["open"] == count


# ---- one job ----


def test_a_job_is_shown_with_the_reason_of_its_failure(office: Office) -> None:
    job = office.fail("frame:x")

    assert office.get(f"/{job.id}") == {
        "id": job.id,
        "kind": "detection.frame",
        "queue": "detection",
        "dedupe_key": "frame:x",
        "payload": {"key": "frame:x"},
        "state": "failed",
        "attempts": 1,
        "max_attempts": 5,
        "available_at": "2026-11-02T07:30:00Z",
        "lease_until": None,
        "progress": 0.0,
        "error": {"code": "VALIDATION_ERROR", "message": "no picture", "details": []},
        "created_at": "2026-11-02T07:30:00Z",
        "updated_at": "2026-11-02T07:30:00Z",
        "finished_at": "2026-11-02T07:30:00Z",
    }


def test_the_fencing_token_of_a_lease_is_not_shown(office: Office) -> None:
    job = office.start("frame:x")

    assert job.lease_token
    assert job.lease_token not in str(office.get(f"/{job.id}"))


@pytest.mark.parametrize("job_id", [UNKNOWN, "x", "%27%20or%201=1"])
@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/retry")])
def test_an_unknown_job_is_not_found(office: Office, method: str, suffix: str, job_id: str) -> None:
    status, body = office.call(method, f"/api/v1/jobs/{job_id}{suffix}")

    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")


# ---- retry ----


def test_a_failed_job_is_queued_again_with_all_its_attempts_and_announced(office: Office) -> None:
    job = office.fail("frame:x")
    recorded = json.dumps(load_event("jobs/http_api_retry"))

    status, body = office.answer(json.loads(recorded.replace(UNKNOWN, job.id)))

    assert (status, body["state"], body["attempts"], body["error"]) == (200, "queued", 0, None)
    (hint,) = office.queues.take("detection")
    assert hint.body["job_id"] == job.id


@pytest.mark.parametrize("make", ["add", "start", "finish"])
def test_a_job_that_has_not_failed_is_not_retried(office: Office, make: str) -> None:
    job = getattr(office, make)("frame:x")

    status, body = office.call("POST", f"/api/v1/jobs/{job.id}/retry")

    assert (status, body["error"]["code"]) == (409, "CONFLICT")
    assert f"is {job.state}" in body["error"]["message"]
    assert office.ledger.get(job.id) == job
    assert office.queues.sent == []


# ---- list ----


def test_the_list_is_newest_first_and_pages_end(office: Office) -> None:
    ids = [office.add(f"frame:{n}").id for n in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = office.get(limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert cursor is None
    assert seen == sorted(ids, reverse=True)


def test_the_list_is_filtered_by_state_and_kind(office: Office) -> None:
    failed = office.fail("a")
    office.fail("b", "safety.violation.detected")
    office.add("c")

    assert [job["id"] for job in office.get(state="failed", kind="detection.frame")["jobs"]] == [
        failed.id
    ]
    assert len(office.answer(load_event("jobs/http_api_list_failed"))[1]["jobs"]) == 2


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", {"limit": 0}, "limit"),
        ("", {"limit": 101}, "limit"),
        ("", {"limit": "many"}, "limit"),
        ("", {"state": "asleep"}, "state"),
        ("", {"status": "failed"}, "status"),
        ("", {"cursor": "made up"}, "cursor"),
        ("", {"kind": "a\x00"}, "kind"),
        ("/summary", {"dedupe_prefix": "x" * 1101}, "dedupe_prefix"),
        ("/summary", {"dedupe_prefix": "\x00"}, "dedupe_prefix"),
        ("/summary", {"prefix": "frame:"}, "prefix"),
    ],
)
def test_an_invalid_query_is_refused_with_its_field(
    office: Office, path: str, query: dict[str, str | int], field: str
) -> None:
    status, body = office.call("GET", f"/api/v1/jobs{path}", **query)

    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert field in body["error"]["message"]
    assert body["error"]["request_id"]
