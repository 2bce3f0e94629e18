"""Queue work: sends e-mails; the intent is recorded before the SMTP session, the result after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from functions.reports.email_content import MailPolicy, digest_email, incident_email
from functions.reports.email_message import EmailContent, build_message
from functions.reports.repository import digests, emails, reports
from functions.reports.schemas import EmailJob
from hearth.errors import Conflict, HearthError, InvalidInput, NotFound, Unavailable
from hearth.ids import utc_now
from hearth.ledger.consumer import Deadline, Done, Failed, Outcome, Postpone, guarded
from hearth.ledger.ledger import Job
from hearth.mail import Delivery, MailRefused, message_id_for
from hearth.parsing import parse_model
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.reports.repository.emails import EmailRow
    from hearth.db import Database

MAX_PDF_BYTES = 20 * 1024 * 1024
MIN_TIME_S = 5.0
"""No e-mail begins with less time left."""


class Session(Protocol):
    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery: ...


class Mailer(Protocol):
    """Delivers messages; `hearth.mail.SmtpMailer` is one."""

    def session(self) -> AbstractContextManager[Session]: ...


class EmailDelivery:
    """Sends the e-mails of reports and digests.

    Args:
        zone: The site's time zone.
        policy: Recipients and mode; None when e-mail is off.
        mailer: None when e-mail is off.
    """

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        zone: ZoneInfo,
        policy: MailPolicy | None,
        mailer: Mailer | None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._store = store
        self._zone = zone
        self._policy = policy
        self._mailer = mailer
        self._now = now

    def send(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """Send the e-mails of a batch over one connection."""
        policy, mailer = self._policy, self._mailer
        if policy is None or mailer is None:
            off = InvalidInput("e-mail is off: set SMTP_URL, EMAIL_FROM and EMAIL_TO, then retry")
            yield from ((job, Failed(off)) for job in jobs)
            return
        longest = 0.0
        with mailer.session() as session:
            for job in jobs:
                if not deadline.allows(max(MIN_TIME_S, longest)):
                    yield job, Postpone(self._now())
                    continue
                began = time.monotonic()
                yield job, guarded(lambda job: self._email(job, policy, session), job)
                longest = max(longest, time.monotonic() - began)

    def _email(self, job: Job, policy: MailPolicy, session: Session) -> Outcome:
        request = parse_model(EmailJob, job.payload, "the e-mail job")
        intent = self._db.write(lambda tx: self._intend(tx, request, policy))
        if intent.state == "sent":
            return Done()
        content = EmailContent.model_validate(intent.content)
        settled = {*intent.accepted, *intent.refused}
        pending = [to for to in content.recipients if to not in settled]
        try:
            message = build_message(content, intent.message_id, self._pdf(content))
            delivery = session.send(content.sender, pending, message)
        except HearthError as error:
            self._record(job, intent, Delivery((), {}, {}), error)
            return Failed(error)
        problem = _problem(intent, delivery)
        # Recorded at once, not with the job, whose commit comes after the whole batch: this keeps
        # the window short in which a crash would send the e-mail again.
        self._record(job, intent, delivery, problem)
        return Failed(problem) if problem else Done()

    def _intend(self, tx: Connection, request: EmailJob, policy: MailPolicy) -> EmailRow:
        now = self._now()
        if request.report_id is not None:
            report = reports.get_report(tx, request.report_id)
            if report is None:
                raise NotFound(f"report {request.report_id} does not exist")
            email_id = request.report_id
            content = incident_email(report, policy, self._zone, now)
        else:
            found = digests.get_digest(tx, request.digest_date or "")
            if found is None or found[1] is None:
                raise NotFound(f"the digest of {request.digest_date} does not exist")
            email_id = f"digest-{request.digest_date}"
            content = digest_email(found[0], found[1].key, found[1].sha256, policy, now)
        return emails.record_intent(
            tx,
            email_id,
            message_id=message_id_for(email_id, policy.sender),
            content=content.model_dump(mode="json"),
            now=now,
            report_id=request.report_id,
            digest_date=request.digest_date,
        )

    def _pdf(self, content: EmailContent) -> bytes:
        data = self._store.get(content.pdf_key, MAX_PDF_BYTES)
        if hashlib.sha256(data).hexdigest() != content.pdf_sha256:
            raise Conflict(f"{content.pdf_key} has been changed since the report was made")
        return data

    def _record(
        self, job: Job, intent: EmailRow, delivery: Delivery, error: HearthError | None
    ) -> None:
        if error is None:
            state = "sent"
        elif error.retryable and job.attempts < job.max_attempts:
            state = "intended"
        else:
            state = "failed"
        self._db.write(
            lambda tx: emails.record_result(
                tx,
                intent.id,
                state=state,
                accepted={*intent.accepted, *delivery.accepted},
                refused={**intent.refused, **delivery.refused},
                error=error.message if error else None,
                now=self._now(),
            )
        )


def _problem(intent: EmailRow, delivery: Delivery) -> HearthError | None:
    """Return the error of a delivery; None when every recipient has accepted or refused it."""
    if delivery.deferred:
        who, why = next(iter(delivery.deferred.items()))
        return Unavailable(f"{len(delivery.deferred)} recipients deferred; {who}: {why}")
    if not intent.accepted and not delivery.accepted:
        refused = {**intent.refused, **delivery.refused}
        who, why = next(iter(refused.items()))
        return MailRefused(f"every recipient was refused; {who}: {why}")
    return None
