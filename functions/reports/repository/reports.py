"""Reports and their narratives. Every function takes the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select, tuple_, update

from functions.reports.repository.tables import PdfFile, narratives, reports
from functions.reports.schemas import IncidentEvent, Narrative
from hearth.db import insert_for


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
    task_id: str | None
    created_at: datetime
    updated_at: datetime
    clip_key: str | None
    continuations: int | None
    persons_seen: int | None
    review: str | None
    review_reason: str | None
    reviewed_by: str | None
    reviewed_at: datetime | None


def save_report(
    tx: Connection,
    event: IncidentEvent,
    narrative: Narrative,
    pdf: PdfFile,
    digest_date: str | None,
    now: datetime,
) -> bool:
    """Insert the report, or replace an equal or older revision; False when a newer one is there.

    A replacement keeps `created_at`, the task and the digest that the report belongs to.
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
        "task_id": None,
        "created_at": now,
        "updated_at": now,
        "clip_key": event.evidence.clip_key if event.evidence else None,
        "continuations": len(event.continuations),
        "persons_seen": event.persons_seen,
        "review": event.review.verdict if event.review else None,
        "review_reason": event.review.reason if event.review else None,
        "reviewed_by": event.review.reviewed_by if event.review else None,
        "reviewed_at": event.review.reviewed_at if event.review else None,
    }
    kept = {"id", "digest_date", "digested_at", "task_id", "created_at"}
    statement = insert_for(tx.dialect.name)(reports)
    saved = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in row if name not in kept},
            where=reports.c.revision <= statement.excluded.revision,
        ).returning(reports.c.id),
        row,
    )
    return saved.scalar_one_or_none() is not None


def link_task(tx: Connection, report_id: str, task_id: str) -> bool:
    """Record the task that corrects a report, unless an older one (by its id) is recorded.

    The result does not depend on the order of events. False when the report does not exist.
    """
    older = or_(reports.c.task_id.is_(None), reports.c.task_id > task_id)
    tx.execute(update(reports).where(reports.c.id == report_id, older).values(task_id=task_id))
    known = tx.execute(select(reports.c.id).where(reports.c.id == report_id))
    return known.scalar_one_or_none() is not None


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


def store_narrative(
    tx: Connection, report_id: str, revision: int, narrative: Narrative, now: datetime
) -> Narrative:
    """Store the narrative unless there is one; return the stored one."""
    tx.execute(
        insert_for(tx.dialect.name)(narratives).on_conflict_do_nothing(),
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
