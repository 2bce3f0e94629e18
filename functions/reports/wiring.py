"""Puts the parts of the queue function together; what is not configured is not imported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.reports.correspondence import MailPolicy
from functions.reports.mailroom import Mailroom
from functions.reports.service import ReportService
from functions.reports.settings import Settings
from functions.reports.writer import NarrativeWriter
from hearth.bootstrap import Platform
from hearth_llm.wiring import build_chain


def build(settings: Settings, platform: Platform) -> tuple[ReportService, Mailroom]:
    """What makes reports, and what e-mails them."""
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
    service = ReportService(
        platform.db,
        platform.store,
        settings.bucket,
        zone,
        NarrativeWriter(zone, build_chain(settings, platform.db), settings.llm_budget_s),
        policy,
    )
    return service, Mailroom(platform.db, platform.store, zone, policy, mailer)
