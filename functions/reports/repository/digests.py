"""The table of digests: the reports of a day, fixed once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from functions.reports.repository.tables import PdfFile, digests, reports
from functions.reports.schemas import Digest, DigestEntry
from hearth.db import insert_for

MAX_DIGEST_ENTRIES = 500


def is_digest_closed(tx: Connection, digest_date: str) -> bool:
    query = select(digests.c.digest_date).where(digests.c.digest_date == digest_date)
    return tx.execute(query).one_or_none() is not None


def close_digest(tx: Connection, digest_date: str, now: datetime) -> Digest:
    """Fix the content of a digest; a second call returns the content that the first one fixed.

    Lists the reports of this date or an earlier one that no digest has listed: a report that was
    committed while its digest was closed is in the next one.
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
        insert_for(tx.dialect.name)(digests),
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
