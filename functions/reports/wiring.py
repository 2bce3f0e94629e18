"""Composition root of the queue function; what is not configured is not imported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.reports.email_content import MailPolicy
from functions.reports.email_delivery import EmailDelivery
from functions.reports.handler import make_handler
from functions.reports.settings import Settings
from functions.reports.worker import ReportWorker
from functions.reports.writer import NarrativeWriter
from hearth.bootstrap import Platform
from hearth.ledger.consumer import Consumer
from hearth_llm.wiring import build_chain


def build(settings: Settings, platform: Platform) -> Consumer:
    """Build the handler, with e-mail and a language model where they are configured."""
    zone = ZoneInfo(settings.timezone)
    policy = mailer = None
    if settings.smtp is not None:
        from hearth.mail import SmtpMailer

        mailer = SmtpMailer(settings.smtp)
        policy = MailPolicy(
            settings.email_from,
            settings.email_to,
            settings.email_report_mode,
            settings.daily_report_time,
        )
    worker = ReportWorker(
        platform.db,
        platform.store,
        settings.bucket,
        zone,
        NarrativeWriter(zone, build_chain(settings, platform.db), settings.llm_budget_s),
        policy,
    )
    delivery = EmailDelivery(platform.db, platform.store, zone, policy, mailer)
    return make_handler(platform.ledger, worker, delivery)
