"""Composition root of the queue function; what no channel needs is not imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from functions.notifications.channels import Kind
from functions.notifications.delivery import MessageDelivery
from functions.notifications.handler import make_handler
from functions.notifications.senders import Sender
from functions.notifications.settings import Settings
from functions.notifications.stored_channels import ChannelDirectory
from functions.notifications.worker import NotificationPlanner, Rules
from hearth.bootstrap import Platform
from hearth.ledger.consumer import Consumer

MAX_IMAGE_BYTES: Final = 8_000_000
"""Less than mail servers and Discord (10 MB) take."""


def build(settings: Settings, platform: Platform) -> Consumer:
    """Build the handler."""
    rules = Rules(
        settings.cooldown, settings.notification_burst, settings.quiet, settings.record_retention
    )
    zone = ZoneInfo(settings.timezone)
    channels = ChannelDirectory(settings.channels, platform.ledger)
    planner = NotificationPlanner(platform.db, channels, rules, zone, settings.site_name)
    sender_of = senders(settings)
    for channel in settings.channels:
        sender_of(channel.kind)  # what is configured is imported at start, not by an invocation

    def load_image(key: str) -> bytes:
        return platform.store.get(key, MAX_IMAGE_BYTES)

    delivery = MessageDelivery(platform.db, channels, sender_of, load_image=load_image)
    return make_handler(platform.ledger, planner, delivery)


def senders(settings: Settings) -> Callable[[Kind], Sender | None]:
    """What gives the sender of a kind, made on first use; None for e-mail without a server."""

    @cache
    def sender_of(kind: Kind) -> Sender | None:
        match kind:
            case "mqtt":
                from functions.notifications.senders.mqtt import MqttSender

                return MqttSender()
            case "mail":
                if settings.smtp is None or not settings.email_from:
                    return None
                from functions.notifications.senders.mail import MailSender
                from hearth.mail import SmtpMailer

                return MailSender(SmtpMailer(settings.smtp, timeout_s=5), settings.email_from)
            case _:
                from functions.notifications.senders.webhook import WebhookSender

                return WebhookSender()

    return sender_of
