"""What `detection` declares: permissions, jobs, events and tables."""

from __future__ import annotations

from hearth.capability import Capability, Published

CAPABILITY = Capability(
    name="detection",
    functions=("detection", "detection-api", "detection-cameras"),
    permissions={
        "cameras:read": "guest",
        "cameras:write": "developer",
        "incidents:read": "guest",
        "incidents:write": "developer",
    },
    queue="detection",
    jobs={
        "detection.alert": "repeatable",
        "detection.end": "repeatable",
        "detection.frame": "repeatable",
        "detection.presence": "repeatable",
        "detection.prune": "repeatable",
        "detection.review": "repeatable",
        "detection.settle": "repeatable",
    },
    # The ledger's row of a violation stays with its report: it prevents a second one.
    publishes=(
        Published("safety.camera.back", "schemas:CameraBack"),
        Published("safety.camera.silent", "schemas:CameraSilent"),
        Published(
            "safety.violation.detected", "schemas:SafetyViolationDetected", version=2, keep="always"
        ),
        Published("safety.incident.reviewed", "schemas:IncidentReviewed"),
        Published("safety.violation.ended", "schemas:SafetyViolationEnded"),
        Published("safety.violation.started", "schemas:SafetyViolationStarted"),
        Published("safety.violation.updated", "schemas:SafetyViolationUpdated"),
    ),
    subscribes=("task.completed", "task.reopened"),
    tables=(
        "detection_camera_sources",
        "detection_cameras",
        "detection_closings",
        "detection_frames",
        "detection_incidents",
        "detection_models",
        "detection_observations",
        "detection_reviews",
    ),
)
