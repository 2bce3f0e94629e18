"""E-mail jobs against a real SMTP server, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from functions.reports.repository.emails import get_email
from hearth.errors import Unavailable
from hearth.ledger.ledger import JobState
from hearth.mail import Delivery, MailRefused, SmtpMailer, SmtpServer
from tests.contract.reports.conftest import POLICY, Harness
from tests.support.smtp_server import Delivered, Mailbox, self_signed, smtp_server

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
A, B = POLICY.recipients
Read = Callable[..., Any]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as server:
        yield server


@pytest.fixture
def mailing(harness: Harness, mailbox: Mailbox) -> Harness:
    harness.policy = POLICY
    harness.mailer = mailer(mailbox.port)
    return harness


def mailer(port: int, scheme: str = "smtp", credentials: str = "") -> SmtpMailer:
    return SmtpMailer(SmtpServer.from_url(f"{scheme}://{credentials}127.0.0.1:{port}"), 5)


def retry_due(harness: Harness, seconds: float = 3600) -> None:
    harness.clock.advance(seconds)
    harness.queues.take()
    harness.ledger.announce(harness.ledger.due(100))
    harness.run(rounds=1)


def message_ids(messages: Sequence[Delivered]) -> set[str]:
    return {str(message_from_bytes(m.content, policy=SMTP)["Message-ID"]) for m in messages}


def test_a_report_is_mailed_once_with_its_pdf(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    job = mailing.add()
    mailing.run()
    mailing.deliver({"job_id": job.id, "kind": job.kind})
    mailing.run()
    (message,) = mailbox.messages
    assert message.sender == "hearth@example.org"
    assert message.recipients == [A, B]
    (attachment,) = message_from_bytes(message.content, policy=SMTP).iter_attachments()
    assert attachment.get_content() == mailing.store.objects[f"reports/{ID}.pdf"]
    stored = read(get_email, ID)
    assert (stored.state, stored.accepted, stored.attempts) == ("sent", [A, B], 1)
    assert message_ids(mailbox.messages) == {stored.message_id}


def test_a_revision_is_not_mailed_again(mailing: Harness, mailbox: Mailbox) -> None:
    for revision in (1, 2):
        mailing.add(revision=revision)
        mailing.run()
    assert len(mailbox.messages) == 1


def test_a_batch_of_e_mails_uses_one_connection(mailing: Harness, mailbox: Mailbox) -> None:
    for number in range(5):
        mailing.add(incident_id=f"01KASVZEBRY4C1W9T6P0X{number:05}")
    mailing.run()
    assert len(mailbox.messages) == 5
    assert len(message_ids(mailbox.messages)) == 5
    assert mailbox.connections == 1


class DiesAfterSending:
    """A mailer whose process dies when the server has accepted the message."""

    def __init__(self, real: SmtpMailer) -> None:
        self._real = real

    @contextmanager
    def session(self) -> Iterator[DiesAfterSending]:
        with self._real.session() as session:
            self._session = session
            yield self

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery:
        self._session.send(sender, recipients, message)
        raise KeyboardInterrupt


def test_a_crash_between_acceptance_and_record_repeats_the_very_same_message(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailing.add()
    mailing.run(rounds=1)
    mailing.mailer = DiesAfterSending(mailer(mailbox.port))
    with pytest.raises(KeyboardInterrupt):
        mailing.run(rounds=1)
    assert read(get_email, ID).state == "intended"
    # Meanwhile the report is revised: the e-mail that may be out already must not change.
    mailing.mailer = mailer(mailbox.port)
    mailing.add(revision=2)
    mailing.run()
    retry_due(mailing)
    first, second = mailbox.messages
    assert first.content == second.content
    assert read(get_email, ID).state == "sent"
    assert read(get_email, ID).attempts == 2


def test_a_connection_lost_before_the_answer_repeats_the_very_same_message(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.data = ["drop"]
    mailing.add()
    mailing.run(rounds=2)
    assert read(get_email, ID).state == "intended"
    retry_due(mailing)
    first, second = mailbox.messages
    assert first.content == second.content
    assert read(get_email, ID).state == "sent"


def test_a_temporary_error_is_retried_and_its_reason_is_visible(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.data = ["451 try again later"]
    mailing.add()
    mailing.run(rounds=2)
    (job,) = mailing.jobs("reports.email")
    assert job.state is JobState.QUEUED
    assert job.error is not None
    assert "451 try again later" in job.error.message
    assert read(get_email, ID).error == job.error.message
    retry_due(mailing)
    assert mailing.states("reports.email") == [JobState.DONE]
    assert len(mailbox.messages) == 1


def test_a_permanent_error_fails_the_job_with_its_reason(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.data = ["554 message refused\x1b[31m"]
    mailing.add()
    mailing.run()
    (job,) = mailing.jobs("reports.email")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.attempts) == ("MAIL_REFUSED", 1)
    assert "554 message refused" in job.error.message
    assert "\x1b" not in job.error.message
    assert read(get_email, ID).state == "failed"


def test_recipients_can_be_corrected_and_the_e_mail_retried(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.rcpt = {A: "550 unknown", B: "550 unknown"}
    mailing.add()
    mailing.run()
    (job,) = mailing.jobs("reports.email")
    assert job.state is JobState.FAILED
    before = read(get_email, ID).message_id
    mailing.policy = replace(POLICY, recipients=("c@example.org",))
    mailing.ledger.retry(job.id)
    mailing.run()
    assert [message.recipients for message in mailbox.messages] == [["c@example.org"]]
    assert message_ids(mailbox.messages) == {before}


def test_a_recipient_refused_for_good_is_recorded_and_the_others_get_it(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.rcpt = {B: "550 no such user"}
    mailing.add()
    mailing.run()
    stored = read(get_email, ID)
    assert (stored.state, stored.accepted) == ("sent", [A])
    assert stored.refused == {B: "550 no such user"}
    assert mailing.states("reports.email") == [JobState.DONE]


def test_a_deferred_recipient_gets_it_later_and_the_others_not_twice(
    mailing: Harness, mailbox: Mailbox, read: Read
) -> None:
    mailbox.rcpt = {B: "450 greylisted"}
    mailing.add()
    mailing.run(rounds=2)
    assert read(get_email, ID).state == "intended"
    mailbox.rcpt = {}
    retry_due(mailing)
    assert [message.recipients for message in mailbox.messages] == [[A], [B]]
    assert mailbox.messages[0].content == mailbox.messages[1].content
    assert read(get_email, ID).accepted == [A, B]
    assert read(get_email, ID).state == "sent"


def test_a_server_that_stays_down_leaves_a_failed_job_and_e_mail(
    mailing: Harness, read: Read
) -> None:
    mailing.mailer = mailer(1)
    mailing.add()
    mailing.run(rounds=2)
    for _ in range(40):
        retry_due(mailing)
    (job,) = mailing.jobs("reports.email")
    assert (job.state, job.attempts) == (JobState.FAILED, job.max_attempts)
    assert read(get_email, ID).state == "failed"
    assert "does not answer" in read(get_email, ID).error


def test_a_changed_pdf_is_not_mailed(mailing: Harness, mailbox: Mailbox) -> None:
    mailing.add()
    mailing.run(rounds=1)
    mailing.store.objects[f"reports/{ID}.pdf"] = b"%PDF-1.4 forged"
    mailing.run()
    (job,) = mailing.jobs("reports.email")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "has been changed" in job.error.message
    assert mailbox.messages == []


def test_an_e_mail_job_after_e_mail_was_switched_off_says_what_to_set(mailing: Harness) -> None:
    mailing.add()
    mailing.run(rounds=1)
    mailing.policy = mailing.mailer = None
    mailing.run()
    (job,) = mailing.jobs("reports.email")
    assert job.error is not None
    assert "set SMTP_URL" in job.error.message


def test_a_digest_is_mailed_once(mailing: Harness, mailbox: Mailbox, read: Read) -> None:
    mailing.policy = replace(POLICY, mode="daily")
    mailing.add()
    mailing.run()
    assert mailbox.messages == []
    retry_due(mailing, 86_400)
    mailing.run()
    (message,) = mailbox.messages
    assert "Daily safety digest" in str(message_from_bytes(message.content, policy=SMTP)["Subject"])
    assert read(get_email, "digest-2026-11-02").state == "sent"


# ---- the connection ----


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


def send(port: int, scheme: str, credentials: str = "") -> Delivery:
    with mailer(port, scheme, credentials).session() as session:
        return session.send("h@example.org", [A], b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize(("scheme", "implicit"), [("smtp+starttls", False), ("smtps", True)])
def test_tls_is_spoken_with_a_trusted_server(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, implicit: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(certificate=certificate, implicit_tls=implicit) as mailbox:
        assert send(mailbox.port, scheme).accepted == (A,)
        assert mailbox.messages[0].over_tls


@pytest.mark.parametrize(("scheme", "implicit"), [("smtp+starttls", False), ("smtps", True)])
def test_an_untrusted_certificate_is_refused(
    certificate: Path, scheme: str, implicit: bool
) -> None:
    with (
        smtp_server(certificate=certificate, implicit_tls=implicit) as mailbox,
        pytest.raises(MailRefused, match="not trusted"),
    ):
        send(mailbox.port, scheme)


def test_a_required_starttls_that_is_not_offered_is_an_error(mailbox: Mailbox) -> None:
    with pytest.raises(MailRefused, match="cannot do what is needed"):
        send(mailbox.port, "smtp+starttls")
    assert mailbox.messages == []


def test_a_log_in_works_and_a_wrong_password_is_permanent() -> None:
    with smtp_server(password="secret") as mailbox:
        assert send(mailbox.port, "smtp", "user:secret@").accepted == (A,)
        with pytest.raises(MailRefused, match="535"):
            send(mailbox.port, "smtp", "user:wrong@")


def test_an_unreachable_server_is_retried() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        send(1, "smtp")
