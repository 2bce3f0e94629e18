"""Tables and queries of `reports`. Every function takes the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from functions.reports.schemas import Digest, DigestEntry, IncidentEvent, Narrative
from hearth.db import JsonText, UtcDateTime

MAX_DIGEST_ENTRIES = 500

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
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
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
"""What a language model wrote, before it is printed: two workers then print the same."""

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

breakers = Table(
    "report_circuit_breakers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened_at", UtcDateTime),
    Column("probe_until", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True)
class ReportRow:
    """One report as it is stored."""

    id: str
    incident_id: str
    revision: int
    camera_id: str
    zone: str | None
    site: dict[str, str]
    first_seen: datetime
    last_seen: datetime
    classes: list[str]
    narrative: dict[str, Any]
    narrative_source: str
    pdf_key: str
    pdf_sha256: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class PdfFile:
    """Where a PDF lies, and the SHA-256 of its bytes in hex."""

    key: str
    sha256: str


def insert_into(tx: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert of the engine at hand, which knows ON CONFLICT."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)


# ---- reports ----


def save_report(
    tx: Connection,
    event: IncidentEvent,
    narrative: Narrative,
    pdf: PdfFile,
    digest_date: str | None,
    now: datetime,
) -> bool:
    """Insert the report, or replace an equal or older revision; False when a newer one is there.

    A replacement keeps `created_at` and the digest that the report belongs to.
    """
    row: dict[str, Any] = {
        "id": event.incident_id,
        "incident_id": event.incident_id,
        "revision": event.revision,
        "camera_id": event.camera_id,
        "zone": event.zone,
        "site": event.site.model_dump(),
        "first_seen": event.first_seen,
        "last_seen": event.last_seen,
        "classes": sorted({violation.class_name for violation in event.violations}),
        "narrative": narrative.model_dump(mode="json"),
        "narrative_source": narrative.source,
        "pdf_key": pdf.key,
        "pdf_sha256": pdf.sha256,
        "digest_date": digest_date,
        "digested_at": None,
        "created_at": now,
        "updated_at": now,
    }
    kept = {"id", "digest_date", "digested_at", "created_at"}
    statement = insert_into(tx, reports)
    saved = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in row if name not in kept},
            where=reports.c.revision <= statement.excluded.revision,
        ).returning(reports.c.id),
        row,
    )
    return saved.scalar_one_or_none() is not None


def get_report(tx: Connection, report_id: str) -> ReportRow | None:
    found = tx.execute(select(reports).where(reports.c.id == report_id)).one_or_none()
    return None if found is None else _report(found)


def get_reports(tx: Connection, ids: Collection[str]) -> dict[str, ReportRow]:
    """The reports among `ids` that exist."""
    rows = tx.execute(select(reports).where(reports.c.id.in_(ids))).all()
    return {row.id: _report(row) for row in rows}


def list_reports(
    tx: Connection,
    *,
    limit: int,
    camera_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[ReportRow]:
    """Reports, newest incident first.

    Args:
        tx: Transaction.
        limit: At most this many.
        camera_id: Of this camera only.
        since: Last seen at or after.
        until: Last seen before.
        before: (last_seen, id) of the last report of the page before.
    """
    query = select(reports).order_by(reports.c.last_seen.desc(), reports.c.id.desc()).limit(limit)
    if camera_id is not None:
        query = query.where(reports.c.camera_id == camera_id)
    if since is not None:
        query = query.where(reports.c.last_seen >= since)
    if until is not None:
        query = query.where(reports.c.last_seen < until)
    if before is not None:
        when, report_id = before
        query = query.where(
            or_(
                reports.c.last_seen < when,
                (reports.c.last_seen == when) & (reports.c.id < report_id),
            )
        )
    return [_report(row) for row in tx.execute(query).all()]


def _report(row: Row[Any]) -> ReportRow:
    mapping = row._mapping
    return ReportRow(**{name: mapping[name] for name in ReportRow.__dataclass_fields__})


# ---- narratives of language models ----


def keep_narrative(
    tx: Connection, report_id: str, revision: int, narrative: Narrative, now: datetime
) -> Narrative:
    """Store the narrative unless there is one; returns the one that counts."""
    tx.execute(
        insert_into(tx, narratives).on_conflict_do_nothing(),
        {
            "report_id": report_id,
            "revision": revision,
            "narrative": narrative.model_dump(mode="json"),
            "created_at": now,
        },
    )
    # Under snapshot isolation the row of a concurrent insert may not be visible yet.
    return get_narratives(tx, [(report_id, revision)]).get((report_id, revision), narrative)


def get_narratives(
    tx: Connection, keys: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], Narrative]:
    """Stored narratives by (report id, revision)."""
    if not keys:
        return {}
    rows = tx.execute(
        select(narratives).where(tuple_(narratives.c.report_id, narratives.c.revision).in_(keys))
    ).all()
    return {(row.report_id, row.revision): Narrative.model_validate(row.narrative) for row in rows}


# ---- digests ----


def digest_is_closed(tx: Connection, digest_date: str) -> bool:
    query = select(digests.c.digest_date).where(digests.c.digest_date == digest_date)
    return tx.execute(query).one_or_none() is not None


def close_digest(tx: Connection, digest_date: str, now: datetime) -> Digest:
    """Fix what the digest says; a second call returns what the first one fixed.

    Lists the reports assigned to this date or an earlier one that no digest has listed: a report
    that was committed while its digest was closed is in the next one.
    """
    closed = tx.execute(
        select(digests.c.content).where(digests.c.digest_date == digest_date)
    ).scalar_one_or_none()
    if closed is not None:
        return Digest.model_validate(closed)
    mine = reports.c.digest_date.is_not(None) & (reports.c.digest_date <= digest_date)
    rows = tx.execute(
        select(
            reports.c.id,
            reports.c.camera_id,
            reports.c.site,
            reports.c.first_seen,
            reports.c.last_seen,
            reports.c.classes,
        )
        .where(mine, reports.c.digested_at.is_(None))
        .order_by(reports.c.last_seen, reports.c.id)
    ).all()
    by_class: dict[str, int] = {}
    by_camera: dict[str, int] = {}
    for row in rows:
        by_camera[row.camera_id] = by_camera.get(row.camera_id, 0) + 1
        for name in row.classes:
            by_class[name] = by_class.get(name, 0) + 1
    digest = Digest(
        digest_date=digest_date,
        closed_at=now,
        total=len(rows),
        by_class=dict(sorted(by_class.items())),
        by_camera=dict(sorted(by_camera.items())),
        entries=tuple(
            DigestEntry(
                report_id=row.id,
                camera_id=row.camera_id,
                site_name=row.site.get("site_name", ""),
                first_seen=row.first_seen,
                last_seen=row.last_seen,
                classes=tuple(row.classes),
            )
            for row in rows[-MAX_DIGEST_ENTRIES:]
        ),
    )
    tx.execute(
        insert_into(tx, digests),
        {
            "digest_date": digest_date,
            "content": digest.model_dump(mode="json"),
            "pdf_key": None,
            "pdf_sha256": None,
            "created_at": now,
        },
    )
    tx.execute(update(reports).where(mine, reports.c.digested_at.is_(None)).values(digested_at=now))
    return digest


def save_digest_pdf(tx: Connection, digest_date: str, pdf: PdfFile) -> None:
    tx.execute(
        update(digests)
        .where(digests.c.digest_date == digest_date)
        .values(pdf_key=pdf.key, pdf_sha256=pdf.sha256)
    )


def get_digest(tx: Connection, digest_date: str) -> tuple[Digest, PdfFile | None] | None:
    row = tx.execute(select(digests).where(digests.c.digest_date == digest_date)).one_or_none()
    if row is None:
        return None
    pdf = None if row.pdf_key is None else PdfFile(row.pdf_key, row.pdf_sha256)
    return Digest.model_validate(row.content), pdf


def count_reports(tx: Connection) -> int:
    return tx.execute(select(func.count()).select_from(reports)).scalar_one()
