"""Builds the bytes of an e-mail with a report, from the stored intent alone."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from pydantic import BaseModel, ConfigDict

from hearth.text import clean

_MAX_SUBJECT = 160


class EmailContent(BaseModel):
    """Everything that an e-mail's bytes are made of, besides the PDF with the given hash."""

    model_config = ConfigDict(frozen=True)

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    date: datetime
    pdf_key: str
    pdf_sha256: str
    filename: str


def build_message(content: EmailContent, message_id: str, pdf: bytes) -> bytes:
    """Build the e-mail as it is transmitted; the same arguments give the same bytes."""
    message = EmailMessage(policy=SMTP)
    message["From"] = content.sender
    message["To"] = ", ".join(content.recipients)
    message["Subject"] = clean(content.subject)[:_MAX_SUBJECT]
    message["Date"] = format_datetime(content.date)
    message["Message-ID"] = message_id
    # RFC 3834: no automatic answers to an automatic message.
    message["Auto-Submitted"] = "auto-generated"
    body = "\n".join(clean(line) for line in content.body.split("\n"))
    message.set_content(body, cte="quoted-printable")
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename=content.filename)
    # The library would choose a random boundary.
    message.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:40]}")
    return message.as_bytes()
