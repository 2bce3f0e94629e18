"""What all capabilities declare. Written by scripts/declare.py; do not edit."""

from __future__ import annotations

from typing import Final

PERMISSIONS: Final[dict[str, str]] = {
    "analytics:read": "developer",
    "analytics:write": "user",
    "audit:read": "admin",
    "cameras:read": "guest",
    "cameras:write": "developer",
    "clustering:manage": "developer",
    "clustering:use": "user",
    "incidents:read": "guest",
    "incidents:write": "developer",
    "jobs:read": "developer",
    "jobs:retry": "developer",
    "keys:write": "user",
    "notifications:read": "user",
    "notifications:write": "admin",
    "reports:read": "guest",
    "tasks:manage": "developer",
    "tasks:read": "user",
    "tasks:write": "user",
    "text:infer": "user",
    "users:manage": "admin",
}
JOBS: Final[dict[str, str]] = {
    "clustering.run": "record",
    "detection.alert": "repeatable",
    "detection.end": "repeatable",
    "detection.frame": "repeatable",
    "detection.presence": "repeatable",
    "detection.prune": "repeatable",
    "detection.review": "repeatable",
    "detection.settle": "repeatable",
    "embeddings.embed": "record",
    "notifications.digest": "record",
    "notifications.send": "record",
    "reports.digest": "always",
    "reports.email": "always",
    "tasks.remind": "record",
}
EVENTS: Final[dict[str, str]] = {
    "safety.camera.back": "record",
    "safety.camera.silent": "record",
    "safety.incident.reviewed": "record",
    "safety.report.ready": "record",
    "safety.violation.detected": "always",
    "safety.violation.ended": "record",
    "safety.violation.started": "record",
    "safety.violation.updated": "record",
    "task.completed": "record",
    "task.created": "record",
    "task.deleted": "record",
    "task.due": "record",
    "task.imported": "record",
    "task.reopened": "record",
    "task.updated": "record",
}
SUBSCRIBERS: Final[dict[str, list[str]]] = {
    "safety.camera.back": [
        "notifications",
    ],
    "safety.camera.silent": [
        "notifications",
    ],
    "safety.incident.reviewed": [
        "notifications",
        "tasks",
    ],
    "safety.report.ready": [
        "analytics",
        "notifications",
        "tasks",
    ],
    "safety.violation.detected": [
        "analytics",
        "notifications",
        "reports",
    ],
    "safety.violation.ended": [
        "notifications",
    ],
    "safety.violation.started": [
        "notifications",
    ],
    "safety.violation.updated": [
        "notifications",
    ],
    "task.completed": [
        "analytics",
        "detection",
        "notifications",
    ],
    "task.created": [
        "analytics",
        "notifications",
        "reports",
    ],
    "task.deleted": [
        "analytics",
    ],
    "task.due": [
        "analytics",
        "notifications",
    ],
    "task.imported": [
        "notifications",
    ],
    "task.reopened": [
        "analytics",
        "detection",
    ],
    "task.updated": [
        "analytics",
    ],
}
QUEUES: Final[list[str]] = [
    "analytics",
    "clustering",
    "detection",
    "embeddings",
    "notifications",
    "reports",
    "tasks",
]
FUNCTIONS: Final[list[str]] = [
    "analytics",
    "analytics-api",
    "analytics-rollup",
    "auth",
    "authorizer",
    "clustering",
    "clustering-api",
    "detection",
    "detection-api",
    "detection-cameras",
    "docs",
    "embeddings",
    "embeddings-api",
    "jobs",
    "migrate",
    "notifications",
    "notifications-api",
    "reports",
    "reports-api",
    "sweep",
    "tasks",
    "tasks-api",
]
