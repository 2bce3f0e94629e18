"""`/api/v1/reports`: reports and their PDFs over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query, Response
from pydantic import Field

from functions.reports.schemas import ReportDetail, ReportPage
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import require
from hearth.http.conditional import EntityTag, IfNoneMatch, not_modified
from hearth.http.query import PageQuery, TimeParameter

if TYPE_CHECKING:
    from functions.reports.queries import ReportQueries

ReportId = Annotated[str, Path(max_length=100, pattern=r"^[0-9A-Za-z_-]+$")]


class ReportQuery(PageQuery):
    """Query of the list of reports; times are those of the incidents' last observation."""

    camera_id: str | None = Field(None, max_length=100, pattern=r"^[^\x00]*$")
    since: TimeParameter | None = Field(None, alias="from", description="Inclusive, RFC 3339.")
    until: TimeParameter | None = Field(None, alias="to", description="Exclusive, RFC 3339.")


def create_app(queries: ReportQueries) -> FastAPI:
    """Build the HTTP application of reports."""
    router = Router(
        prefix="/api/v1/reports", tags=["reports"], dependencies=[require("reports:read")]
    )

    @router.get("")
    async def list_reports(query: Annotated[ReportQuery, Query()]) -> ReportPage:
        return queries.list(
            limit=query.limit,
            cursor=query.cursor,
            camera_id=query.camera_id,
            since=query.since,
            until=query.until,
        )

    @router.get("/{report_id}")
    async def get_report(report_id: ReportId) -> ReportDetail:
        return queries.get(report_id)

    @router.get("/{report_id}/pdf", response_class=Response)
    async def get_pdf(
        report_id: ReportId,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        tag = EntityTag(queries.pdf_sha256(report_id))
        # A revision changes the bytes, so a cached copy must be revalidated (RFC 9110, 13.1.2).
        headers = {"Cache-Control": "private, no-cache"}
        if (unchanged := not_modified(if_none_match, tag, headers)) is not None:
            return unchanged
        data, sha256 = queries.pdf(report_id)
        headers |= {
            "ETag": str(EntityTag(sha256)),
            "Content-Disposition": f'inline; filename="incident-{report_id}.pdf"',
        }
        return Response(data, media_type="application/pdf", headers=headers)

    return create_http_app("Hearth reports", router)
