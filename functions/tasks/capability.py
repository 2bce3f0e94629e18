"""What `tasks` declares: permissions, jobs, events and tables."""

from __future__ import annotations

from hearth.capability import Capability, Published

CAPABILITY = Capability(
    name="tasks",
    functions=("tasks", "tasks-api"),
    permissions={
        "tasks:manage": "developer",  # everybody's
        "tasks:read": "user",  # one's own, and those assigned to one
        "tasks:write": "user",
    },
    queue="tasks",
    jobs={"tasks.remind": "record"},
    publishes=(
        Published("task.completed", "event_schemas:TaskCompleted"),
        Published("task.created", "event_schemas:TaskCreated"),
        Published("task.deleted", "event_schemas:TaskDeleted"),
        Published("task.due", "event_schemas:TaskDue"),
        Published("task.imported", "event_schemas:TasksImported"),
        Published("task.reopened", "event_schemas:TaskReopened"),
        Published("task.updated", "event_schemas:TaskUpdated"),
    ),
    subscribes=("safety.incident.reviewed", "safety.report.ready"),
    tables=(
        "task_comments",
        "task_dependencies",
        "task_history",
        "task_locks",
        "task_reports",
        "task_saved_filters",
        "task_terms",
        "task_words",
        "tasks",
    ),
)
