"""`/api/v1/cameras` and `/api/v1/incidents` over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query, Response
from pydantic import BaseModel, Field

from functions.detection.cameras import CAMERAS
from functions.detection.judging.rekognition import EquipmentType, ProtectiveEquipmentOut
from functions.detection.policy import NAME
from functions.detection.schemas import (
    CameraPage,
    IncidentDetailOut,
    IncidentPage,
    IncidentQuery,
    PersonsOut,
    ReviewIn,
)
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require
from hearth.http.conditional import EntityTag, IfNoneMatch, not_modified
from hearth.ids import ULID_PATTERN
from hearth.resource.routes import resource_routes

if TYPE_CHECKING:
    from functions.detection.queries import Queries

CameraId = Annotated[str, Path(pattern=NAME)]
CapturedAt = Annotated[
    str,
    Path(
        pattern=r"^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z$",
        description="As in the frame's key: 20261102T073000.000000Z.",
    ),
]
IncidentId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


class EquipmentQuery(BaseModel):
    """As Rekognition's SummarizationAttributes."""

    min_confidence: float = Field(
        50, ge=50, le=100, description="Of people, parts and equipment that the summary counts."
    )
    required: list[EquipmentType] = Field(
        ["HEAD_COVER"], max_length=3, description="What a person needs."
    )


def create_app(queries: Queries) -> FastAPI:
    """The HTTP application of detection."""
    router = Router(prefix="/api/v1", tags=["detection"])

    @router.get("/cameras", dependencies=[require("cameras:read")])
    async def list_cameras() -> CameraPage:
        return queries.list_cameras()

    @router.get(
        "/cameras/{camera_id}/snapshot",
        dependencies=[require("incidents:read")],
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    async def get_snapshot(camera_id: CameraId) -> Response:
        """The latest judged image with the policy's zones drawn on it, faces blurred."""
        headers = {"Cache-Control": "private, no-store"}
        return Response(queries.draw_snapshot(camera_id), media_type="image/jpeg", headers=headers)

    @router.get("/incidents", dependencies=[require("incidents:read")])
    async def list_incidents(query: Annotated[IncidentQuery, Query()]) -> IncidentPage:
        return queries.list_incidents(query)

    @router.get("/incidents/{incident_id}", dependencies=[require("incidents:read")])
    async def get_incident(incident_id: IncidentId) -> IncidentDetailOut:
        return queries.get_incident(incident_id)

    @router.get(
        "/incidents/{incident_id}/evidence",
        dependencies=[require("incidents:read")],
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not modified"}},
    )
    async def get_evidence(incident_id: IncidentId, if_none_match: IfNoneMatch = None) -> Response:
        evidence, jpeg = queries.get_evidence(incident_id)
        tag = EntityTag(evidence.sha256)
        headers = {"Cache-Control": "private, no-cache"}
        if same := not_modified(if_none_match, tag, headers):
            return same
        return Response(jpeg, media_type="image/jpeg", headers={**headers, "ETag": str(tag)})

    @router.get(
        "/incidents/{incident_id}/clip",
        dependencies=[require("incidents:read")],
        response_class=Response,
        responses={200: {"content": {"image/gif": {}}}, 304: {"description": "Not modified"}},
    )
    async def get_clip(incident_id: IncidentId, if_none_match: IfNoneMatch = None) -> Response:
        sha256, gif = queries.get_clip(incident_id)
        tag = EntityTag(sha256)
        headers = {"Cache-Control": "private, no-cache"}
        if same := not_modified(if_none_match, tag, headers):
            return same
        return Response(gif, media_type="image/gif", headers={**headers, "ETag": str(tag)})

    @router.post("/incidents/{incident_id}/review")
    async def review_incident(
        principal: Annotated[Principal, require("incidents:write")],
        incident_id: IncidentId,
        review: ReviewIn,
    ) -> IncidentDetailOut:
        return queries.get_incident(queries.reviews.review(incident_id, review, principal))

    @router.get("/incidents/{incident_id}/persons", dependencies=[require("incidents:read")])
    async def list_persons(incident_id: IncidentId) -> PersonsOut:
        return queries.list_persons(incident_id)

    @router.get(
        "/incidents/{incident_id}/protective-equipment", dependencies=[require("incidents:read")]
    )
    async def get_incident_equipment(
        incident_id: IncidentId, query: Annotated[EquipmentQuery, Query()]
    ) -> ProtectiveEquipmentOut:
        return queries.get_incident_equipment(incident_id, query.min_confidence, query.required)

    @router.get(
        "/cameras/{camera_id}/frames/{captured_at}/protective-equipment",
        dependencies=[require("incidents:read")],
    )
    async def get_frame_equipment(
        camera_id: CameraId, captured_at: CapturedAt, query: Annotated[EquipmentQuery, Query()]
    ) -> ProtectiveEquipmentOut:
        return queries.get_frame_equipment(
            camera_id, captured_at, query.min_confidence, query.required
        )

    # The list also tells of cameras that send frames without a row.
    cameras = resource_routes(CAMERAS, lambda: queries.cameras, without=frozenset({"list"}))
    return create_http_app("Hearth detection", cameras, router)
