"""Queue work: makes reports and digests; `email_delivery` sends them.

A PDF's key contains the incident and, from the second revision on, the revision. A stored PDF is
never overwritten with other bytes, so a slow worker with an old revision does no harm, and an
e-mail that is sent again has the same attachment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from functions.reports.email_content import MailPolicy, digest_time, next_digest_time
from functions.reports.evidence_image import fetch_image
from functions.reports.messages import (
    DIGEST,
    EMAIL,
    QUEUE,
    REPORT_READY,
    read_event,
    read_task,
)
from functions.reports.repository import digests, reports
from functions.reports.repository.tables import PdfFile
from functions.reports.schemas import DigestJob, IncidentEvent, Narrative, ReportReady
from functions.reports.writer import NarrativeWriter
from hearth.errors import HearthError, NotFound
from hearth.ids import CLOCK_TOLERANCE, utc_now
from hearth.ledger.consumer import Deadline, Done, Failed, Outcome, Postpone, guarded
from hearth.ledger.events import Event
from hearth.ledger.ledger import Job, NewJob, UnitOfWork
from hearth.parsing import parse_model
from hearth.storage import ObjectStore
from hearth.text import truncate

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.reports.repository.reports import ReportRow
    from hearth.db import Database

CONCURRENCY = 4
"""Reports made in parallel: most of the time is spent waiting for S3 and language models."""
RESERVE_S = 5.0
"""Seconds reserved for image, PDF and storage when time is divided among language models."""
MIN_TIME_S = 2.0
"""No report begins with less time left."""
EVENT_SUMMARY_CHARS = 1_200
EVENT_ACTIONS = 10
EVENT_ACTION_CHARS = 350
"""A job holds 64 kB, and a character of some scripts takes 12 bytes of its JSON."""
EMAIL_ATTEMPTS = 30
"""Over an hour with the ledger's back-off: mail servers defer unknown senders for minutes."""


class ReportWorker:
    """Makes reports and digests.

    Args:
        bucket: The bucket's name; evidence in any other bucket is not fetched.
        zone: The site's time zone.
        policy: Recipients and mode of e-mails; None when e-mail is off.
    """

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        bucket: str,
        zone: ZoneInfo,
        writer: NarrativeWriter,
        policy: MailPolicy | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._store = store
        self._bucket = bucket
        self._zone = zone
        self._writer = writer
        self._policy = policy
        self._now = now

    # ---- safety.violation.detected ----

    def make_reports(
        self, jobs: Sequence[Job], deadline: Deadline
    ) -> Iterator[tuple[Job, Outcome]]:
        """Make the reports of a batch, several in parallel."""
        events: list[tuple[Job, IncidentEvent]] = []
        for job in jobs:
            try:
                events.append((job, read_event(job.payload)))
            except HearthError as error:
                yield job, Failed(error)
        if not events:
            return
        known, narratives = self._db.read(lambda tx: _load_stored(tx, events))
        rounds = math.ceil(len(events) / CONCURRENCY)

        def make(job: Job, event: IncidentEvent) -> Outcome:
            left = deadline.remaining()
            if left < MIN_TIME_S:
                return Postpone(self._now())
            return guarded(
                lambda _: self._incident(
                    event,
                    known.get(event.incident_id),
                    narratives.get((event.incident_id, event.revision)),
                    budget_s=max(1.0, (left - RESERVE_S) / rounds),
                ),
                job,
            )

        if len(events) == 1:
            yield events[0][0], make(*events[0])
            return
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="report") as pool:
            running: dict[Future[Outcome], Job] = {
                pool.submit(make, job, event): job for job, event in events
            }
            for future in as_completed(running):
                yield running[future], future.result()

    def _incident(
        self,
        event: IncidentEvent,
        stored: ReportRow | None,
        narrative: Narrative | None,
        budget_s: float,
    ) -> Outcome:
        from functions.reports.pdf import incident_report

        if stored is not None and stored.revision > event.revision:
            return Done()
        if narrative is None and stored is not None and stored.revision == event.revision:
            narrative = Narrative.model_validate(stored.narrative)
        if narrative is None:
            narrative = self._narrative(event, budget_s)
        image = fetch_image(self._store, self._bucket, event.evidence)
        pdf = incident_report(event, narrative, image, self._zone)
        key = pdf_key(event)
        file = PdfFile(key, self._store.put(key, pdf, "application/pdf"))
        return Done(lambda work: self._save(work, event, narrative, file))

    def _narrative(self, event: IncidentEvent, budget_s: float) -> Narrative:
        narrative = self._writer.write(event, budget_s)
        if not self._writer.uses_model:
            return narrative
        # Stored before it is printed, so that a retry after a crash prints the same text.
        return self._db.write(
            lambda tx: reports.store_narrative(
                tx, event.incident_id, event.revision, narrative, self._now()
            )
        )

    def _save(
        self, work: UnitOfWork, event: IncidentEvent, narrative: Narrative, file: PdfFile
    ) -> None:
        tx, now = work.tx, self._now()
        digest_date, digest_at = self._digest_for(tx, now)
        if not reports.save_report(tx, event, narrative, file, digest_date, now):
            return
        work.emit(report_ready(event, narrative, file.key, now))
        if self._policy is None:
            return
        if digest_date is not None:
            digest = NewJob(
                DIGEST,
                QUEUE,
                f"digest:{digest_date}",
                {"digest_date": digest_date},
                available_at=digest_at,
            )
            work.add(digest)
        else:
            work.add(email_job(f"email:{event.incident_id}", report_id=event.incident_id))

    def _digest_for(self, tx: Connection, now: datetime) -> tuple[str | None, datetime | None]:
        """Return the local date and the time of the digest that will list a report saved now."""
        if self._policy is None or self._policy.mode != "daily":
            return None, None
        date, due = next_digest_time(now, self._policy.daily_at, self._zone)
        while digests.is_digest_closed(tx, date):
            date, due = next_digest_time(due, self._policy.daily_at, self._zone)
        return date, due

    # ---- task.created ----

    def link_task(self, job: Job) -> Outcome:
        """Record the task that corrects a report; of several, the one that was created first."""
        task = read_task(job.payload)
        report_id = task.source.report_id if task.source else None
        if report_id is None:
            return Done()

        def write(work: UnitOfWork) -> None:
            if not reports.link_task(work.tx, report_id, task.task_id):
                raise NotFound(f"report {report_id}, which a task was created for, does not exist")

        return Done(write)

    # ---- reports.digest ----

    def make_digest(self, job: Job) -> Outcome:
        """Close a day's digest, make its PDF and queue its e-mail."""
        from functions.reports.digest_pdf import digest_report

        date = parse_model(DigestJob, job.payload, "the digest job").digest_date
        if self._policy is not None:
            due = digest_time(date, self._policy.daily_at, self._zone)
            if due > self._now() + CLOCK_TOLERANCE:
                return Postpone(due)  # it came early, because the clock was set back
        digest = self._db.write(lambda tx: digests.close_digest(tx, date, self._now()))
        pdf = digest_report(digest, self._zone)
        key = f"reports/digest-{date}.pdf"
        file = PdfFile(key, self._store.put(key, pdf, "application/pdf"))

        def write(work: UnitOfWork) -> None:
            digests.save_digest_pdf(work.tx, date, file)
            if self._policy is not None and digest.total:
                work.add(email_job(f"email:digest:{date}", digest_date=date))

        return Done(write)


