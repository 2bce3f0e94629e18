"""Sends messages as e-mails, in text and HTML."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol

from functions.notifications.channels import Channel
from functions.notifications.render import FOOTER, IMAGE_FOOTER, render_html, render_text
from functions.notifications.senders import ChannelRefused, Message
from hearth.errors import Unavailable
from hearth.mail import Delivery, MailRefused, message_id_for


class Session(Protocol):
    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery: ...


class Mailer(Protocol):
    """Delivers e-mails; `hearth.mail.SmtpMailer` is one."""

    def session(self) -> AbstractContextManager[Session]: ...


class MailSender:
    """Sends each message to one address, from `sender`."""

    def __init__(self, mailer: Mailer, sender: str) -> None:
        self._mailer = mailer
        self._sender = sender

    def send(self, channel: Channel, message: Message) -> str:
        to = str(channel.target)
        data = build_message(message, self._sender, to)
        try:
            with self._mailer.session() as session:
                delivery = session.send(self._sender, [to], data)
        except MailRefused as error:
            raise ChannelRefused(error.message) from error
        if delivery.refused:
            raise ChannelRefused(f"the mail server refused the address: {delivery.refused[to]}")
        if delivery.deferred:
            raise Unavailable(f"the mail server deferred: {delivery.deferred[to]}")
        return "the mail server took it"


def build_message(message: Message, sender: str, to: str) -> bytes:
    """Build the e-mail as it is transmitted; the same arguments give the same bytes."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = message.content.title
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = message_id_for(message.id, sender)
    # RFC 3834: no automatic answers to an automatic message.
    mail["Auto-Submitted"] = "auto-generated"
    footer = FOOTER if message.image is None else IMAGE_FOOTER
    mail.set_content(f"{render_text(message.content)}\n\n-- \n{footer}\n", cte="quoted-printable")
    html = render_html(message.content, footer)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    if message.image is not None:
        mail.add_attachment(message.image, "image", "jpeg", filename="evidence.jpg")
    # The library would choose random boundaries.
    digest = hashlib.sha256(message.id.encode()).hexdigest()
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{digest[number : number + 40]}")
    return mail.as_bytes()
