"""Composition root of the queue function; what no channel needs is not imported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.notifications.channels import Kind
from functions.notifications.delivery import MessageDelivery
from functions.notifications.handler import make_handler
from functions.notifications.senders import Sender
from functions.notifications.settings import Settings
from functions.notifications.worker import NotificationPlanner, Rules
from hearth.bootstrap import Platform
from hearth.ledger.consumer import Consumer


def build(settings: Settings, platform: Platform) -> Consumer:
    """Build the handler with a sender for each kind of channel that is configured."""
    rules = Rules(
        settings.cooldown, settings.notification_burst, settings.quiet, settings.record_retention
    )
    zone = ZoneInfo(settings.timezone)
    planner = NotificationPlanner(platform.db, settings.channels, rules, zone, settings.site_name)
    delivery = MessageDelivery(platform.db, settings.channels, build_senders(settings))
    return make_handler(platform.ledger, planner, delivery)


def build_senders(settings: Settings) -> dict[Kind, Sender]:
    """Build a sender for each kind of channel that is configured."""
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
