"""What the API reads: reports and their PDFs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from functions.reports.repository import emails, reports
from functions.reports.schemas import EmailState, ReportDetail, ReportPage, ReportSummary
from hearth.errors import Conflict, NotFound
from hearth.ids import format_time, parse_time
from hearth.paging import check_limit, decode_cursor, page
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.reports.repository.emails import EmailRow
    from functions.reports.repository.reports import ReportRow
    from hearth.db import Database

# A Lambda response has at most 6 MB, and a binary body is encoded in Base64.
MAX_PDF_BYTES = 4_300_000


class ReportQueries:
    """Reads reports and their PDFs."""

    def __init__(self, db: Database, store: ObjectStore) -> None:
        self._db = db
        self._store = store

    def list(
        self,
        *,
        limit: int = 20,
        cursor: str | None = None,
        camera_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> ReportPage:
        """List reports, newest incident first; `since` is inclusive, `until` exclusive.

        Raises:
            InvalidInput: `limit` is not within 1..100, or the cursor is not valid.
        """
        check_limit(limit)
        before = None
        if cursor is not None:
            when, report_id = decode_cursor(cursor, 2)
            before = (parse_time(when), report_id)
        found = self._db.read(
            lambda tx: reports.list_reports(
                tx, limit=limit + 1, camera_id=camera_id, since=since, until=until, before=before
            )
        )
        shown, next_cursor = page(found, limit, lambda row: (format_time(row.last_seen), row.id))
        return ReportPage(
            reports=[ReportSummary.model_validate(asdict(row)) for row in shown],
            next_cursor=next_cursor,
        )

    def get(self, report_id: str) -> ReportDetail:
        """Return one report.

        Raises:
            NotFound: The report does not exist.
        """

        def read(tx: Connection) -> tuple[ReportRow, EmailRow | None]:
            return _get_report(tx, report_id), emails.get_email(tx, report_id)

        report, email = self._db.read(read)
        return ReportDetail.model_validate(
            {**asdict(report), "email": None if email is None else _email(email)}
        )

    def pdf_sha256(self, report_id: str) -> str:
        """Return the SHA-256 of the report's PDF, in hex.

        Raises:
            NotFound: The report does not exist.
        """
        return self._db.read(lambda tx: _get_report(tx, report_id)).pdf_sha256

    def pdf(self, report_id: str) -> tuple[bytes, str]:
        """Return the PDF's bytes and their SHA-256 in hex.

        Raises:
            NotFound: The report or its file does not exist.
            Conflict: The file has been changed since it was stored.
            TooLarge: The file does not fit into a Lambda response; fetch it from S3.
        """
        report = self._db.read(lambda tx: _get_report(tx, report_id))
        data = self._store.get(report.pdf_key, MAX_PDF_BYTES)
        if hashlib.sha256(data).hexdigest() != report.pdf_sha256:
            raise Conflict(f"{report.pdf_key} has been changed since the report was filed")
        return data, report.pdf_sha256


def _get_report(tx: Connection, report_id: str) -> ReportRow:
    report = reports.get_report(tx, report_id)
    if report is None:
        raise NotFound(f"report {report_id[:80]!r} does not exist")
    return report


def _email(row: EmailRow) -> EmailState:
    return EmailState.model_validate({**asdict(row), "recipients": row.content["recipients"]})