def report_ready(event: IncidentEvent, narrative: Narrative, key: str, now: datetime) -> Event:
    """Return the event of a report that is ready; one for each revision."""
    data = ReportReady(
        report_id=event.incident_id,
        incident_id=event.incident_id,
        camera_id=event.camera_id,
        zone=event.zone,
        classes=tuple(sorted({violation.class_name for violation in event.violations})),
        first_seen=event.first_seen,
        last_seen=event.last_seen,
        summary=truncate(narrative.summary, EVENT_SUMMARY_CHARS),
        corrective_actions=tuple(
            truncate(action, EVENT_ACTION_CHARS)
            for action in narrative.corrective_actions[:EVENT_ACTIONS]
        ),
        pdf_key=key,
        site_name=event.site.site_name,
        continuations=len(event.continuations),
        review=event.review.verdict if event.review else None,
    )
    return Event(
        type=REPORT_READY,
        id=f"{event.incident_id}:{event.revision}",
        time=now,
        subject=event.incident_id,
        data=data.model_dump(mode="json"),
    )


def pdf_key(event: IncidentEvent) -> str:
    """Return the S3 key of a report: `reports/{id}.pdf`, with `.r{revision}` from the second on."""
    revision = f".r{event.revision}" if event.revision > 1 else ""
    return f"reports/{event.incident_id}{revision}.pdf"


def email_job(dedupe_key: str, **payload: str) -> NewJob:
    """Return the job that sends one e-mail."""
    return NewJob(EMAIL, QUEUE, dedupe_key, payload, max_attempts=EMAIL_ATTEMPTS)


def _load_stored(
    tx: Connection, events: Iterable[tuple[Job, IncidentEvent]]
) -> tuple[dict[str, ReportRow], dict[tuple[str, int], Narrative]]:
    keys = [(event.incident_id, event.revision) for _, event in events]
    return (
        reports.get_reports(tx, {incident_id for incident_id, _ in keys}),
        reports.get_narratives(tx, keys),
    )
