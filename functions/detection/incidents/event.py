"""Builds the incident event and the parts of API responses from stored rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from functions.detection.incidents.episodes import ClassSummary
from functions.detection.incidents.recording import class_summaries
from functions.detection.judging.equipment import DESCRIPTIONS, REGULATIONS
from functions.detection.policy import EpisodeRules
from functions.detection.schemas import (
    DetectedBox,
    Evidence,
    Indeterminate,
    ModelUsed,
    Peak,
    ReviewOut,
    SafetyViolationDetected,
    SafetyViolationEnded,
    SafetyViolationStarted,
    SafetyViolationUpdated,
    Site,
    Thresholds,
    ViolationClass,
)
from hearth.ids import ulid_from
from hearth.ledger.events import Event

if TYPE_CHECKING:
    from sqlalchemy import Row

    from functions.detection.incidents.whole_incident import WholeIncident

VIOLATION_DETECTED: Final = "safety.violation.detected"
VIOLATION_STARTED: Final = "safety.violation.started"
VIOLATION_UPDATED: Final = "safety.violation.updated"
VIOLATION_ENDED: Final = "safety.violation.ended"


def incident_event(
    whole: WholeIncident,
    peak: Row[Any],
    rules: EpisodeRules,
    evidence: Evidence,
    site: Site,
    persons_seen: int | None,
    review: ReviewOut | None,
) -> SafetyViolationDetected:
    """The event of an incident that has ended, with what continued it.

    Args:
        peak: The peak frame of its first part, with its model.
    """
    row = whole.root
    return SafetyViolationDetected(
        event_id=ulid_from(whole.last_seen, row.id, str(whole.revision), "end"),
        incident_id=row.id,
        revision=whole.revision,
        camera_id=row.camera_id,
        zone=row.zone or None,
        site=site,
        first_seen=row.first_seen,
        last_seen=whole.last_seen,
        end_reason=whole.end_reason,
        frames_observed=whole.frames,
        persons_max=whole.persons_max,
        violations=whole.violations,
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
        persons_seen=persons_seen,
        continuations=whole.continuations,
        review=review,
    )


def started_event(row: Row[Any], peak: Row[Any], evidence: Evidence | None, site: Site) -> Event:
    """The event of an incident that has begun."""
    data = SafetyViolationStarted(
        **_alert_fields(row, site), evidence=evidence, model=model_of(peak.model)
    )
    return Event(VIOLATION_STARTED, row.id, row.last_seen, row.id, data.model_dump(mode="json"))


def updated_event(
    row: Row[Any], change: str, peak: Row[Any], evidence: Evidence | None, site: Site
) -> Event:
    """The event of an incident that goes on."""
    fields = _alert_fields(row, site)
    root_id = fields["incident_id"] = row.continuation_of or row.id
    data = SafetyViolationUpdated(
        **fields, change=change, evidence=evidence, model=model_of(peak.model)
    )
    event_id = f"{root_id}:{change}" + (f":{row.id}" if root_id != row.id else "")
    return Event(VIOLATION_UPDATED, event_id, row.last_seen, root_id, data.model_dump(mode="json"))


def ended_event(event: SafetyViolationDetected) -> Event:
    """The event of an incident that is over."""
    names = set(SafetyViolationEnded.model_fields)
    data = SafetyViolationEnded(**{name: getattr(event, name) for name in names})
    return Event(
        VIOLATION_ENDED,
        f"{event.incident_id}:{event.revision}",
        event.last_seen,
        event.incident_id,
        data.model_dump(mode="json"),
    )


def _alert_fields(row: Row[Any], site: Site) -> dict[str, Any]:
    return {
        "incident_id": row.id,
        "camera_id": row.camera_id,
        "zone": row.zone or None,
        "site": site,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "persons_max": row.persons_max,
        "violations": violations_of(row.classes),
    }


def violations_of(classes: Sequence[Mapping[str, Any]]) -> tuple[ViolationClass, ...]:
    """The confirmed classes of an incident with description and regulation."""
    return describe_violations(class_summaries(classes))


def describe_violations(classes: Sequence[ClassSummary]) -> tuple[ViolationClass, ...]:
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
        for one in classes
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
