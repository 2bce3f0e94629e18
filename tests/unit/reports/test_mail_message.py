from __future__ import annotations

from datetime import UTC, datetime, time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.reports.email_content import next_digest_time
from functions.reports.email_message import EmailContent, build_message
from hearth.mail import message_id_for

WHEN = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
PDF = b"%PDF-1.4 not a real one"


def content(**changes: Any) -> EmailContent:
    return EmailContent.model_validate(
        {
            "sender": "hearth@example.org",
            "recipients": ("a@example.org", "b@example.org"),
            "subject": "Safety incident: no helmet at North Yard",
            "body": "Line one\nLine two\n",
            "date": WHEN,
            "pdf_key": "reports/x.pdf",
            "pdf_sha256": "a" * 64,
            "filename": "incident-x.pdf",
        }
        | changes
    )


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def test_the_message_contains_text_and_pdf() -> None:
    message = parsed(build_message(content(), "<hearth.x@example.org>", PDF))
    assert message["To"] == "a@example.org, b@example.org"
    assert message["Message-ID"] == "<hearth.x@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    body = message.get_body()
    assert body is not None
    assert body.get_content().split() == ["Line", "one", "Line", "two"]
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == PDF
    assert attachment.get_filename() == "incident-x.pdf"


def test_the_same_intent_gives_the_same_bytes() -> None:
    assert build_message(content(), "<m@x>", PDF) == build_message(content(), "<m@x>", PDF)


def test_the_message_id_depends_on_the_e_mail_alone() -> None:
    assert message_id_for("01X", "hearth@example.org") == "<hearth.01X@example.org>"


@given(subject=st.text(max_size=300), body=st.text(max_size=300))
def test_no_text_adds_a_header_or_breaks_the_message(subject: str, body: str) -> None:
    data = build_message(content(subject=subject, body=body), "<m@example.org>", PDF)
    message = parsed(data)
    assert sorted(set(message.keys())) == [
        "Auto-Submitted",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ]
    assert [part.get_content() for part in message.iter_attachments()] == [PDF]
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))


def test_a_subject_with_a_line_break_stays_one_header() -> None:
    message = parsed(build_message(content(subject="a\r\nBcc: x@y.z"), "<m@x>", PDF))
    assert message["Bcc"] is None
    assert message["Subject"] == "a  Bcc: x@y.z"


@pytest.mark.parametrize(
    ("now", "date", "due"),
    [
        ("2026-11-02T07:30:00+00:00", "2026-11-02", "2026-11-02T17:00:00+00:00"),
        ("2026-11-02T16:59:59+00:00", "2026-11-02", "2026-11-02T17:00:00+00:00"),
        ("2026-11-02T17:00:00+00:00", "2026-11-03", "2026-11-03T17:00:00+00:00"),
        ("2026-11-02T23:30:00+00:00", "2026-11-03", "2026-11-03T17:00:00+00:00"),
        ("2026-10-24T23:00:00+00:00", "2026-10-25", "2026-10-25T17:00:00+00:00"),
        ("2026-10-24T15:00:00+00:00", "2026-10-24", "2026-10-24T16:00:00+00:00"),
    ],
    ids=["morning", "just before", "at the hour", "after midnight", "clock set back", "summer"],
)
def test_the_next_digest_is_the_next_time_of_day_at_the_site(now: str, date: str, due: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = next_digest_time(datetime.fromisoformat(now).astimezone(UTC), time(18, 0), berlin)
    assert found == (date, datetime.fromisoformat(due))


def test_a_digest_time_that_daylight_saving_skips_occurs_once() -> None:
    # Berlin, 29 March 2026: 02:30 does not exist.
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    date, due = next_digest_time(before, time(2, 30), ZoneInfo("Europe/Berlin"))
    assert date == "2026-03-29"
    assert next_digest_time(due, time(2, 30), ZoneInfo("Europe/Berlin"))[0] == "2026-03-30"
