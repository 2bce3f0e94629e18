"""The content of e-mails, built from stored rows and stored with the intent before sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from functions.reports.email_message import EmailContent
from functions.reports.guidance import guidance_for
from functions.reports.narrative import local_time
from functions.reports.schemas import Digest

if TYPE_CHECKING:
    from functions.reports.repository.reports import ReportRow

_NOTICE = (
    "Generated automatically and not verified: a competent person must compare the attached "
    "report with the evidence and sign it."
)


@dataclass(frozen=True)
class MailPolicy:
    """Sender, recipients and time of e-mails."""

    sender: str
    recipients: tuple[str, ...]
    mode: Literal["immediate", "daily"] = "immediate"
    daily_at: time = time(18, 0)


def next_digest_time(now: datetime, at: time, zone: ZoneInfo) -> tuple[str, datetime]:
    """Return the local date and UTC time of the next digest strictly after `now`.

    A local time that a change of daylight saving time skips or repeats has its first meaning.
    """
    local_date = now.astimezone(zone).date()
    while True:
        due = digest_time(local_date.isoformat(), at, zone)
        if due > now:
            return local_date.isoformat(), due
        local_date += timedelta(days=1)


def digest_time(date: str, at: time, zone: ZoneInfo) -> datetime:
    """Return the UTC time of the digest of a local date."""
    return datetime.combine(datetime.fromisoformat(date), at, tzinfo=zone).astimezone(UTC)


def incident_email(
    report: ReportRow, policy: MailPolicy, zone: ZoneInfo, now: datetime
) -> EmailContent:
    """Build the e-mail about one report, dated `now`."""
    titles = _titles(report.classes)
    site = ", ".join(part for part in (report.site.get("site_name"), report.camera_id) if part)
    return EmailContent(
        sender=policy.sender,
        recipients=policy.recipients,
        subject=f"Safety incident: {titles} at {site}, {local_time(report.last_seen, zone)}",
        body="\n".join(
            [
                report.narrative["summary"],
                "",
                f"Report: {report.id}, revision {report.revision}",
                f"Camera: {report.camera_id}" + (f", zone {report.zone}" if report.zone else ""),
                f"First seen: {local_time(report.first_seen, zone)}",
                f"Last seen: {local_time(report.last_seen, zone)}",
                f"Narrative by: {_author(report)}",
                "",
                _NOTICE,
                "",
            ]
        ),
        date=now,
        pdf_key=report.pdf_key,
        pdf_sha256=report.pdf_sha256,
        filename=f"incident-{report.id}.pdf",
    )


def digest_email(
    digest: Digest,
    pdf_key: str,
    pdf_sha256: str,
    policy: MailPolicy,
    now: datetime,
) -> EmailContent:
    """Build the e-mail with a day's digest, dated `now`."""
    counted = "1 report" if digest.total == 1 else f"{digest.total:,} reports"
    return EmailContent(
        sender=policy.sender,
        recipients=policy.recipients,
        subject=f"Daily safety digest {digest.digest_date}: {counted}",
        body="\n".join(
            [
                f"Incident reports: {digest.total:,}",
                "",
                *(f"{guidance_for(k).title}: {n:,}" for k, n in digest.by_class.items()),
                "",
                *(f"Camera {camera}: {n:,}" for camera, n in digest.by_camera.items()),
                "",
                _NOTICE,
                "",
            ]
        ),
        date=now,
        pdf_key=pdf_key,
        pdf_sha256=pdf_sha256,
        filename=f"digest-{digest.digest_date}.pdf",
    )


def _titles(classes: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(guidance_for(name).title.lower() for name in classes))


def _author(report: ReportRow) -> str:
    if report.narrative_source == "llm":
        return f"language model {report.narrative.get('model')}"
    return "rules"
