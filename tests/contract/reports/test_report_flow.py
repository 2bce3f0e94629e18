"""From message to filed report, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pypdf
import pytest

from functions.reports.repository.digests import get_digest
from functions.reports.repository.reports import get_report, list_reports
from functions.reports.schemas import IncidentEvent, Narrative
from functions.reports.writer import NarrativeWriter
from hearth.ledger.ledger import JobState
from tests.contract.reports.conftest import BERLIN, POLICY, Harness
from tests.support.events import load_event
from tests.support.report_events import EVIDENCE_KEY, incident, jpeg, payload

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
Read = Callable[..., Any]


def words(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_an_event_becomes_a_stored_report(harness: Harness, read: Read) -> None:
    harness.add()
    harness.run()
    report = read(get_report, ID)
    pdf = harness.store.objects[f"reports/{ID}.pdf"]
    assert report.pdf_key == f"reports/{ID}.pdf"
    assert report.pdf_sha256 == hashlib.sha256(pdf).hexdigest()
    assert report.classes == ["no_helmet", "no_vest"]
    assert report.narrative_source == "rules"
    assert harness.store.content_types[report.pdf_key] == "application/pdf"
    assert jpeg() in pdf
    assert harness.states("safety.violation.detected") == [JobState.DONE]
    assert harness.jobs("reports.email") == harness.jobs("reports.digest") == []


def test_a_repeated_event_changes_no_byte(harness: Harness, read: Read) -> None:
    job = harness.add()
    harness.run()
    before = read(get_report, ID)
    harness.clock.advance(3600)
    hint = {"job_id": job.id, "kind": job.kind}
    harness.deliver(hint, hint, payload())
    assert read(get_report, ID) == before
    assert harness.store.writes == [f"reports/{ID}.pdf"]


def test_a_crash_after_the_pdf_is_stored_repeats_the_same_bytes(harness: Harness) -> None:
    event = incident()
    harness.worker._incident(event, None, None, 5)
    first = harness.store.objects[f"reports/{ID}.pdf"]
    harness.clock.advance(86_400)
    harness.add()
    harness.run()
    assert harness.store.objects[f"reports/{ID}.pdf"] == first


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 1, 2)], ids=str)
def test_the_highest_revision_wins_in_any_order(
    harness: Harness, read: Read, order: tuple[int, ...]
) -> None:
    for revision in order:
        harness.add(revision=revision)
        harness.run()
    report = read(get_report, ID)
    assert report.revision == 2
    pdf = harness.store.objects[report.pdf_key]
    assert hashlib.sha256(pdf).hexdigest() == report.pdf_sha256
    assert "revision 2" in words(pdf)
    assert set(harness.states("safety.violation.detected")) == {JobState.DONE}


def test_a_revision_that_is_outdated_meanwhile_changes_nothing(
    harness: Harness, read: Read
) -> None:
    old = harness.worker._incident(incident(revision=1), None, None, 5)
    harness.add(revision=2)
    harness.run()
    before = read(get_report, ID)
    harness.queues.take()
    harness.ledger.transact(old.write)
    assert harness.queues.take() == []
    assert read(get_report, ID) == before
    assert hashlib.sha256(harness.store.objects[before.pdf_key]).hexdigest() == before.pdf_sha256


def test_the_report_of_a_v1_message_states_that_its_image_was_not_fetched(
    harness: Harness, read: Read
) -> None:
    body = load_event("reports/sqs_v1_violation")["Records"][0]["body"]
    assert harness.deliver(body, body) == {"batchItemFailures": []}
    (report,) = read(list_reports, limit=10)
    text = words(harness.store.objects[report.pdf_key])
    assert report.camera_id == "CAM-01"
    assert "not fetched: s3://safety-violations/violations/CAM-01" in text
    assert "message v1" in text


def test_an_invalid_message_affects_no_other(harness: Harness, read: Read) -> None:
    broken = {"schema_version": 2}
    harness.add(violations=[])
    harness.add(incident_id="01KASVZEBRY4C1W9T6P0X2K8ME")
    queued = [message.body for message in harness.queues.take()]
    assert harness.deliver("not json", broken, {"x": 1}, *queued) == {"batchItemFailures": []}
    assert [report.id for report in read(list_reports, limit=10)] == ["01KASVZEBRY4C1W9T6P0X2K8ME"]
    assert sorted(harness.states("safety.violation.detected")) == [JobState.DONE, JobState.FAILED]
    errors = [job.error for job in harness.jobs("safety.violation.detected") if job.error]
    assert ["violations" in error.message for error in errors] == [True]
    assert harness.states("reports.unreadable") == [JobState.FAILED] * 3


def test_a_missing_or_changed_image_is_stated_and_the_report_is_made(harness: Harness) -> None:
    harness.store.objects[EVIDENCE_KEY] = jpeg(64, 48)
    harness.add()
    harness.run()
    assert "has been changed" in words(harness.store.objects[f"reports/{ID}.pdf"])
    del harness.store.objects[EVIDENCE_KEY]
    harness.add(revision=2)
    harness.run()
    assert "does not exist" in words(harness.store.objects[f"reports/{ID}.r2.pdf"])


def test_a_store_that_does_not_answer_delays_the_report(harness: Harness, read: Read) -> None:
    harness.add()
    harness.store.offline = True
    harness.run()
    assert harness.states("safety.violation.detected") == [JobState.QUEUED]
    harness.store.offline = False
    harness.clock.advance(60)
    harness.ledger.announce(harness.ledger.due(10))
    harness.run()
    assert harness.states("safety.violation.detected") == [JobState.DONE]
    assert read(get_report, ID) is not None


class Whimsical(NarrativeWriter):
    """Writes something else each time, as a language model does."""

    calls = 0

    @property
    def uses_model(self) -> bool:
        return True

    def write(self, event: IncidentEvent, budget_s: float) -> Narrative:
        self.calls += 1
        return Narrative(
            summary=f"Version {self.calls}.",
            hazards=("x",),
            corrective_actions=("a", "b", "c", "d"),
            follow_up=("y",),
            source="llm",
            model="whim",
        )


def test_a_model_s_text_is_stored_before_it_is_printed(harness: Harness, read: Read) -> None:
    writer = Whimsical(BERLIN)
    harness.writer = writer
    harness.worker._incident(incident(), None, None, 5)  # and then the process died
    first = harness.store.objects[f"reports/{ID}.pdf"]
    harness.add()
    harness.run()
    assert harness.store.objects[f"reports/{ID}.pdf"] == first
    assert writer.calls == 1
    assert read(get_report, ID).narrative["summary"] == "Version 1."


def test_of_two_workers_with_two_texts_both_print_the_first(harness: Harness) -> None:
    harness.writer = Whimsical(BERLIN)
    harness.worker._incident(incident(), None, None, 5)
    first = harness.store.objects[f"reports/{ID}.pdf"]
    # The second looked before the first had stored its text, so it asks the model itself.
    harness.worker._incident(incident(), None, None, 5)
    assert harness.store.objects[f"reports/{ID}.pdf"] == first


def test_each_revision_has_its_own_text(harness: Harness, read: Read) -> None:
    harness.writer = Whimsical(BERLIN)
    harness.add()
    harness.run()
    harness.add(revision=2)
    harness.run()
    assert read(get_report, ID).narrative["summary"] == "Version 2."


# ---- digests ----


def daily(harness: Harness) -> Harness:
    harness.policy = replace(POLICY, mode="daily")
    return harness


def ulid(number: int) -> str:
    return f"01KASVZEBRY4C1W9T6P0X{number:05}"


def run_digest(harness: Harness) -> None:
    """Go to the next 18:00 in Berlin (17:00 UTC) and do what is due then."""
    harness.clock.time = harness.clock.time.replace(hour=17, minute=0, second=1)
    harness.queues.take()
    harness.ledger.announce(
        [job for job in harness.ledger.due(100) if job.kind == "reports.digest"]
    )
    harness.run(rounds=1)


def test_in_daily_mode_the_reports_of_a_day_share_one_digest(harness: Harness, read: Read) -> None:
    daily(harness)
    for number in range(3):
        harness.add(incident_id=ulid(number))
        harness.run()
    (job,) = harness.jobs("reports.digest")
    assert job.dedupe_key == "digest:2026-11-02"
    assert job.available_at.isoformat() == "2026-11-02T17:00:00+00:00"
    assert harness.jobs("reports.email") == []
    run_digest(harness)
    digest, pdf = read(get_digest, "2026-11-02")
    assert (digest.total, digest.by_class) == (3, {"no_helmet": 3, "no_vest": 3})
    assert pdf is not None
    text = words(harness.store.objects["reports/digest-2026-11-02.pdf"])
    assert all(ulid(number) in text for number in range(3))
    assert [job.dedupe_key for job in harness.jobs("reports.email")] == ["email:digest:2026-11-02"]


def test_a_report_after_the_digest_is_in_the_next_one_and_only_there(
    harness: Harness, read: Read
) -> None:
    daily(harness)
    harness.add(incident_id=ulid(1))
    harness.run()
    run_digest(harness)
    # The clock of another worker is slow: for it, it is still before six.
    harness.clock.time = harness.clock.time.replace(hour=16, minute=59)
    harness.add(incident_id=ulid(2))
    harness.run()
    assert [job.dedupe_key for job in harness.jobs("reports.digest")] == [
        "digest:2026-11-02",
        "digest:2026-11-03",
    ]
    harness.clock.advance(86_400)
    run_digest(harness)
    assert [entry.report_id for entry in read(get_digest, "2026-11-03")[0].entries] == [ulid(2)]


def test_a_repeated_digest_is_identical(harness: Harness) -> None:
    daily(harness)
    harness.add(incident_id=ulid(1))
    harness.run()
    (job,) = harness.jobs("reports.digest")
    harness.clock.time = job.available_at
    harness.worker.make_digest(job)  # and then the process died
    first = harness.store.objects["reports/digest-2026-11-02.pdf"]
    harness.add(incident_id=ulid(2))
    harness.run()
    run_digest(harness)
    assert harness.store.objects["reports/digest-2026-11-02.pdf"] == first


def test_reports_from_before_daily_mode_are_in_no_digest(harness: Harness, read: Read) -> None:
    harness.add(incident_id=ulid(1))
    harness.run()
    daily(harness).add(incident_id=ulid(2))
    harness.run()
    run_digest(harness)
    assert read(get_digest, "2026-11-02")[0].total == 1
