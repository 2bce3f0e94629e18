"""Puts the parts of the queue function together; what is not configured is not imported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.reports.chat import Chat
from functions.reports.correspondence import MailPolicy
from functions.reports.mailroom import Mailroom
from functions.reports.service import ReportService
from functions.reports.settings import BEDROCK, Settings
from functions.reports.writer import NarrativeWriter
from hearth.bootstrap import Platform


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
        _writer(settings, platform, zone),
        policy,
    )
    return service, Mailroom(platform.db, platform.store, zone, policy, mailer)


def _writer(settings: Settings, platform: Platform, zone: ZoneInfo) -> NarrativeWriter:
    if not settings.llm_base_url:
        return NarrativeWriter(zone)
    from functions.reports.breaker import CircuitBreaker

    breaker = CircuitBreaker(platform.db, f"{settings.llm_base_url} {settings.llm_model}")
    return NarrativeWriter(zone, _chat(settings), breaker, settings.llm_budget_s)


def _chat(settings: Settings) -> Chat:
    if settings.llm_base_url == BEDROCK:
        from functions.reports.bedrock import BedrockChat
        from hearth.aws import client

        # The budget bounds all attempts together, and BedrockChat makes them.
        runtime = client("bedrock-runtime", read_timeout_s=settings.llm_budget_s, max_attempts=1)
        return BedrockChat(runtime, settings.llm_model, settings.llm_temperature)
    import httpx

    from functions.reports.llm import OpenAiChat

    return OpenAiChat(
        httpx.Client(),
        settings.llm_base_url,
        settings.llm_model,
        settings.llm_api_key.get_secret_value(),
        settings.llm_temperature,
    )
