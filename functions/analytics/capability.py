"""What `analytics` declares: permissions, subscriptions and tables."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="analytics",
    functions=("analytics", "analytics-api", "analytics-rollup"),
    permissions={"analytics:read": "developer", "analytics:write": "user"},
    queue="analytics",
    subscribes=(
        "safety.report.ready",
        "safety.violation.detected",
        "task.completed",
        "task.created",
        "task.deleted",
        "task.due",
        "task.reopened",
        "task.updated",
    ),
    tables=("analytics_events", "analytics_rollups"),
)
