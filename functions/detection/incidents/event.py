"""Builds the incident event and the parts of API responses from stored rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from functions.detection.incidents.recording import class_summaries
from functions.detection.judging.equipment import DESCRIPTIONS, REGULATIONS
from functions.detection.policy import EpisodeRules
from functions.detection.schemas import (
    DetectedBox,
    EndReason,
    Evidence,
    Indeterminate,
    ModelUsed,
    Peak,
    SafetyViolationDetected,
    Site,
    Thresholds,
    ViolationClass,
)
from hearth.ids import ulid_from
from hearth.ledger.events import Event

if TYPE_CHECKING:
    from sqlalchemy import Row

VIOLATION_DETECTED: Final = "safety.violation.detected"


def incident_event(
    row: Row[Any],
    peak: Row[Any],
    rules: EpisodeRules,
    reason: EndReason,
    evidence: Evidence,
    site: Site,
) -> SafetyViolationDetected:
    """The event of an incident that has ended.

    Args:
        row: The incident.
        peak: Its peak frame, with its model.
    """
    return SafetyViolationDetected(
        event_id=ulid_from(row.last_seen, row.id, str(row.revision), "end"),
        incident_id=row.id,
        revision=row.revision,
        camera_id=row.camera_id,
        zone=row.zone or None,
        site=site,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        end_reason=reason,
        frames_observed=row.frames,
        persons_max=row.persons_max,
        violations=violations_of(row.classes),
        indeterminate=indeterminate_of(peak.result),
        peak=peak_of(peak),
        evidence=evidence,
        model=model_of(peak.model),
        thresholds=Thresholds(
            confidence=peak.model["confidence"],
            iou=peak.model["iou"],
            episode_score=rules.min_score,
            min_observations=rules.min_observations,
        ),
    )


def violations_of(classes: Sequence[Mapping[str, Any]]) -> tuple[ViolationClass, ...]:
    """The confirmed classes of an incident with description and regulation."""
    return tuple(
        ViolationClass(
            class_name=one.class_name,
            description=DESCRIPTIONS[one.class_name],
            osha_regulation=REGULATIONS[one.class_name],
            confidence=one.confidence,
            peak_confidence=one.peak_confidence,
            observations=one.observations,
            first_seen=one.first_seen,
            last_seen=one.last_seen,
        )
        for one in class_summaries(classes)
    )


def indeterminate_of(result: Mapping[str, Any]) -> tuple[Indeterminate, ...]:
    """What could not be judged of the people on the peak frame, each reason once."""
    pairs = {
        (finding["item"], finding["reason"])
        for person in result["persons"]
        for finding in person["findings"]
        if finding["state"] == "indeterminate"
    }
    return tuple(Indeterminate(item=item, reason=reason) for item, reason in sorted(pairs))


def peak_of(frame: Row[Any]) -> Peak:
    return Peak(
        captured_at=frame.captured_at,
        frame_key=frame.frame_key,
        width=frame.width,
        height=frame.height,
        detections=tuple(DetectedBox(**one) for one in frame.result["detections"]),
    )


def model_of(body: Mapping[str, Any]) -> ModelUsed:
    return ModelUsed(
        name=body["name"],
        sha256=body["sha256"],
        method=body["method"],
        backend=body["backend"],
        classes=len(body["classes"]),
        fallback=body["fallback"],
        notes=tuple(body["notes"]),
        # Rows of earlier versions lack these.
        model_id=body.get("model_id"),
        variant=body.get("variant", "original"),
        precision=body.get("precision"),
    )


def domain_event(event: SafetyViolationDetected) -> Event:
    """The domain event, once for each revision of an incident.

    Its time is that of the last observation, so that a repeat is identical.
    """
    return Event(
        type=VIOLATION_DETECTED,
        id=f"{event.incident_id}:{event.revision}",
        time=event.last_seen,
        subject=event.incident_id,
        data=event.model_dump(mode="json"),
        version=event.schema_version,
    )
