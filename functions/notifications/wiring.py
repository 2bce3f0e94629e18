"""Puts the parts of the queue function together; what no channel needs is not imported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.notifications.channels import Kind
from functions.notifications.senders import Sender
from functions.notifications.sending import Postman
from functions.notifications.service import Notifier, Rules
from functions.notifications.settings import Settings
from hearth.bootstrap import Platform


def build(settings: Settings, platform: Platform) -> tuple[Notifier, Postman]:
    """What decides, and what sends."""
    rules = Rules(
        settings.cooldown, settings.notification_burst, settings.quiet, settings.record_retention
    )
    zone = ZoneInfo(settings.timezone)
    notifier = Notifier(platform.db, settings.channels, rules, zone, settings.site_name)
    return notifier, Postman(platform.db, settings.channels, senders(settings))


def senders(settings: Settings) -> dict[Kind, Sender]:
    """A sender for each kind of channel that is configured."""
    kinds = {channel.kind for channel in settings.channels}
    found: dict[Kind, Sender] = {}
    if kinds & {"slack", "discord", "webhook"}:
        from functions.notifications.senders.webhook import WebhookSender

        found |= dict.fromkeys(("slack", "discord", "webhook"), WebhookSender())
    if "mqtt" in kinds:
        from functions.notifications.senders.mqtt import MqttSender

        found["mqtt"] = MqttSender()
    if "mail" in kinds and settings.smtp is not None:
        from functions.notifications.senders.mail import MailSender
        from hearth.mail import SmtpMailer

        found["mail"] = MailSender(SmtpMailer(settings.smtp, timeout_s=5), settings.email_from)
    return found
