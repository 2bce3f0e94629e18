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
from tests.contract.reports.conftest import BERLIN, POLICY, Bench
from tests.support.events import load_event
from tests.support.report_events import EVIDENCE_KEY, incident, jpeg, payload

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
Read = Callable[..., Any]


def words(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_an_event_becomes_a_filed_report(bench: Bench, read: Read) -> None:
    bench.add()
    bench.run()
    report = read(get_report, ID)
    pdf = bench.store.objects[f"reports/{ID}.pdf"]
    assert report.pdf_key == f"reports/{ID}.pdf"
    assert report.pdf_sha256 == hashlib.sha256(pdf).hexdigest()
    assert report.classes == ["no_helmet", "no_vest"]
    assert report.narrative_source == "rules"
    assert bench.store.content_types[report.pdf_key] == "application/pdf"
    assert jpeg() in pdf
    assert bench.states("safety.violation.detected") == [JobState.DONE]
    assert bench.jobs("reports.email") == bench.jobs("reports.digest") == []


def test_the_same_event_again_changes_no_byte(bench: Bench, read: Read) -> None:
    job = bench.add()
    bench.run()
    before = read(get_report, ID)
    bench.clock.advance(3600)
    hint = {"job_id": job.id, "kind": job.kind}
    bench.deliver(hint, hint, payload())
    assert read(get_report, ID) == before
    assert bench.store.writes == [f"reports/{ID}.pdf"]


def test_a_crash_after_the_pdf_is_stored_repeats_the_same_bytes(bench: Bench) -> None:
    event = incident()
    bench.service._incident(event, None, None, 5)
    first = bench.store.objects[f"reports/{ID}.pdf"]
    bench.clock.advance(86_400)
    bench.add()
    bench.run()
    assert bench.store.objects[f"reports/{ID}.pdf"] == first


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 1, 2)], ids=str)
def test_the_highest_revision_wins_in_any_order(
    bench: Bench, read: Read, order: tuple[int, ...]
) -> None:
    for revision in order:
        bench.add(revision=revision)
        bench.run()
    report = read(get_report, ID)
    assert report.revision == 2
    pdf = bench.store.objects[report.pdf_key]
    assert hashlib.sha256(pdf).hexdigest() == report.pdf_sha256
    assert "revision 2" in words(pdf)
    assert set(bench.states("safety.violation.detected")) == {JobState.DONE}


def test_an_old_revision_that_was_overtaken_while_it_worked_changes_nothing(
    bench: Bench, read: Read
) -> None:
    old = bench.service._incident(incident(revision=1), None, None, 5)
    bench.add(revision=2)
    bench.run()
    before = read(get_report, ID)
    assert bench.db.write(old.write) == ()
    assert read(get_report, ID) == before
    assert hashlib.sha256(bench.store.objects[before.pdf_key]).hexdigest() == before.pdf_sha256


def test_a_v1_message_becomes_a_report_that_names_the_picture_as_not_fetched(
    bench: Bench, read: Read
) -> None:
    body = load_event("reports/sqs_v1_violation")["Records"][0]["body"]
    assert bench.deliver(body, body) == {"batchItemFailures": []}
    (report,) = read(list_reports, limit=10)
    text = words(bench.store.objects[report.pdf_key])
    assert report.camera_id == "CAM-01"
    assert "not fetched: s3://safety-violations/violations/CAM-01" in text
    assert "message v1" in text


def test_one_bad_message_spoils_no_other(bench: Bench, read: Read) -> None:
    broken = {"schema_version": 2}
    bench.add(violations=[])
    bench.add(incident_id="01KASVZEBRY4C1W9T6P0X2K8ME")
    hints = [message.body for message in bench.queues.take()]
    assert bench.deliver("not json", broken, {"x": 1}, *hints) == {"batchItemFailures": []}
    assert [report.id for report in read(list_reports, limit=10)] == ["01KASVZEBRY4C1W9T6P0X2K8ME"]
    assert sorted(bench.states("safety.violation.detected")) == [JobState.DONE, JobState.FAILED]
    errors = [job.error for job in bench.jobs("safety.violation.detected") if job.error]
    assert ["violations" in error.message for error in errors] == [True]
    assert bench.states("reports.unreadable") == [JobState.FAILED] * 3


def test_a_missing_and_a_changed_picture_are_said_and_the_report_is_made(bench: Bench) -> None:
    bench.store.objects[EVIDENCE_KEY] = jpeg(64, 48)
    bench.add()
    bench.run()
    assert "has been changed" in words(bench.store.objects[f"reports/{ID}.pdf"])
    del bench.store.objects[EVIDENCE_KEY]
    bench.add(revision=2)
    bench.run()
    assert "does not exist" in words(bench.store.objects[f"reports/{ID}.r2.pdf"])


