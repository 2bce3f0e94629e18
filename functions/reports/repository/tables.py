"""The tables of reports."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

reports = Table(
    "reports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("camera_id", Text, nullable=False),
    Column("zone", Text),
    Column("site", JsonText, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("classes", JsonText, nullable=False),
    Column("narrative", JsonText, nullable=False),
    Column("narrative_source", Text, nullable=False),
    Column("pdf_key", Text, nullable=False),
    Column("pdf_sha256", Text, nullable=False),
    Column("digest_date", Text),
    Column("digested_at", UtcDateTime),
    Column("task_id", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Null in reports of earlier releases.
    Column("clip_key", Text),
    Column("continuations", Integer),
    Column("persons_seen", Integer),
    Column("review", Text),
    Column("review_reason", Text),
    Column("reviewed_by", Text),
    Column("reviewed_at", UtcDateTime),
    Index("ix_reports_last_seen_id", "last_seen", "id"),
    Index("ix_reports_camera_id_last_seen_id", "camera_id", "last_seen", "id"),
    Index("ix_reports_digest_date", "digest_date"),
)
"""One row a report; `digest_date` is the local date of the digest that shall list it."""

narratives = Table(
    "report_narratives",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("narrative", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""Texts of language models, stored before they are printed, so that two workers print the same."""

digests = Table(
    "report_digests",
    metadata,
    Column("digest_date", Text, primary_key=True),
    Column("content", JsonText, nullable=False),
    Column("pdf_key", Text),
    Column("pdf_sha256", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

emails = Table(
    "report_emails",
    metadata,
    Column("id", Text, primary_key=True),
    Column("report_id", Text),
    Column("digest_date", Text),
    Column("message_id", Text, nullable=False),
    Column("content", JsonText, nullable=False),
    Column("state", Text, nullable=False),
    Column("accepted", JsonText, nullable=False),
    Column("refused", JsonText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("intended_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("uq_report_emails_message_id", "message_id", unique=True),
)
"""One row an e-mail, written before the SMTP conversation: `intended`, then `sent` or `failed`."""


@dataclass(frozen=True)
class PdfFile:
    """The S3 key of a PDF, and the SHA-256 of its bytes in hex."""

    key: str
    sha256: str
