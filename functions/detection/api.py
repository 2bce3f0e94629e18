"""`/api/v1/cameras` and `/api/v1/incidents` over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, FastAPI, Header, Path, Query, Response
from pydantic import BaseModel, Field

from functions.detection.judging.rekognition import EquipmentType, ProtectiveEquipmentAnswer
from functions.detection.policy import NAME
from functions.detection.schemas import (
    CamerasAnswer,
    Evidence,
    IncidentDetail,
    IncidentsAnswer,
    IncidentState,
    PersonsAnswer,
)
from hearth.http.app import PageQuery, TimeParameter
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import require
from hearth.ids import ULID_PATTERN

CameraId = Annotated[str, Path(pattern=NAME)]
CapturedAt = Annotated[
    str,
    Path(
        pattern=r"^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z$",
        description="As in the frame's key: 20261102T073000.000000Z.",
    ),
]
IncidentId = Annotated[str, Path(pattern=f"^{ULID_PATTERN}$")]


class IncidentQuery(PageQuery):
    """Which incidents; `from` and `to` bound the time in which they went on."""

    camera_id: str | None = Field(None, pattern=NAME)
    state: IncidentState | None = None
    since: TimeParameter | None = Field(None, alias="from")
    until: TimeParameter | None = Field(None, alias="to")
    closed: bool | None = Field(None, description="Whether a person has dealt with it.")


class EquipmentQuery(BaseModel):
    """As Rekognition's SummarizationAttributes."""

    min_confidence: float = Field(
        50, ge=50, le=100, description="Of people, parts and equipment that the summary counts."
    )
    required: list[EquipmentType] = Field(
        ["HEAD_COVER"], max_length=3, description="What a person needs."
    )


class Service(Protocol):
    def cameras(self) -> CamerasAnswer: ...
    def incidents(
        self,
        camera_id: str | None,
        state: IncidentState | None,
        since: datetime | None,
        until: datetime | None,
        closed: bool | None,
        limit: int,
        cursor: str | None,
    ) -> IncidentsAnswer: ...
    def incident(self, incident_id: str) -> IncidentDetail: ...
    def persons(self, incident_id: str) -> PersonsAnswer: ...
    def incident_equipment(
        self, incident_id: str, min_confidence: float, required: Sequence[EquipmentType]
    ) -> ProtectiveEquipmentAnswer: ...
    def frame_equipment(
        self,
        camera_id: str,
        captured_at: str,
        min_confidence: float,
        required: Sequence[EquipmentType],
    ) -> ProtectiveEquipmentAnswer: ...
    def evidence(self, incident_id: str) -> tuple[Evidence, bytes]: ...


def create_app(service: Service) -> FastAPI:
    """The application that answers with what `service` knows."""
    router = APIRouter(prefix="/api/v1", tags=["detection"])

    @router.get("/cameras", dependencies=[require("cameras:read")])
    async def list_cameras() -> CamerasAnswer:
        return service.cameras()

    @router.get("/incidents", dependencies=[require("incidents:read")])
    async def list_incidents(query: Annotated[IncidentQuery, Query()]) -> IncidentsAnswer:
        return service.incidents(
            query.camera_id,
            query.state,
            query.since,
            query.until,
            query.closed,
            query.limit,
            query.cursor,
        )

    @router.get("/incidents/{incident_id}", dependencies=[require("incidents:read")])
    async def get_incident(incident_id: IncidentId) -> IncidentDetail:
        return service.incident(incident_id)

    @router.get(
        "/incidents/{incident_id}/evidence",
        dependencies=[require("incidents:read")],
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not modified"}},
    )
    async def get_evidence(
        incident_id: IncidentId, if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        evidence, jpeg = service.evidence(incident_id)
        tag = f'"{evidence.sha256}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if if_none_match is not None and tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    @router.get("/incidents/{incident_id}/persons", dependencies=[require("incidents:read")])
    async def list_persons(incident_id: IncidentId) -> PersonsAnswer:
        return service.persons(incident_id)

    @router.get(
        "/incidents/{incident_id}/protective-equipment", dependencies=[require("incidents:read")]
    )
    async def get_incident_equipment(
        incident_id: IncidentId, query: Annotated[EquipmentQuery, Query()]
    ) -> ProtectiveEquipmentAnswer:
        return service.incident_equipment(incident_id, query.min_confidence, query.required)

    @router.get(
        "/cameras/{camera_id}/frames/{captured_at}/protective-equipment",
        dependencies=[require("incidents:read")],
    )
    async def get_frame_equipment(
        camera_id: CameraId, captured_at: CapturedAt, query: Annotated[EquipmentQuery, Query()]
    ) -> ProtectiveEquipmentAnswer:
        return service.frame_equipment(camera_id, captured_at, query.min_confidence, query.required)

    return create_http_app("Hearth detection", router)