def test_a_store_that_does_not_answer_delays_the_report(bench: Bench, read: Read) -> None:
    bench.add()
    bench.store.offline = True
    bench.run()
    assert bench.states("safety.violation.detected") == [JobState.QUEUED]
    bench.store.offline = False
    bench.clock.advance(60)
    bench.ledger.announce(bench.ledger.due(10))
    bench.run()
    assert bench.states("safety.violation.detected") == [JobState.DONE]
    assert read(get_report, ID) is not None


class Whimsical(NarrativeWriter):
    """Writes something else each time, as a language model does."""

    calls = 0

    @property
    def asks_a_model(self) -> bool:
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


def test_what_a_model_wrote_is_kept_before_it_is_printed(bench: Bench, read: Read) -> None:
    writer = Whimsical(BERLIN)
    bench.writer = writer
    bench.service._incident(incident(), None, None, 5)  # and then the process died
    first = bench.store.objects[f"reports/{ID}.pdf"]
    bench.add()
    bench.run()
    assert bench.store.objects[f"reports/{ID}.pdf"] == first
    assert writer.calls == 1
    assert read(get_report, ID).narrative["summary"] == "Version 1."


def test_of_two_workers_with_two_texts_both_print_the_first(bench: Bench) -> None:
    bench.writer = Whimsical(BERLIN)
    bench.service._incident(incident(), None, None, 5)
    first = bench.store.objects[f"reports/{ID}.pdf"]
    # The second looked before the first had stored its text, so it asks the model itself.
    bench.service._incident(incident(), None, None, 5)
    assert bench.store.objects[f"reports/{ID}.pdf"] == first


def test_each_revision_gets_its_own_words(bench: Bench, read: Read) -> None:
    bench.writer = Whimsical(BERLIN)
    bench.add()
    bench.run()
    bench.add(revision=2)
    bench.run()
    assert read(get_report, ID).narrative["summary"] == "Version 2."


# ---- digests ----


def daily(bench: Bench) -> Bench:
    bench.policy = replace(POLICY, mode="daily")
    return bench


def ulid(number: int) -> str:
    return f"01KASVZEBRY4C1W9T6P0X{number:05}"


def run_digest(bench: Bench) -> None:
    """Go to the next 18:00 in Berlin (17:00 UTC) and do what is due then."""
    bench.clock.time = bench.clock.time.replace(hour=17, minute=0, second=1)
    bench.queues.take()
    bench.ledger.announce([job for job in bench.ledger.due(100) if job.kind == "reports.digest"])
    bench.run(rounds=1)


def test_in_daily_mode_the_reports_of_a_day_share_one_digest(bench: Bench, read: Read) -> None:
    daily(bench)
    for number in range(3):
        bench.add(incident_id=ulid(number))
        bench.run()
    (job,) = bench.jobs("reports.digest")
    assert job.dedupe_key == "digest:2026-11-02"
    assert job.available_at.isoformat() == "2026-11-02T17:00:00+00:00"
    assert bench.jobs("reports.email") == []
    run_digest(bench)
    digest, pdf = read(get_digest, "2026-11-02")
    assert (digest.total, digest.by_class) == (3, {"no_helmet": 3, "no_vest": 3})
    assert pdf is not None
    text = words(bench.store.objects["reports/digest-2026-11-02.pdf"])
    assert all(ulid(number) in text for number in range(3))
    assert [job.dedupe_key for job in bench.jobs("reports.email")] == ["email:digest:2026-11-02"]


def test_a_report_after_the_digest_is_in_the_next_one_and_only_there(
    bench: Bench, read: Read
) -> None:
    daily(bench)
    bench.add(incident_id=ulid(1))
    bench.run()
    run_digest(bench)
    # The clock of another worker is slow: for it, it is still before six.
    bench.clock.time = bench.clock.time.replace(hour=16, minute=59)
    bench.add(incident_id=ulid(2))
    bench.run()
    assert [job.dedupe_key for job in bench.jobs("reports.digest")] == [
        "digest:2026-11-02",
        "digest:2026-11-03",
    ]
    bench.clock.advance(86_400)
    run_digest(bench)
    assert [entry.report_id for entry in read(get_digest, "2026-11-03")[0].entries] == [ulid(2)]


def test_a_digest_that_is_made_again_says_the_same(bench: Bench) -> None:
    daily(bench)
    bench.add(incident_id=ulid(1))
    bench.run()
    (job,) = bench.jobs("reports.digest")
    bench.service.digest(job)  # and then the process died
    first = bench.store.objects["reports/digest-2026-11-02.pdf"]
    bench.add(incident_id=ulid(2))
    bench.run()
    run_digest(bench)
    assert bench.store.objects["reports/digest-2026-11-02.pdf"] == first


def test_reports_of_the_time_before_daily_mode_are_in_no_digest(bench: Bench, read: Read) -> None:
    bench.add(incident_id=ulid(1))
    bench.run()
    daily(bench).add(incident_id=ulid(2))
    bench.run()
    run_digest(bench)
    assert read(get_digest, "2026-11-02")[0].total == 1
