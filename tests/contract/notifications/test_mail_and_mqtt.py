"""E-mail through a real SMTP server, MQTT through a real Mosquitto."""

from __future__ import annotations

import json
import queue
import socket
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from urllib.parse import quote

import pytest

from functions.notifications.channels import parse_channel
from functions.notifications.schemas import EventSummary, MessageContent
from functions.notifications.senders import ChannelRefused, Message
from functions.notifications.senders.mail import MailSender, build_message
from functions.notifications.senders.mqtt import MqttSender
from hearth.errors import Unavailable
from hearth.mail import SmtpMailer, SmtpServer
from tests.support.daemons import free_port
from tests.support.mosquitto import PASSWORD, USER, mosquitto
from tests.support.smtp_server import Mailbox, self_signed, smtp_server

WHEN = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
TOLD = EventSummary(
    type="safety.violation.detected",
    id="1:1",
    subject="1",
    time=WHEN,
    title="No helmet at gate <b>",
    lines=("Seen: 2026-11-02 08:30 CET, for 5 s", "Grüße & mehr"),
    details={"camera_id": "gate"},
)
MESSAGE = Message(
    "01KASVZEBRY4C1W9T6P0X2K8M1",
    MessageContent(title=TOLD.title, total=1, events=(TOLD,)),
    WHEN,
)
OPS = parse_channel("mailto:ops@example.org")


def mail_sender(mailbox: Mailbox) -> MailSender:
    server = SmtpServer.from_url(f"smtp://127.0.0.1:{mailbox.port}")
    return MailSender(SmtpMailer(server, 5), "hearth@example.org")


def test_an_e_mail_carries_text_and_html_and_nothing_else() -> None:
    with smtp_server() as mailbox:
        mail_sender(mailbox).send(OPS, MESSAGE)
    [delivered] = mailbox.messages
    mail = message_from_bytes(delivered.content, policy=SMTP)
    assert isinstance(mail, EmailMessage)
    assert (delivered.recipients, mail["To"]) == (["ops@example.org"], "ops@example.org")
    assert mail["Subject"] == "No helmet at gate <b>"
    assert mail["Message-ID"] == f"<hearth.{MESSAGE.id}@example.org>"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "Grüße & mehr" in text.get_content()
    assert "No helmet at gate &lt;b&gt;" in html.get_content()
    assert "<img" not in html.get_content()


def test_the_same_message_gives_the_same_bytes() -> None:
    assert build_message(MESSAGE, "h@example.org", "a@example.org") == build_message(
        MESSAGE, "h@example.org", "a@example.org"
    )


@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such user", ChannelRefused), ("451 greylisted", Unavailable)]
)
def test_the_server_s_answer_about_the_address_decides(answer: str, error: type[Exception]) -> None:
    with smtp_server() as mailbox:
        mailbox.rcpt["ops@example.org"] = answer
        with pytest.raises(error, match=answer):
            mail_sender(mailbox).send(OPS, MESSAGE)


@pytest.mark.parametrize(
    ("answer", "error"), [("554 spam", ChannelRefused), ("452 full", Unavailable)]
)
def test_the_server_s_answer_about_the_message_decides(answer: str, error: type[Exception]) -> None:
    with smtp_server() as mailbox:
        mailbox.data = [answer]
        with pytest.raises(error, match=answer):
            mail_sender(mailbox).send(OPS, MESSAGE)


# ---- MQTT ----


def test_mqtt_receives_a_short_text_and_ids_for_automations(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        channel = parse_channel(f"mqtt://127.0.0.1:{broker.port}/hearth/alerts")
        said = MqttSender(5).send(channel, MESSAGE)
        topic, payload = broker.next()
    body = json.loads(payload)
    assert topic == "hearth/alerts"
    assert said == f"127.0.0.1:{broker.port} took it for hearth/alerts"
    assert (body["id"], body["type"]) == (MESSAGE.id, "safety.violation.detected")
    assert body["text"].startswith("No helmet at gate <b>\n")
    assert body["events"][0]["details"] == {"camera_id": "gate"}


def test_mqtt_logs_in_and_publishes_to_an_authorized_topic(tmp_path: Path) -> None:
    word = quote(PASSWORD, safe="")
    with mosquitto(tmp_path, password=True) as broker:
        place = f"{USER}:{word}@127.0.0.1:{broker.port}"
        MqttSender(5).send(parse_channel(f"mqtt://{place}/hearth/alerts"), MESSAGE)
        assert broker.next()[0] == "hearth/alerts"
        with pytest.raises(ChannelRefused, match="did not take the message: Not authorized"):
            MqttSender(5).send(parse_channel(f"mqtt://{place}/secret/alerts"), MESSAGE)
        with pytest.raises(queue.Empty):
            broker.heard.get_nowait()


def test_a_wrong_password_is_refused_and_not_disclosed(tmp_path: Path) -> None:
    with mosquitto(tmp_path, password=True) as broker:
        channel = parse_channel(f"mqtt://{USER}:hush@127.0.0.1:{broker.port}/hearth/alerts")
        with pytest.raises(ChannelRefused, match="did not let us in: Not authorized") as raised:
            MqttSender(5).send(channel, MESSAGE)
    assert "hush" not in f"{raised.value} {channel!r}"


# The library leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_mqtt_over_tls_rejects_an_untrusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with mosquitto(tmp_path, certificate=certificate) as broker:
        channel = parse_channel(f"mqtts://127.0.0.1:{broker.port}/hearth/alerts")
        with pytest.raises(ChannelRefused, match="is not trusted"):
            MqttSender(5).send(channel, MESSAGE)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        MqttSender(5).send(channel, MESSAGE)
        assert broker.next()[0] == "hearth/alerts"


def test_an_unavailable_broker_is_retried() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        MqttSender(1).send(parse_channel(f"mqtt://127.0.0.1:{free_port()}/t"), MESSAGE)


def test_a_silent_broker_is_retried() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(Unavailable, match="did not let us in within 1 s"):
            MqttSender(1).send(parse_channel(f"mqtt://127.0.0.1:{port}/t"), MESSAGE)
