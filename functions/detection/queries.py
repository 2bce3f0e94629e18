"""Answers about cameras and incidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from functions.detection.cameras import CAMERAS, prepare_camera
from functions.detection.incidents.event import indeterminate_of, model_of, peak_of, violations_of
from functions.detection.incidents.reviewing import ReviewService
from functions.detection.judging.equipment import RESTRICTED
from functions.detection.judging.rekognition import (
    EquipmentType,
    ProtectiveEquipmentOut,
    protective_equipment,
)
from functions.detection.judging.tracks import ATTEMPTS, GONE_AFTER, Track, read_sightings, track
from functions.detection.judging.verdicts import Verdict
from functions.detection.repository.cameras import list_cameras
from functions.detection.repository.frames import get_frame_with_model, list_frames_with_people
from functions.detection.repository.incident_rows import get_incident, list_chain, list_incidents
from functions.detection.repository.reviews import count_reviews, list_reviews
from functions.detection.repository.tables import CANDIDATE, ENDED, OPEN, SUPERSEDED
from functions.detection.schemas import (
    CameraOut,
    CameraPage,
    Evidence,
    IncidentDetailOut,
    IncidentOut,
    IncidentPage,
    IncidentQuery,
    ModelOut,
    PersonAttribute,
    PersonOut,
    PersonsOut,
)
from hearth.errors import NotFound
from hearth.frames import camera_prefix, frame_key
from hearth.paging import decode_cursor, page
from hearth.resource.rows import Rows
from hearth.resource.service import ResourceService

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hearth.db import Database
    from hearth.ledger.ledger import Ledger

MAX_EVIDENCE_BYTES: Final = 20_000_000
MAX_PERSON_FRAMES: Final = 5000
"""Frames that one answer about persons reads: 10 minutes, the longest episode, at 8 a second."""


_SOURCES: Final = Rows(CAMERAS)
_SHOWN: Final = ("id", "version", "rate", "region", "policy", "enabled")


class Objects(Protocol):
    def get(self, key: str, max_bytes: int) -> bytes: ...


class Storage(Protocol):
    """Database and object store; each is connected on first use."""

    @property
    def db(self) -> Database: ...
    @property
    def store(self) -> Objects: ...
    @property
    def ledger(self) -> Ledger: ...


class Queries:
    """The read side, and the rows of cameras.

    Args:
        storage: Database and object store.
        draw_snapshot: Camera → its latest image with the policy's zones on it, as JPEG.
    """

    def __init__(self, storage: Storage, draw_snapshot: Callable[[str], bytes]) -> None:
        self._storage = storage
        self.draw_snapshot = draw_snapshot

    @cached_property
    def cameras(self) -> ResourceService:
        return ResourceService(CAMERAS, self._storage.ledger, prepare_camera)

    @cached_property
    def reviews(self) -> ReviewService:
        return ReviewService(self._storage.ledger)

    def list_cameras(self) -> CameraPage:
        """Cameras that have a row or have sent frames, by id."""
        rows, configured, reviews = self._storage.db.read(
            lambda tx: (list_cameras(tx), _SOURCES.every(tx), count_reviews(tx))
        )
        found = {
            row.camera_id: _camera(row).model_copy(
                update={"reviews": reviews.get(row.camera_id, {})}
            )
            for row in rows
        }
        for source in configured:
            camera = found.get(source["name"]) or _unseen_camera(source["name"])
            found[camera.camera_id] = camera.model_copy(
                update={name: source[name] for name in _SHOWN}
                | {"configured": True, "source": source["address"]}
            )
        return CameraPage(cameras=[found[camera_id] for camera_id in sorted(found)])

    def list_incidents(self, query: IncidentQuery) -> IncidentPage:
        """Incidents, the latest first, that overlap with `since` to `until`.

        Raises:
            InvalidInput: the cursor is not one of this list.
        """
        before = decode_cursor(query.cursor, 1)[0] if query.cursor is not None else None
        rows = self._storage.db.read(
            lambda tx: list_incidents(
                tx,
                query.camera_id,
                query.state,
                query.since,
                query.until,
                query.closed,
                before,
                query.limit + 1,
                continuations=query.continuations,
            )
        )
        shown, next_cursor = page(rows, query.limit, lambda row: (row.id,))
        return IncidentPage(
            incidents=[IncidentOut(**_summary(row)) for row in shown], next_cursor=next_cursor
        )

    def get_incident(self, incident_id: str) -> IncidentDetailOut:
        """One incident with its peak frame.

        Raises:
            NotFound: no such incident.
        """
        row = self._row(incident_id)
        frame, parts, reviews = self._storage.db.read(
            lambda tx: (
                get_frame_with_model(tx, row.peak_frame_key),
                list_chain(tx, row.id),
                list_reviews(tx, row.id),
            )
        )
        judged = frame is not None and frame.result is not None
        return IncidentDetailOut(
            **_summary(row),
            continuations=tuple(
                part.id for part in parts if part.id != row.id and part.state in (OPEN, ENDED)
            ),
            reviews=tuple(reviews),
            peak=peak_of(frame) if frame is not None and judged else None,
            persons=frame.result["persons"] if frame is not None and judged else [],
            indeterminate=indeterminate_of(frame.result) if frame is not None and judged else (),
            model=_model(frame.model) if frame is not None and frame.model else None,
        )

    def list_persons(self, incident_id: str) -> PersonsOut:
        """The people of an incident, and what several frames agree on for each.

        Raises:
            NotFound: no such incident.
        """
        row = self._row(incident_id)
        first = frame_key(row.camera_id, row.first_seen - GONE_AFTER)
        last = frame_key(row.camera_id, row.last_seen + GONE_AFTER)
        found = self._storage.db.read(
            lambda tx: list_frames_with_people(
                tx, row.camera_id, first, last, MAX_PERSON_FRAMES + 1
            )
        )
        kept = found[:MAX_PERSON_FRAMES]
        seen = [
            one
            for frame in kept
            for one in read_sightings(frame.frame_key, frame.captured_at, frame.result)
        ]
        return PersonsOut(
            incident_id=row.id,
            camera_id=row.camera_id,
            frames_with_person=len(kept),
            complete=len(found) == len(kept) and row.pruned_at is None,
            persons=[_person(one) for one in track(row.camera_id, seen)],
        )

    def get_incident_equipment(
        self, incident_id: str, min_confidence: float, required: Sequence[EquipmentType]
    ) -> ProtectiveEquipmentOut:
        """An incident's peak frame in Rekognition's shape.

        Raises:
            NotFound: no such incident.
        """
        return self._equipment(self._row(incident_id).peak_frame_key, min_confidence, required)

    def get_frame_equipment(
        self,
        camera_id: str,
        captured_at: str,
        min_confidence: float,
        required: Sequence[EquipmentType],
    ) -> ProtectiveEquipmentOut:
        """One frame in Rekognition's shape; `captured_at` is written as in the frame's key.

        Raises:
            NotFound: no such frame, or nothing (any more) is stored of it.
        """
        key = f"{camera_prefix(camera_id)}{captured_at}.jpg"
        return self._equipment(key, min_confidence, required)

    def _equipment(
        self, key: str, min_confidence: float, required: Sequence[EquipmentType]
    ) -> ProtectiveEquipmentOut:
        frame = self._storage.db.read(lambda tx: get_frame_with_model(tx, key))
        if frame is None or frame.result is None or frame.model is None:
            raise NotFound(
                f"nothing is stored of frame {key[:120]!r}: it was not judged, or is old"
            )
        return protective_equipment(
            frame.result, (frame.width, frame.height), frame.model, min_confidence, required
        )

    def get_evidence(self, incident_id: str) -> tuple[Evidence, bytes]:
        """An incident's evidence image, as JPEG.

        Raises:
            NotFound: no such incident, or there is no image yet; while it goes on, the latest
                alert's is shown.
        """
        row = self._row(incident_id)
        shown = row.evidence or row.alert_evidence
        if shown is None:
            raise NotFound(f"incident {incident_id} is {_state(row)}; no evidence is drawn yet")
        evidence = Evidence.model_validate(shown)
        return evidence, self._storage.store.get(evidence.key, MAX_EVIDENCE_BYTES)

    def get_clip(self, incident_id: str) -> tuple[str, bytes]:
        """The SHA-256 and bytes of an incident's clip, a GIF.

        Raises:
            NotFound: no such incident, or it has no clip (yet).
        """
        row = self._row(incident_id)
        evidence = Evidence.model_validate(row.evidence) if row.evidence else None
        if evidence is None or evidence.clip_key is None:
            raise NotFound(f"incident {incident_id} is {_state(row)} and has no clip")
        data = self._storage.store.get(evidence.clip_key, MAX_EVIDENCE_BYTES)
        return evidence.clip_sha256 or "", data

    def _row(self, incident_id: str) -> Row[Any]:
        row = self._storage.db.read(lambda tx: get_incident(tx, incident_id))
        if row is None or (row.state == CANDIDATE and row.revision == 1):
            raise NotFound(f"incident {incident_id[:80]!r} does not exist")
        return row


def _camera(row: Row[Any]) -> CameraOut:
    return CameraOut(
        camera_id=row.camera_id,
        frames=row.frames,
        frames_with_person=row.frames_with_person,
        failed_frames=row.failed,
        dropped_frames=(row.dropped or 0) + (row.over_rate or 0),
        dropped_by_reason={"lag": row.dropped or 0, "rate": row.over_rate or 0},
        first_frame_at=row.first_frame_at,
        last_frame_at=row.last_frame_at,
        ended_at=row.ended_at,
        silent_since=row.silent_since,
        verdicts={verdict.value: getattr(row, verdict.value) for verdict in Verdict},
        open_incidents=row.open_incidents,
        model=_model(row.model) if row.model else None,
    )


def _unseen_camera(camera_id: str) -> CameraOut:
    return CameraOut(
        camera_id=camera_id,
        frames=0,
        frames_with_person=0,
        failed_frames=0,
        dropped_frames=0,
        dropped_by_reason={"lag": 0, "rate": 0},
        first_frame_at=None,
        last_frame_at=None,
        ended_at=None,
        verdicts=dict.fromkeys(Verdict, 0),
        open_incidents=0,
        model=None,
    )


def _person(one: Track) -> PersonOut:
    attributes = one.attributes()
    violations = one.violations()
    first, last = one.sightings[0], one.sightings[-1]
    verdict = Verdict.INDETERMINATE
    in_zone = violations.get(RESTRICTED, 0) >= ATTEMPTS
    if one.confirmed and (in_zone or any(found.state == "missing" for found in attributes)):
        verdict = Verdict.VIOLATION
    elif one.confirmed and all(found.state == "worn" for found in attributes):
        verdict = Verdict.INDETERMINATE if violations else Verdict.COMPLIANT
    return PersonOut(
        person_id=one.person_id,
        first_seen=first.captured_at,
        last_seen=last.captured_at,
        frames=len(one.sightings),
        confidence=round(one.score, 4),
        confirmed=one.confirmed,
        verdict=verdict.value,
        attributes=[
            PersonAttribute(
                item=found.item,
                state=found.state,
                confidence=found.score,
                attempts=found.attempts,
                agreement=found.agreement,
                reason=found.reason,
            )
            for found in attributes
        ],
        violations=violations,
        last_bbox=last.box,
    )


def _model(body: Mapping[str, Any]) -> ModelOut:
    return ModelOut(**model_of(body).model_dump(), detail=body["detail"])


def _state(row: Row[Any]) -> str:
    # Reported once and then taken back, see `CANDIDATE`.
    return SUPERSEDED if row.state == CANDIDATE else str(row.state)


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "incident_id": row.id,
        "camera_id": row.camera_id,
        "zone": row.zone or None,
        "state": _state(row),
        "revision": row.revision,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "end_reason": row.end_reason,
        "frames_observed": row.frames,
        "persons_max": row.persons_max,
        "violations": violations_of(row.classes),
        "superseded_by": row.superseded_by,
        "closed_at": row.closed_at,
        "closed_by_task": row.closed_by_task,
        "evidence": row.evidence,
        "continuation_of": row.continuation_of,
        "review": row.review,
    }
