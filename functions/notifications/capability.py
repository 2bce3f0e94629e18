"""What `notifications` declares: permissions, jobs, subscriptions and tables."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="notifications",
    functions=("notifications", "notifications-api"),
    permissions={"notifications:read": "user", "notifications:write": "admin"},
    queue="notifications",
    jobs={"notifications.digest": "record", "notifications.send": "record"},
    subscribes=(
        "safety.camera.back",
        "safety.camera.silent",
        "safety.incident.reviewed",
        "safety.report.ready",
        "safety.violation.detected",
        "safety.violation.ended",
        "safety.violation.started",
        "safety.violation.updated",
        "task.completed",
        "task.created",
        "task.due",
        "task.imported",
    ),
    tables=(
        "notification_attempts",
        "notification_channels",
        "notification_deliveries",
        "notification_messages",
        "notification_stored_channels",
        "notification_topics",
        "notifications",
    ),
)
